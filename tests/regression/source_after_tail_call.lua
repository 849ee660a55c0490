-- The log names the closure's file, though a tail call has let the closure go.
local msys = require "msys"
function tail()
  collectgarbage()
  collectgarbage()
  local t = {}
  for i = 1, 2000 do t[i] = ("Z"):rep(60 + i % 40) .. i end
  error("boom")
end
local name = "@" .. ("policy_"):rep(10) .. os.time() .. ".lua"
local f = load("return tail()", name)
msys.runInPool("CPU", f, true)
f, name = nil, nil
msys.runInPool("CPU", function() end)
print "ok"
