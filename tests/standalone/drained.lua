-- Asynchronous jobs are drained when the state closes, with all they use.
local msys = require "msys"
local name = "drained"
local proxy = setmetatable({}, { __gc = function() io.stdout:write("collected\n") end })
for i = 1, 100 do
  msys.runInPool("IO", function()
    assert(proxy)
    if i < 100 then return end
    io.stdout:write(name, " ", i, "\n")
    -- The state is closing: what is drained cannot go on for ever.
    msys.runInPool("CPU", function() io.stdout:write("too late\n") end, true)
  end, true)
end
-- What a job waits for is a part of it.
msys.runInPool("IO", function()
  local _, a = msys.runInPool("CPU", function() msys.sleep(0.001) return 40 end)
  local _, b = msys.runInInst(0, function() return 2 end)
  io.stdout:write("nested ", a + b, "\n")
end, true)
msys.runInPool("IO", function() error("told at the end") end, true)
msys.runInPool("IO", function() end, function() io.stdout:write("completed\n") end,
  msys.core.ECTP_COMPLETE_CALLBACK_SCHED)
io.stdout:write("main is over\n")
