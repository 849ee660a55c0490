-- Jobs that wait for what will never come do not keep the interpreter from ending.
local msys = require "msys"
local mutex = thread.mutex(thread.MUTEX_NORMAL)
local jobs = {}
local begun = 0  -- of those that wait, each in the slice in which it begins to
local function begin() begun = begun + 1 end
local function job(f)
  local _, made = msys.runInPool("CPU", f, function() end)
  table.insert(jobs, made)
end
job(function()
  msys.lock("stuck")
  mutex:lock()
  begin()
  mutex:lock()
end)
job(function() begin() return jobs[1]:wait() end)
job(function()
  return msys.runInPool("CPU", function() begin() msys.lock("stuck") end)
end)
job(coroutine.wrap(function() begin() mutex:lock() end))
msys.runInPool("IO", function()
  -- What ends by itself is waited for.
  msys.runInInst(0, function()
    begin()
    msys.sleep(0.1)
    io.stdout:write("slept\n")
  end)
end, true)
repeat msys.runInPool("IO", function() end) until begun == 5
io.stdout:write("main is over\n")
