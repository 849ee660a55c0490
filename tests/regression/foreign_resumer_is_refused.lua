-- What a resumer of before msys was loaded, or a C library, has resumed cannot be
-- suspended, and neither can a coroutine of ours inside of it.
local stock_wrap = coroutine.wrap
local msys = require "msys"

local ok, inner, message = msys.runInPool("CPU", function()
  local outer = stock_wrap(function()
    local h = coroutine.wrap(function()
      return msys.runInPool("IO", function() return 42 end)
    end)
    return h()
  end)
  return pcall(outer)
end)
assert(ok == true and inner == false, "it was suspended")
assert(tostring(message):find("resumed by C code", 1, true), tostring(message))
for i = 1, 1000 do
  local done, value = msys.runInPool("CPU", function() return i end)
  assert(done == true and value == i)
end
print "ok"
