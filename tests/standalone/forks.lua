-- A fork before `require` may use msys as its parent does; a later one is told why
-- not, and ends as usual.
local function child(f)
  local pid = fork()
  if pid > 0 then return wait(pid) end
  os.exit(f() and 3 or 4, true)
end

local function round_trip(msys)
  return select(2, msys.runInPool("CPU", function() return "there and back" end))
end

assert(child(function()
  return round_trip(require "msys") == "there and back"
end) == 3)

local msys = require "msys"
assert(round_trip(msys) == "there and back")
local over -- the parent's job; the child has no thread that would end it
msys.runInPool("IO", function() repeat msys.sleep(0.001) until over end, true)
assert(round_trip(msys) == "there and back")
assert(child(function()
  local ok, message = pcall(msys.runInPool, "CPU", print)
  return not ok and message:find("this process was forked after the pools' threads", 1, true)
end) == 3)
assert(child(function()
  package.loaded.msys = nil
  local ok, message = pcall(require, "msys")
  return not ok and message:find("fork", 1, true)
end) == 3)
over = true
print("ok")
