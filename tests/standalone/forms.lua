-- Every form, in an interpreter without a mail server: a synchronous call waits
-- on the main thread, asynchronous jobs run while another call waits.
local msys = require "msys"
local SCHED = msys.core.ECTP_COMPLETE_CALLBACK_SCHED

local function same(wanted, ...)
  local found = table.pack(...)
  assert(found.n == (wanted.n or #wanted), "count " .. found.n)
  for i = 1, found.n do assert(found[i] == wanted[i], "value " .. i) end
end

assert(msys == _G.msys and require "msys.core" == msys.core)
same({ true, 1, nil, "x", n = 4 }, msys.runInPool("CPU", function() return 1, nil, "x" end))
same({ true, 2 }, msys.runInPool(1, function() return 2 end, false))
same({ true, 3 }, msys.runInPool("close", function() return 3 end, nil))
local thing = {}
same({ false, thing }, msys.runInPool("IO", function() error(thing) end))
same({ false, "attempt to yield from outside a coroutine" },
  msys.runInPool("IO", coroutine.yield))

local ran
same({ n = 0 }, msys.runInPool("IO", function() ran = true end, true))
assert(not ran)
repeat msys.runInPool("IO", function() end) until ran

_OSTLS.mark = "main"
for _, mode in ipairs { false, SCHED } do
  local seen
  local ok, job = msys.runInPool("IO", function()
    _OSTLS.mark = _OSTLS.mark or thing
    return "r"
  end, function(f_ok, r) seen = { f_ok, r, _OSTLS.mark } end, mode)
  assert(ok == true and job:status() == "queued")
  same({ true, "r" }, job:wait())
  repeat msys.runInPool("IO", function() end) until seen
  same({ true, "r", mode and "main" or thing }, table.unpack(seen))
  assert(job:status() == "done" and job:cancel() == false)
end
local _, job = msys.runInPool("IO", error, print)
assert(job:cancel() and job:status() == "cancelled")
same({ false, "cancelled: by job:cancel()" }, job:wait())

-- Anywhere: there is no loop that would be kept waiting.
local sorted = { 3, 1, 2 }
table.sort(sorted, function(a, b)
  local _, less = msys.runInPool("CPU", function() return a < b end)
  return less
end)
same({ 1, 2, 3 }, table.unpack(sorted))
same({ "<a><b>", 2 }, ("ab"):gsub("%w", function(c)
  return select(2, msys.runInPool("CPU", function() return "<" .. c .. ">" end))
end))
local sum = 0
for i in coroutine.wrap(function()
  for i = 1, 10 do coroutine.yield(select(2, msys.runInPool("CPU", function() return i end))) end
end) do sum = sum + i end
assert(sum == 55)
local function nest(n)
  if n == 0 then return "bottom" end
  return select(2, msys.runInPool("SpoolIn", function() return nest(n - 1) end))
end
assert(nest(50) == "bottom")

_TLS.x = 1
same({ true, 1 }, msys.runInPool("CPU", function() return _TLS.x end))
local ok, message = pcall(msys.runInPool, "nowhere", print)
assert(not ok and message:find('no thread pool named "nowhere"; pools: CPU, IO', 1, true))
print "all forms done"
