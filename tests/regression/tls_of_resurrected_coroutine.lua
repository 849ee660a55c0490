-- A finaliser may resume a coroutine that used _TLS and died with it.
local msys = require "msys"
local resumed = false
do
  local co = coroutine.wrap(function()
    while true do
      _TLS.x = 1
      coroutine.yield()
    end
  end)
  setmetatable({}, { __gc = function() co(); resumed = true end })
  co()
  co = nil
end
do
  local co = coroutine.wrap(function()
    while true do
      _TLS.x = 1
      coroutine.yield()
    end
  end)
  local object = setmetatable({ co = co }, { __gc = function(o) o.co(); resumed = true end })
  co()
end
collectgarbage()
collectgarbage()
assert(resumed and msys)
print "ok"
