-- What mini_host runs: each function ends with "done" when all was as it should.

policy = {}
local SCHED = msys.core.ECTP_COMPLETE_CALLBACK_SCHED

-- Other jobs run meanwhile.
local function until_true(f)
  repeat assert(msys.runInPool("IO", function() end)) until f()
end

function policy.sync(self)
  local a, b, c, d = msys.runInPool("CPU", function() return 1, nil, "x" end)
  assert(a == true and b == 1 and c == nil and d == "x")
  assert(select("#", msys.runInPool("cpu", function() return nil, nil end, false)) == 3)
  assert(select(2, msys.runInPool(1, function() return "by id" end, nil)) == "by id")
  self.phase = "sync"
  return "done"
end

function policy.async()
  local ran
  assert(select("#", msys.runInPool("IO", function() ran = true end, true)) == 0)
  assert(not ran)
  until_true(function() return ran end)
  msys.runInPool("IO", function() error("logged") end, true)
  return "done"
end

function policy.completion()
  local seen
  local ok, job = msys.runInPool("IO", function() _OSTLS.mark = {}; return _OSTLS.mark end,
    function(_, mark) seen = mark == _OSTLS.mark end)
  assert(ok and job:wait() == true and job:status() == "done")
  until_true(function() return seen ~= nil end)
  assert(seen, "another OS thread")
  return "done"
end

function policy.sched()
  local mark, seen = {}, nil
  _OSTLS.mark = mark
  msys.runInPool("IO", function() assert(_OSTLS.mark ~= mark) end,
    function(ok) seen = ok and _OSTLS.mark == mark end, SCHED)
  until_true(function() return seen ~= nil end)
  assert(seen, "not on the loop")
  return "done"
end

function policy.errors()
  local thing = {}
  local ok, value = msys.runInPool("IO", function() error(thing) end)
  assert(not ok and value == thing)
  ok, value = pcall(msys.runInPool, "nowhere", print)
  assert(not ok and value:find('no thread pool named "nowhere"', 1, true))
  return "done"
end

function policy.nested()
  local function fib(n)
    if n < 2 then return n end
    local _, a = msys.runInPool("SpoolIn", function() return fib(n - 1) end)
    return a + fib(n - 2)
  end
  assert(fib(10) == 55)
  local sum = 0
  for i in coroutine.wrap(function()
    for i = 1, 3 do coroutine.yield(select(2, msys.runInPool("CPU", function() return i end))) end
  end) do sum = sum + i end
  assert(sum == 6)
  return "done"
end

function policy.self(self)
  assert(self.phase == "sync" and rawget(policy, "phase") == nil)
  return "done"
end
