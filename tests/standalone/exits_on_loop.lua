-- The same where the closure runs on the main thread.
local msys = require "msys"
io.stdout:write("before\n")
msys.runInPool("Close", function() os.exit(false, true) end)
io.stdout:write("after\n")
