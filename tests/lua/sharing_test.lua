-- _OSTLS, _TLS and self.
-- pool: one concurrency=1
-- pool: two concurrency=1

-- First, since afterwards the other loop's thread has its table.
test.case("_OSTLS: what a finaliser puts there stays, also at a thread's first access", function()
  test.equal("OK true 1", test.wait(test.elsewhere([[
    collectgarbage("generational")
    collectgarbage("stop")
    setmetatable({}, { __gc = function() _OSTLS.finalised = true end })
    collectgarbage("restart")
    _OSTLS.x = 1  -- the table is made, and with it the garbage collected
    return _OSTLS.finalised, _OSTLS.x]])))
end)

test.case("_OSTLS: a table for each OS thread", function()
  _OSTLS.who = "loop"
  local function swap(value)
    local before = _OSTLS.who
    _OSTLS.who = value
    return before
  end
  test.returns({ true, nil, n = 2 }, msys.runInPool("one", function() return swap("one") end))
  test.equal("loop", _OSTLS.who)
  -- The thread may be another one each time; what it says must be its own.
  local first = select(2, msys.runInPool("two", function()
    _OSTLS.id = test.thread()
    return _OSTLS.id
  end))
  local ok, id, thread = msys.runInPool("two", function()
    return _OSTLS.id, (test.thread())
  end)
  assert(ok and (id == nil or id == thread))
  assert(first ~= test.thread())
  _OSTLS.who = nil
end)

test.case("_OSTLS: states do not share one", function()
  _OSTLS.secret = "home"
  test.equal("OK nil", test.wait(test.elsewhere(
    "return msys.runInPool('one', function() return _OSTLS.secret end) and _OSTLS.secret")))
  _OSTLS.secret = nil
end)

test.case("_TLS: a script, its closures and completions share one", function()
  _TLS.x = 1
  test.returns({ true, 1 }, msys.runInPool("CPU", function()
    local seen = _TLS.x
    _TLS.x = 2
    return seen
  end))
  test.equal(2, _TLS.x)
  msys.runInPool("one", function() _TLS.x = _TLS.x + 1 end, true)
  test.drain("one")
  test.equal(3, _TLS.x)
  for _, mode in ipairs { false, msys.core.ECTP_COMPLETE_CALLBACK_SCHED } do
    local done
    msys.runInPool("one", function() _TLS.x = _TLS.x + 1 end,
      function() _TLS.x = _TLS.x + 1; done = true end, mode)
    repeat test.drain("one") until done
  end
  test.equal(7, _TLS.x)
  test.returns({ true, true, 7 }, msys.runInPool("CPU", function()
    return msys.runInPool("IO", function() return _TLS.x end)
  end))
end)

test.case("_TLS: callouts of one session share one", function()
  local session = test.session()
  test.wait(test.start(function() _TLS.x = "kept" end, session))
  test.returns({ 0, "kept" }, test.wait(test.start(function() return _TLS.x end, session)))
  test.close_session(session)
end)

test.case("_TLS: two sessions never do", function()
  local a, b = test.session(), test.session()
  local function enter(value)
    return function()
      assert(_TLS.x == nil)
      _TLS.x = value
      msys.runInPool("CPU", function() end)
      for _ = 1, 20 do
        msys.runInPool("CPU", function()
          assert(_TLS.x == value)
          msys.runInPool("IO", function() assert(_TLS.x == value) end)
        end)
        assert(_TLS.x == value)
      end
      return _TLS.x
    end
  end
  local ha, hb = test.start(enter("a"), a), test.start(enter("b"), b)
  local none = test.start(function() return _TLS.x end)
  test.returns({ 0, "a" }, test.wait(ha))
  test.returns({ 0, "b" }, test.wait(hb))
  test.returns({ 0, nil, n = 2 }, test.wait(none))
  test.close_session(a)
  test.close_session(b)
end)

test.case("_TLS: a closed session's table is not seen by the next", function()
  for i = 1, 20 do
    local session = test.session()
    test.returns({ 0, nil, n = 2 }, test.wait(test.start(function()
      local before = _TLS.x
      _TLS.x = i
      return before
    end, session)))
    test.close_session(session)
  end
end)

test.case("_TLS: jobs that outlive their callout keep it", function()
  local seen
  test.wait(test.start(function()
    _TLS.x = "outlived"
    msys.runInPool("one", function() test.block("later"); seen = _TLS.x end, true)
  end))
  test.await_blocked("later")
  collectgarbage()
  test.release("later")
  test.drain("one")
  test.equal("outlived", seen)
end)

test.case("a callout keeps _TLS and self when its session is closed", function()
  local session, module = test.session(), {}
  local handle = test.start(function()
    local self = test.self(session, module)
    _TLS.x, self.y = "tls", "self"
    msys.runInPool("one", function() test.block("closed"); collectgarbage() end)
    return _TLS.x, self.y
  end, session)
  test.await_blocked("closed")
  test.close_session(session)
  test.release("closed")
  test.returns({ 0, "tls", "self" }, test.wait(handle))
end)

test.case("_TLS: a coroutine has its own", function()
  _TLS.x = "script"
  local co = coroutine.create(function()
    local before = _TLS.x
    _TLS.x = "coroutine"
    coroutine.yield(before)
    -- Closures that a coroutine submits share the coroutine's.
    coroutine.yield(select(2, msys.runInPool("CPU", function() return _TLS.x end)))
    coroutine.yield(_TLS.x)
  end)
  test.returns({ true, nil, n = 2 }, coroutine.resume(co))
  test.equal("script", _TLS.x)
  test.returns({ true, "coroutine" }, coroutine.resume(co))
  test.returns({ true, "coroutine" }, coroutine.resume(co))
  test.equal("script", _TLS.x)
end)

test.case("_TLS and _OSTLS behave as tables", function()
  for _, t in ipairs { _TLS, _OSTLS } do
    t[1], t[2], t.x = "a", "b", "c"
    test.equal(2, #t)
    local count = 0
    for k, v in pairs(t) do
      if k == 1 or k == 2 or k == "x" then count = count + 1; assert(v) end
    end
    test.equal(3, count)
    t[1], t[2], t.x = nil, nil, nil
    test.equal(0, #t)
    test.equal(false, getmetatable(t))
    test.matches("__index", tostring(pcall(setmetatable, t, {})) .. "__index")
    test.equal(false, (pcall(setmetatable, t, {})))
    test.equal(false, (pcall(function() t[nil] = 1 end)))
    test.equal(nil, t[nil])
  end
end)

test.case("_TLS in a local sees who asks, not who fetched it", function()
  local tls = _TLS
  tls.x = "mine"
  test.returns({ 0, nil, n = 2 }, test.wait(test.start(function() return tls.x end)))
  test.equal("mine", tls.x)
end)

test.case("self: one for each session, falls back to the module", function()
  local module = { limit = 10, greet = function(self) return self.name end }
  local a, b = test.session(), test.session()
  local self_a, self_b = test.self(a, module), test.self(b, module)
  assert(self_a ~= self_b and self_a ~= module)
  test.equal(self_a, test.self(a, module), "the same one in the next phase")
  self_a.name = "a"
  test.equal("a", self_a:greet())
  test.equal(nil, self_b:greet())
  test.equal(nil, rawget(module, "name"))
  test.equal(10, self_a.limit)
  module.limit = 11
  test.equal(11, self_b.limit)
  self_a.limit = 1
  test.equal(11, self_b.limit)
  test.equal(11, module.limit)
  -- Another module has another self.
  local other = {}
  assert(test.self(a, other) ~= self_a)
  test.equal(nil, test.self(a, other).name)
  test.close_session(a)
  test.close_session(b)
end)

test.case("self survives garbage collection, and a closure sees it", function()
  local module = {}
  local session = test.session()
  test.self(session, module).count = 0
  for i = 1, 3 do
    collectgarbage()
    local self = test.self(session, module)
    msys.runInPool("CPU", function() self.count = self.count + 1 end)
    test.equal(i, test.self(session, module).count)
  end
  test.close_session(session)
end)

test.case("a key that cannot be is an error at the script's line", function()
  for key, what in pairs { a = "nil", b = "NaN" } do
    local index = what == "NaN" and 0 / 0 or nil
    local plain = select(2, pcall(function() ({})[index] = key end))
    for _, of in ipairs { _TLS, _OSTLS } do
      local ok, why = pcall(function() of[index] = key end)
      assert(not ok and why:find("%.lua:%d+: "), why)
      test.equal((plain:gsub("^.-%d: ", "")), (why:gsub("^.-%d: ", "")))
    end
  end
end)
