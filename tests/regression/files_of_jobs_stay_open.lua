-- When the interpreter ends, jobs that run have what they have made until they are over.
local msys = require "msys"
local name = os.tmpname()
local opened
msys.runInPool("IO", function()
  local file = assert(io.open(name, "w"))
  local mutex = thread.mutex()
  mutex:lock()
  opened = true
  msys.sleep(0.1)
  assert(file:write "all of it")
  assert(file:close())
  mutex:unlock()
  os.remove(name)
  print "ok"
end, true)
repeat msys.sleep(0.001) until opened
