-- The main script may close the state from where it likes.
local msys = require "msys"
msys.runInPool("IO", function() io.stdout:write("drained\n") end, true)
coroutine.wrap(function() os.exit(7, true) end)()
