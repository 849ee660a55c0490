-- What waits for ever does so already when the main script ends.
local msys = require "msys"
local mutex = thread.mutex(thread.MUTEX_NORMAL)
local locked
msys.runInPool("CPU", function()
  mutex:lock()
  locked = true
  mutex:lock()
end, true)
-- And nobody will come to see it.
while not locked or msys.threadpool.stat("CPU").num_threads > 0 do msys.sleep(0.001) end
print "main is over"
