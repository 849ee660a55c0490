-- What a finaliser puts in _TLS stays there, also when it ran while the table was
-- being made for somebody else's first access.
local msys = require "msys"
local by = setmetatable({}, { __mode = "k" })
local live = true
local function arm()
  setmetatable({}, { __gc = function()
    if not live then return end
    _TLS.finalised = true
    by[coroutine.running()] = true
    arm()
  end })
end
arm()
collectgarbage("incremental", 10, 1000, 1)
local met = 0
for i = 1, 1000 do
  coroutine.wrap(function()
    local co = coroutine.running()
    _TLS.x = i
    if by[co] then
      met = met + 1
      assert(_TLS.finalised, "a second table took the place of the first")
    end
  end)()
end
live = false
assert(met > 0 and msys)
print "ok"
