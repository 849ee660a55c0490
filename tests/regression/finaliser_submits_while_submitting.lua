-- A finaliser that runs in the middle of a runInPool call, and makes one itself,
-- leaves the interpreter attached.
local msys = require "msys"
local live, ran = true, 0
local function arm()
  setmetatable({}, { __gc = function()
    if not live then return end
    msys.runInPool("CPU", function() ran = ran + 1 end, true)
    arm()
  end })
end
arm()
collectgarbage("incremental", 10, 1000, 1)
for i = 1, 2000 do
  msys.runInPool("CPU", function() end, true)
  if i % 100 == 0 then msys.runInPool("CPU", function() end) end
end
live = false
assert(ran > 0)
print "ok"
