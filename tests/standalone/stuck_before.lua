-- What waits for ever does so already when the main script ends.
local msys = require "msys"
local mutex = thread.mutex(thread.MUTEX_NORMAL)
local locked
msys.runInPool("CPU", function()
  mutex:lock()
  locked = true
  mutex:lock()
end, true)
while not locked do msys.sleep(0) end
print "main is over"
