-- The _TLS of a coroutine that nobody has any more goes with it, also when it
-- refers to the coroutine; what a job shares stays for as long as the job does.
local msys = require "msys"
local alive = setmetatable({}, { __mode = "k" })
local function count()
  collectgarbage()
  local n = 0
  for _ in pairs(alive) do n = n + 1 end
  return n
end

local function lose(f)
  coroutine.wrap(function()
    local co = coroutine.running()
    _TLS.co, alive[co] = co, true
    if f then f() end
  end)()
end

for _ = 1, 100 do lose() end
assert(count() == 0, "tables of lost coroutines are kept")

local seen
lose(function()
  msys.runInPool("CPU", function() seen = type(_TLS.co) end, true)
  msys.runInPool("CPU", function() _TLS.later = "job's" end, true)
end)
assert(count() == 1, "the table of a queued job is gone")
repeat msys.runInPool("CPU", function() end) until seen
assert(seen == "thread")

-- Made by the job, seen by the coroutine, and by a second job.
local co = coroutine.wrap(function()
  while true do
    msys.runInPool("CPU", function() _TLS.n = (_TLS.n or 0) + 1 end)
    coroutine.yield(_TLS.n)
  end
end)
assert(co() == 1 and co() == 2)
co = nil
repeat msys.runInPool("CPU", function() end) until count() == 0
print "ok"
