-- A finaliser cannot wait, however it came to run: by a tail call, or in a
-- coroutine of its own.
local msys = require "msys"
local seen = {}
local function cleanup() table.insert(seen, table.pack(pcall(msys.sleep, 0.001))) end
local function tailed() return cleanup() end
local function garbage(f)
  setmetatable({}, { __gc = f })
  collectgarbage()
end
local function all()
  garbage(function() cleanup() end)
  garbage(tailed)
  garbage(function() coroutine.wrap(function() cleanup() end)() end)
end
assert(msys.runInPool("CPU", all))
all()
assert(#seen == 6)
for i, result in ipairs(seen) do
  assert(result[1] == false, "finaliser " .. i .. " has waited")
end
print "ok"
