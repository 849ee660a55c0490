-- os.exit in a closure, on the thread of a pool, ends the process as anywhere:
-- with its status, and with what was printed.  The Lua state, which runs, is not
-- closed, even when it is asked to be.
local msys = require "msys"
local mark <const> = setmetatable({}, { __gc = function() io.stdout:write("closed") end })
io.stdout:write("before\n")
msys.runInPool("IO", function() os.exit(3, mark ~= nil) end)
io.stdout:write("after\n")
