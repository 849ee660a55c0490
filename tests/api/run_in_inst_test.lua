-- msys.runInInst(inst, f): the host of the tests has the loops 0 and 1.
-- pool: one concurrency=1

test.case("f runs on the other loop's thread, the caller goes on at home", function()
  test.returns({ true, 1 }, msys.runInInst(1, function() return test.loop() end))
  test.equal(0, test.loop())
  test.returns({ true, 0 }, msys.runInInst(0, function() return test.loop() end))
end)

test.case("results and errors as pcall gives them", function()
  test.returns({ true, nil, 2, nil, n = 4 }, msys.runInInst(1, function() return nil, 2, nil end))
  test.returns({ true }, msys.runInInst(1, function() end))
  local t = {}
  test.returns({ false, t }, msys.runInInst(1, function() error(t) end))
  test.returns({ false, nil, n = 2 }, msys.runInInst(1, function() error() end))
  local ok, message = msys.runInInst(1, function() error("text") end)
  test.equal(false, ok)
  test.matches("run_in_inst_test.lua:%d+: text", message)
  test.returns({ false, "attempt to yield from outside a coroutine" },
    msys.runInInst(1, coroutine.yield))
end)

test.case("the same state: upvalues, globals, _TLS", function()
  local upvalue = { 1 }
  _TLS.mark = "mine"
  test.returns({ true, upvalue, "mine", 7 }, msys.runInInst(1, function()
    upvalue[2] = 7
    return upvalue, _TLS.mark, upvalue[2]
  end))
  _OSTLS.where = "home"
  test.returns({ true, nil, n = 2 }, msys.runInInst(1, function() return _OSTLS.where end))
end)

test.case("wrong arguments", function()
  local function wrong(pattern, ...)
    local ok, message = pcall(msys.runInInst, ...)
    test.equal(false, ok)
    test.matches(pattern, message)
  end
  wrong("bad argument #1 to '[%w.]*runInInst' %(no loop 2: there are 2 loops, 0 to 1%)", 2, print)
  wrong("no loop %-1: there are 2 loops, 0 to 1", -1, print)
  wrong("no loop " .. math.maxinteger, math.maxinteger, print)
  wrong("number has no integer representation", 0.5, print)
  wrong("number expected, got string", "x", print)
  wrong("bad argument #2 to '[%w.]*runInInst' %(function expected, got no value%)", 0)
  wrong("bad argument #2 to '[%w.]*runInInst' %(function expected, got table%)", 0, {})
end)

test.case("the home loop and the state's other scripts go on meanwhile", function()
  local handle = test.start(function()
    return msys.runInInst(1, function()
      msys.runInPool("one", function() test.block("i1") end)
      return test.loop()
    end)
  end)
  test.await_blocked("i1")
  test.returns({ 0, "meanwhile" }, test.wait(test.start(function() return "meanwhile" end)))
  test.release("i1")
  test.returns({ 0, true, 1 }, test.wait(handle))
end)

test.case("what f waits for brings it back to that loop", function()
  test.returns({ true, 1, 1, 1, 1 }, msys.runInInst(1, function()
    local loops = {}
    msys.runInPool("one", function() assert(test.loop() == nil) end)
    loops[1] = test.loop()
    msys.sleep(0.001)
    loops[2] = test.loop()
    local _, job = msys.runInPool("one", function() end, function() end)
    job:wait()
    loops[3] = test.loop()
    msys.runInInst(0, function() assert(test.loop() == 0) end)
    loops[4] = test.loop()
    return table.unpack(loops)
  end))
end)

test.case("nested, from pools and from other loops", function()
  test.returns({ true, true, 1 }, msys.runInPool("one", function()
    return msys.runInInst(1, function() return test.loop() end)
  end))
  test.returns({ true, true, true, 1 }, msys.runInInst(1, function()
    return msys.runInInst(0, function()
      return msys.runInInst(1, function() return test.loop() end)
    end)
  end))
  test.returns({ true, true, 0 }, msys.runInInst(0, function()
    return msys.runInInst(0, function() return test.loop() end)
  end))
end)

test.case("ECTP_COMPLETE_CALLBACK_SCHED means the home loop, there too", function()
  local seen
  local _, ok = msys.runInInst(1, function()
    local _, job = msys.runInPool("one", function() end, function() seen = test.loop() end,
      msys.core.ECTP_COMPLETE_CALLBACK_SCHED)
    return (job:wait())
  end)
  test.equal(true, ok)
  while seen == nil do msys.sleep(0) end
  test.equal(0, seen)
end)

test.case("from a state whose home is loop 1", function()
  test.equal("OK true 0 1", test.wait(test.elsewhere([[
    local ok, loop = msys.runInInst(0, function() return test.loop() end)
    return ok, loop, test.loop()]])))
end)

test.case("where Lua cannot be suspended: an error", function()
  local message
  table.sort({ 2, 1 }, function(a, b)
    message = select(2, pcall(msys.runInInst, 0, print))
    return a < b
  end)
  test.matches("msys.runInInst: cannot wait here: Lua cannot be suspended", message)
end)

test.case("from a coroutine", function()
  local co = coroutine.wrap(function()
    coroutine.yield(select(2, msys.runInInst(1, function() return test.loop() end)))
  end)
  test.equal(1, co())
end)

test.case("cancelled: what is queued is dropped, what runs is finished", function()
  local closed, ended
  local handle = test.start(function()
    local _ <close> = setmetatable({}, { __close = function() closed = true end })
    msys.runInInst(1, function()
      msys.runInPool("one", function() test.block("i2") end)
      ended = true
    end)
  end)
  test.await_blocked("i2")
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(true, closed)
  test.equal(nil, ended)
  test.release("i2")
  while not ended do msys.sleep(0) end

  local ran = false
  handle = test.start(function() msys.runInInst(1, function() ran = true end) end)
  test.cancel(handle)
  test.wait(handle)
  msys.runInInst(1, function() end)  -- behind it, in order
  assert(ran == false or ran == true)
end)
