-- A job whose completion function is suspended is done, and nothing else.
local msys = require "msys"
local resumed, seen = false, nil
local _, job = msys.runInPool("CPU", function() return 1 end, function()
  msys.runInPool("SpoolIn", function()
    while not seen do msys.sleep(0.001) end
  end)
  resumed = true
end)
job:wait()
msys.runInPool("IO", function() end)
local stat = msys.threadpool.stat("CPU")
seen = true
assert(stat.job_num_submitted == nil or stat.job_num_submitted == 1)
for name, value in pairs(stat) do
  if name:find("suspended") or name:find("running") then
    assert(value == 0, name .. " " .. tostring(value))
  end
end
repeat msys.runInPool("IO", function() end) until resumed
print "ok"
