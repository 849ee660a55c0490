-- What stands around runInPool, in an interpreter without a mail server.
local msys = require "msys"
msys.sleep(0.001)
assert(msys.lock "a" == true and not pcall(msys.lock, "a"))
local m = thread.mutex()
m:lock()
local ok, message
msys.runInPool("IO", function() ok, message = pcall(m.lock, m) end)
assert(not ok and message:find("neither would go on", 1, true), message)
local done
msys.runInPool("IO", function() m:lock(); done = true end, true)
msys.sleep(0.001)
m:unlock()
repeat msys.sleep(0) until done
msys.unlock "a"

local where, name, worker = {}, nil, nil
assert(msys.runInInst(0, function() where = { msys.threadpool.current() } end))
assert(where[1] == nil and not pcall(msys.runInInst, 1, print))
ok, name, worker = msys.runInPool("io", msys.threadpool.current)
assert(ok and name == "IO" and worker >= 1 and worker <= 50)
assert(msys.threadpool.count() == 8 and msys.threadpool.find("cpu").id == 0)
assert(tostring(msys.threadpool.stat("IO")):find("^IO thread pool: concurrency 50\n"))
_TLS.x, _OSTLS.x = 1, 2
assert(_TLS.x == 1 and _OSTLS.x == 2)

msys.lock "left behind"
print "around done"
