-- What a finaliser puts in _TLS stays there, and apart from what scripts put in
-- theirs, also when it runs while a table is being made for a first access.
local msys = require "msys"
local live, ran, kept, strange = true, 0, 0, 0
local function arm()
  setmetatable({}, { __gc = function()
    if not live then return end
    ran = ran + 1
    if _TLS.x then strange = strange + 1 end
    _TLS.finalised = (_TLS.finalised or 0) + 1
    kept = _TLS.finalised
    arm()
  end })
end
arm()
collectgarbage("incremental", 10, 1000, 1)
for i = 1, 1000 do
  coroutine.wrap(function()
    _TLS.x = i
    assert(_TLS.x == i and _TLS.finalised == nil, "a finaliser's table")
  end)()
end
live = false
assert(ran > 0 and strange == 0 and msys)
assert(kept == ran, "another table took the place of the first")
print "ok"
