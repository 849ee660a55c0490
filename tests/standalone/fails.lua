-- An error of the script ends the interpreter as ever; jobs are drained first.
local msys = require "msys"
msys.runInPool("IO", function() io.stdout:write("drained\n") end, true)
error("the script's own")
