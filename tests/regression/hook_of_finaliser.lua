-- A hook on a coroutine of the plugin's own, as a finaliser that runs there may set
-- it, is no closure's, and does not keep the plugin from leaving the state.
-- `yield` is Lua's own: for what yields by it the plugin makes a text there.
local yield = coroutine.yield
local msys
local oldest <const> = setmetatable({}, { __gc = function()
  local attached, message = pcall(msys.threadpool.count)
  if not attached and message:find("not attached to the plugin any more") then
    print "ok"
  end
end })
msys = require "msys"
local main = coroutine.running()
local function set_hooks(events)
  local count = 0
  for _, co in pairs(debug.getregistry()) do
    if type(co) == "thread" and co ~= main then
      count = count + 1
      debug.sethook(co, function() error("the hook of a finaliser") end, events)
    end
  end
  assert(count > 0, "the plugin has no coroutine of its own")
end
for _, events in ipairs { "c", "r", "l" } do
  set_hooks(events)
  local ok, message = msys.runInPool("CPU", function() yield() end)
  assert(not ok and message == "attempt to yield from outside a coroutine", message)
  set_hooks(events)
  assert(msys.runInPool("CPU", function() return debug.gethook() == nil or error() end))
end
set_hooks("c")
assert(oldest)
