-- To wait for a job may take memory, and so run a finaliser, which may cancel the job.
local msys = require "msys"
collectgarbage "stop"
collectgarbage("incremental", 100, 1000, 40)
collectgarbage("setpause", 0)
local ran = 0
for i = 1, 260 do
  collectgarbage()
  local _, job = msys.runInPool("IO", function() end, function() end)
  for _ = 1, i do msys.runInPool("CPU", function() end, true) end
  setmetatable({}, { __gc = function()
    ran = ran + 1
    job:cancel()
  end })
  local t = {}
  collectgarbage "restart"
  t[1] = 1
  t[2] = 1
  local ok = job:wait()
  collectgarbage "stop"
  assert(ok == (job:status() == "done"), "job:wait: another result than its status")
end
assert(ran > 0, "no finaliser has run")
print "ok"
