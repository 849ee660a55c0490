-- A closure runs though its caller is resumed by others just when it begins.
local stock = {}
for name, f in pairs(coroutine) do stock[name] = f end
local msys = require "msys"
collectgarbage()
collectgarbage "stop"
collectgarbage("incremental", 100, 1000, 40)
collectgarbage("setpause", 0)
local caller, resumed, called, main_waits
local function closure() called = true end
local function other() error "it is not the closure" end
local run, restart = msys.runInPool, collectgarbage
local function arm()
  setmetatable({}, { __gc = function() resumed = stock.resume(caller, "forged") end })
end
msys.runInPool("CPU", function()
  caller = coroutine.running()
  repeat msys.sleep(0.001) until main_waits
  local t = {}
  arm()
  restart "restart"
  t[1], t[2], t[3] = true, 1, 1
  pcall(run, "SpoolIn", closure)
  stock.yield(nil, other)
end, true)
-- In a pool, where to sleep takes no memory: the finaliser runs when the closure begins.
msys.runInPool("IO", function()
  main_waits = true
  repeat msys.sleep(0.001) until called
end)
assert(resumed ~= nil, "no finaliser has run")
assert(msys.threadpool.stat("SpoolIn").failed == 0)
print "ok"
