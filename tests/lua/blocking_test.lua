-- T6: a C function that says it is about to block gives the state to others.
-- pool: one concurrency=1
-- pool: four concurrency=4

test.case("T6: callouts run while a closure blocks", function()
  local handle = test.start(function()
    return select(2, msys.runInPool("one", function()
      test.block("t1")
      return "after"
    end))
  end)
  test.await_blocked("t1")
  test.returns({ 0, "meanwhile" }, test.wait(test.start(function() return "meanwhile" end)))
  test.equal(nil, test.results(handle))
  test.release("t1")
  test.returns({ 0, "after" }, test.wait(handle))
end)

test.case("T6: other closures of the same pool and state run, too", function()
  local handles = {}
  for i = 1, 3 do
    handles[i] = test.start(function()
      return msys.runInPool("four", function() test.block("t2") end)
    end)
  end
  test.await_blocked("t2", 3)  -- all three are inside at once
  test.returns({ true, "fourth" }, msys.runInPool("four", function() return "fourth" end))
  test.release("t2")
  for i = 1, 3 do test.returns({ 0, true }, test.wait(handles[i])) end
end)

test.case("T6: after the region the closure has its values and its thread", function()
  test.returns({ true, true, "kept" }, msys.runInPool("one", function()
    local value, before = "kept", test.thread()
    test.release("t3")
    test.block("t3")
    return before == test.thread(), value
  end))
end)

test.case("T6: a closure can wait for another after a region", function()
  test.returns({ true, 42 }, msys.runInPool("one", function()
    test.release("t4")
    test.block("t4")
    local _, value = msys.runInPool("one", function() return 42 end)
    test.block("t4")
    return value
  end))
end)

test.case("T6: on a loop the turn is kept", function()
  local ran
  local handle = test.start(function() ran = true end)
  test.release("t5")
  test.block("t5")  -- would let the callout in if the turn were given up
  test.equal(nil, ran)
  test.wait(handle)
  test.equal(true, ran)
end)

test.case("T6: in a finaliser the turn is kept", function()
  local inside, ran
  test.release("t6")
  test.returns({ true }, msys.runInPool("one", function()
    setmetatable({}, { __gc = function() inside = true; test.block("t6") end })
    collectgarbage()
  end))
  test.equal(true, inside)
end)

test.case("T6: in coroutines and metamethods of a closure", function()
  test.release("t7")
  test.returns({ true, 3 }, msys.runInPool("one", function()
    local sum = 0
    for i in coroutine.wrap(function()
      for i = 1, 2 do test.block("t7"); coroutine.yield(i) end
    end) do
      local t = setmetatable({}, { __index = function() test.block("t7"); return i end })
      sum = sum + t.x
    end
    return sum
  end))
end)

test.case("T6: a completion function may block as well", function()
  local completed
  msys.runInPool("one", function() end, function() test.block("t8"); completed = true end)
  test.await_blocked("t8")
  test.returns({ true, "in between" }, msys.runInPool("IO", function()
    return "in between"
  end))
  test.release("t8")
  test.drain("one")
  test.equal(true, completed)
end)

test.case("T4: a busy state's jobs do not keep a pool's threads", function()
  -- A closure of this state keeps the turn; the pool's only thread must be there
  -- for the other state.
  local held = test.start(function()
    msys.runInPool("IO", function() test.hold("t9") end)
  end)
  local parked = test.start(function()
    return msys.runInPool("one", function() return "parked" end)
  end)
  local there = test.elsewhere([[
    for _ = 1, 100 do msys.runInPool("one", function() end) end
    test.release("t9")
    return "free"]])
  test.equal("OK free", test.wait(there))
  test.returns({ 0 }, test.wait(held))
  test.returns({ 0, true, "parked" }, test.wait(parked))
end)

test.case("a closure that blocks has not returned to the scheduler", function()
  local job
  local handle = test.start(function()
    return msys.runInPool("one", function()
      _, job = msys.runInPool("four", function() return "after" end, function() end)
      test.block("t10")
      return job:status()
    end)
  end)
  test.await_blocked("t10")
  test.returns({ true }, msys.runInPool("four", function() end))  -- a later one has run
  test.equal("queued", job:status())
  test.release("t10")
  test.returns({ 0, true, "queued" }, test.wait(handle))
  test.returns({ true, "after" }, job:wait())
end)
