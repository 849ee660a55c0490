-- job:cancel() and job:status() of a job that is over touch no other job, though
-- the memory of the one may serve the next.
local msys = require "msys"
local function drain() for _ = 1, 20 do msys.runInPool("IO", function() end) end end

local _, first = msys.runInPool("CPU", function() return 1 end, function() end)
first:wait()
drain()
local ran = 0
local _, second = msys.runInPool("CPU", function() ran = ran + 1 end, function() end)
assert(first:status() == "done" and first:cancel() == false, "cancelled what is over")
assert(second:wait() == true and ran == 1, "another job was cancelled")
msys.runInPool("CPU", function() ran = ran + 1 end, true)
assert(first:cancel() == false)
msys.runInPool("CPU", function() end)
assert(ran == 2, "an asynchronous job was cancelled")

-- More than are kept for the next calls: their memory is given back.
local jobs = {}
for i = 1, 6000 do
  jobs[i] = select(2, msys.runInPool("CPU", function() end, function() end))
end
for i = 1, 6000 do jobs[i]:wait() end
drain()
for i = 1, 6000 do assert(jobs[i]:cancel() == false and jobs[i]:status() == "done") end
print "ok"
