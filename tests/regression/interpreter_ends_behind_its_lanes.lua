-- The interpreter ends while a pool still has a lane whose only job was cancelled.
local msys = require "msys"
local pool = "SpoolIn"
msys.runInPool(pool, function() msys.sleep(0.05) end, true)
local _, job = msys.runInPool(pool, function() end, function() end)
msys.runInPool("IO", function() end)
job:cancel()
print "ok"
