-- Jobs that finalisers submit while a script is being ended run like all others.
-- `yield` is Lua's own: what yields by it ends with an error, and the text of that
-- error is one of the allocations at which finalisers run.
local yield = coroutine.yield
local msys = require "msys"
local live, submitted, ran = true, 0, 0
local function arm()
  setmetatable({}, { __gc = function()
    if not live then return end
    submitted = submitted + 1
    msys.runInPool("IO", function() ran = ran + 1 end, true)
    arm()
  end })
end
arm()
collectgarbage("incremental", 10, 1000, 1)
for _ = 1, tonumber(arg and arg[1]) or 1500 do
  msys.runInPool("CPU", function() yield() end)
end
live = false
for _ = 1, 20 do
  msys.runInPool("IO", function() end)
  msys.runInPool("CPU", function() end)
end
assert(submitted > 0)
if submitted ~= ran then
  print(submitted .. " submitted, " .. ran .. " ran")
  os.exit(1, false) -- what is lost would be waited for
end
print "ok"
