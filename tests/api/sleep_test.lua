-- msys.sleep(seconds)
-- pool: one concurrency=1
-- pool: none concurrency=0

-- Waits until somebody has called test.release(name).
local function await(name)
  test.returns({ true }, msys.runInPool(test.waits, function()
    test.block(name)
  end))
end

-- Sleeps are measured against other sleeps, never against a clock: a slow machine
-- makes both longer.
local function order_of(...)
  local order, handles = {}, {}
  for i, seconds in ipairs { ... } do
    handles[i] = test.start(function()
      msys.sleep(seconds)
      order[#order + 1] = i
    end)
  end
  for _, handle in ipairs(handles) do test.returns({ 0 }, test.wait(handle)) end
  return order
end

test.case("it gives nothing, and takes fractions and numbers in strings", function()
  test.returns({ n = 0 }, msys.sleep(0))
  test.returns({ n = 0 }, msys.sleep(0.001))
  test.returns({ n = 0 }, msys.sleep("0.001"))
  test.returns({ n = 0 }, msys.sleep(1e-12))
end)

test.case("wrong arguments", function()
  local function wrong(text, ...)
    local ok, message = pcall(msys.sleep, ...)
    test.equal(false, ok)
    test.matches(text, message)
  end
  wrong("bad argument #1 to '[%w.]*sleep' %(number expected, got no value%)")
  wrong("number expected, got table", {})
  wrong("number expected, got string", "soon")
  wrong("0 to 1000000000 seconds expected, got %-1", -1)
  wrong("0 to 1000000000 seconds expected, got inf", math.huge)
  wrong("0 to 1000000000 seconds expected, got 1e%+30", 1e30)
  wrong("0 to 1000000000 seconds expected, got %-?nan", 0 / 0)
  wrong("0 to 1000000000 seconds expected, got " .. math.maxinteger,
    math.maxinteger)
end)

test.case("the shortest sleep ends first, whoever began first", function()
  test.equal({ 3, 2, 1 }, order_of(0.3, 0.15, 0.001))
end)

test.case("a thousand scripts sleep at once, without a thread each", function()
  local done, handles = 0, {}
  for i = 1, 1000 do
    handles[i] = test.start(function()
      msys.sleep((i * 7919 % 1000) / 50000)
      done = done + 1
    end)
  end
  for _, handle in ipairs(handles) do test.returns({ 0 }, test.wait(handle)) end
  test.equal(1000, done)
end)

test.case("a script that sleeps does not keep its loop or its state", function()
  local sleeping = test.start(function() msys.sleep(3600) end)
  test.returns({ 0, "meanwhile" },
    test.wait(test.start(function() return "meanwhile" end)))
  test.equal("OK there", test.wait(test.elsewhere("return 'there'")))
  test.equal(nil, test.results(sleeping))
  test.equal(0, test.cancel(sleeping))
  test.returns({ test.status.cancelled }, test.wait(sleeping))
end)

test.case("cancelled while the timer fires", function()
  -- As many as it takes for some to be caught between the timer and the loop.
  local handles = {}
  for i = 1, 200 do
    handles[i] = test.start(function() msys.sleep(i / 100000) end)
  end
  msys.sleep(0)
  for i = 1, 200 do test.cancel(handles[i]) end
  for i = 1, 200 do
    local status = test.wait(handles[i])
    assert(status == 0 or status == test.status.cancelled, status)
  end
end)

test.case("close variables of a cancelled sleeper run", function()
  local closed
  local handle = test.start(function()
    local _ <close> = setmetatable({}, { __close = function() closed = true end })
    msys.sleep(3600)
  end)
  -- One that has not begun has nothing to close: it begins while this waits.
  assert(msys.runInPool("CPU", function() end))
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(true, closed)
end)

test.case("in coroutines, pcall, metamethods and iterators of a script", function()
  local log = {}
  local t = setmetatable({}, { __index = function() msys.sleep(0.001) return 1 end })
  for i in coroutine.wrap(function()
    for i = 1, 3 do msys.sleep(0.001); coroutine.yield(i) end
  end) do
    log[#log + 1] = i + t.x
  end
  test.equal({ 2, 3, 4 }, log)
  test.returns({ true, 5 }, pcall(function() msys.sleep(0.001) return 5 end))
  test.returns({ true, true, 6 }, pcall(pcall, function() msys.sleep(0) return 6 end))
end)

test.case("where Lua cannot be suspended: an error on a loop", function()
  local ok, message = pcall(table.sort, { 3, 2, 1 }, function(a, b)
    msys.sleep(0)
    return a < b
  end)
  test.equal(false, ok)
  test.matches("msys.sleep: cannot wait here: Lua cannot be suspended inside a C " ..
    "function .*; call it elsewhere", message)
end)

test.case("in a pool it blocks the worker, so it may be called anywhere", function()
  test.returns({ true, true }, msys.runInPool("one", function()
    local before = test.thread()
    table.sort({ 3, 2, 1 }, function(a, b) msys.sleep(0.001) return a < b end)
    return before == test.thread()
  end))
end)

test.case("T6: in a pool, other work of the state goes on", function()
  local order = {}
  local sleeper = test.start(function()
    msys.runInPool("one", function()
      order[#order + 1] = "sleeps"
      test.release("s1")
      msys.sleep(0.2)
      order[#order + 1] = "awake"
    end)
  end)
  await("s1")
  order[#order + 1] = "a callout"
  test.returns({ true }, msys.runInPool("CPU", function()
    order[#order + 1] = "a closure"
  end))
  test.returns({ 0 }, test.wait(sleeper))
  test.equal({ "sleeps", "a callout", "a closure", "awake" }, order)
end)

test.case("in a pool of concurrency 0 the closure is suspended", function()
  test.returns({ true, 0, 0 }, msys.runInPool("none", function()
    local before = test.loop()
    msys.sleep(0.001)
    return before, test.loop()
  end))
end)

test.case("in a completion function, in the pool and on the loop", function()
  local woke = {}
  for _, mode in ipairs { 0, msys.core.ECTP_COMPLETE_CALLBACK_SCHED } do
    msys.runInPool("one", function() end, function()
      msys.sleep(0.001)
      woke[#woke + 1] = test.loop() or "pool"
      test.release("s2" .. #woke)
    end, mode)
  end
  await("s21")
  await("s22")
  table.sort(woke, function(a, b) return tostring(a) < tostring(b) end)
  test.equal({ 0, "pool" }, woke)
end)

test.case("a finaliser cannot sleep", function()
  local message
  local function collect()
    setmetatable({}, { __gc = function()
      message = select(2, pcall(msys.sleep, 0))
    end })
    collectgarbage()
    return message
  end
  test.matches("msys.sleep: cannot wait here", collect())
  message = nil
  test.returns({ true }, msys.runInPool("one", function() collect() end))
  test.matches("msys.sleep: cannot wait here: a finaliser", message)
end)

test.case("a closure that sleeps has returned to the scheduler", function()
  local first, job
  test.returns({ true, "ran", "done" }, msys.runInPool("one", function()
    msys.runInPool("CPU", function() first = "ran" end, true)
    _, job = msys.runInPool("CPU", function() end, function() end)
    while not first or job:status() ~= "done" do msys.sleep(0.001) end
    return first, job:status()
  end))
end)

test.case("what it has submitted is as old as its sleep, not as itself", function()
  local order, begun, go = {}, false, false
  local busy = test.start(function() msys.runInPool("one", function() test.block("fifo") end) end)
  test.await_blocked("fifo")
  local closure = test.start(function()
    msys.runInPool("CPU", function()
      begun = true
      while not go do msys.sleep(0.001) end
      msys.runInPool("one", function() order[#order + 1] = "later" end, true)
      msys.sleep(0.001)
    end)
  end)
  while not begun do msys.sleep(0) end
  msys.runInPool("one", function() order[#order + 1] = "earlier" end, true)
  msys.sleep(0)
  go = true
  test.returns({ 0 }, test.wait(closure))
  test.release("fifo")
  test.returns({ 0 }, test.wait(busy))
  while #order < 2 do msys.sleep(0) end
  test.equal({ "earlier", "later" }, order)
end)
