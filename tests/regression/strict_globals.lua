-- msys loads where new globals are forbidden, and again after its names are gone.
local function refuse(_, name) error("undeclared " .. tostring(name), 2) end
setmetatable(_G, { __index = refuse, __newindex = refuse })
local msys = require "msys"
assert(select(2, msys.runInPool("CPU", function() return _TLS.x == nil and 1 end)) == 1)
assert(thread.mutex():lock() and require "thread" == thread)
setmetatable(_G, nil)

_G.msys, package.loaded.msys = nil, nil
assert(require "msys" == msys and rawget(_G, "msys") == nil)
print "ok"
