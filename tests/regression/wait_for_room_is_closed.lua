-- A coroutine that waits for room in a backlog is closed by Lua's own coroutine.close.
-- What keeps the wait must find room as well: `n` calls before it come to where there
-- just is none, in an interpreter that has done nothing else.
local stock_close = coroutine.close
local n = tonumber(os.getenv "CALLS_BEFORE")
if n == nil then
  local program = io.popen "readlink /proc/$PPID/exe":read()
  local script = debug.getinfo(1, "S").source:sub(2)
  for i = 0, 20 do
    assert(os.execute(("CALLS_BEFORE=%d '%s' '%s'"):format(i, program, script)))
  end
  print "ok"
  return
end

local msys = require "msys"
local stop, begun = false, 0
local function hold()
  begun = begun + 1
  repeat msys.sleep(0.001) until stop
end
for _ = 1, 6 do msys.runInPool("Unlink", hold, true) end
repeat msys.sleep(0.001) until begun == 6
local outer, waits
msys.runInPool("CPU", function()
  outer = coroutine.running()
  for _ = 1, 100 do msys.runInPool("Unlink", function() end, true) end
  for _ = 1, n do msys.runInPool("IO", function() end, true) end
  coroutine.resume(coroutine.create(function()
    waits = true
    msys.runInPool("Unlink", function() end, true)
  end))
end, true)
repeat msys.sleep(0.001) until waits and coroutine.status(outer) == "normal"
assert(stock_close(outer))
outer = nil
collectgarbage()
collectgarbage()
stop = true
repeat msys.sleep(0.001) until msys.threadpool.stat("Unlink").queue_sz == 0
