-- Jobs that wait for what will never come do not keep the interpreter from ending.
local msys = require "msys"
local mutex = thread.mutex(thread.MUTEX_NORMAL)
local jobs = {}
local function job(f)
  local _, made = msys.runInPool("CPU", f, function() end)
  table.insert(jobs, made)
end
job(function()
  msys.lock("stuck")
  mutex:lock()
  mutex:lock()
end)
job(function() return jobs[1]:wait() end)
job(function() return msys.runInPool("CPU", function() msys.lock("stuck") end) end)
job(coroutine.wrap(function() mutex:lock() end))
msys.runInPool("IO", function()
  -- What ends by itself is waited for.
  msys.runInInst(0, function() msys.sleep(0.1) io.stdout:write("slept\n") end)
end, true)
msys.runInPool("IO", function() end)
io.stdout:write("main is over\n")
