-- os.exit that closes the state drains; one that does not, does not hang.
local msys = require "msys"
msys.runInPool("IO", function() io.stdout:write("drained\n") end, true)
local ok, why = pcall(function() os.exit({}) end)
assert(why:find "exits.lua:4: bad argument #1 to 'exit' %(number expected, got table%)$", why)
os.exit(7, true)
