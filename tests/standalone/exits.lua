-- os.exit that closes the state drains; one that does not, does not hang.
local msys = require "msys"
msys.runInPool("IO", function() io.stdout:write("drained\n") end, true)
os.exit(7, true)
