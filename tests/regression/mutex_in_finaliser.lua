-- A finaliser that locks a mutex finalised before it is refused; a script that
-- ends with such a lock would free what is gone.
local msys = require "msys"
local thread = thread
local locked, message
local ok, over = msys.runInPool("CPU", function()
  do
    local object = setmetatable({}, { __gc = function(o)
      locked, message = pcall(o.m.lock, o.m)
    end })
    object.m = thread.mutex()
  end
  collectgarbage()
  collectgarbage()
  local t = {}
  for i = 1, 3000 do t[i] = ("x"):rep(40 + i % 200) .. i end
  return "over"
end)
assert(ok == true and over == "over")
assert(locked == false and message:find("has been collected", 1, true), tostring(message))
print "ok"
