-- A session that goes away: cancel(callout).
-- pool: one concurrency=1

local function guard(f) return setmetatable({}, { __close = f }) end

test.case("a callout that waits for a queued job: the job is dropped", function()
  msys.runInPool("one", function() test.block("c1") end, true)
  local ran, closed
  local handle = test.start(function()
    local g <close> = guard(function() closed = true end)
    msys.runInPool("one", function() ran = true end)
    ran = "went on"
  end)
  test.await_blocked("c1")
  local before = test.stats("one").cancelled
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(true, closed)
  test.equal(before + 1, test.stats("one").cancelled)
  test.equal(1, test.logged("4 runInPool: one: closure cancel_test.lua:",
    "of state home: cancelled: its calling script has ended, or no longer waits for it"))
  test.release("c1")
  test.drain("one")
  test.equal(nil, ran)
end)

test.case("a callout that waits for a running job: its results are dropped", function()
  local went_on, closed, ended
  local handle = test.start(function()
    local g <close> = guard(function() closed = true end)
    msys.runInPool("one", function() test.block("c2"); ended = true; return 1 end)
    went_on = true
  end)
  test.await_blocked("c2")
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(true, closed, "closed before the job has ended")
  test.equal(nil, ended)
  test.release("c2")
  test.drain("one")
  test.equal(true, ended)
  test.equal(nil, went_on)
end)

test.case("a failure of such a job is logged: nobody else is told", function()
  local handle = test.start(function()
    msys.runInPool("one", function() test.block("c2b"); error("after the end") end)
  end)
  test.await_blocked("c2b")
  test.cancel(handle)
  test.wait(handle)
  collectgarbage()
  test.release("c2b")
  test.await_log("after the end")
  test.equal(1, test.logged("3 runInPool: one: closure cancel_test.lua:",
    "of state home failed: cancel_test.lua:", "after the end"))
end)

test.case("other jobs of the callout that are queued are dropped, and logged", function()
  msys.runInPool("one", function() test.block("c3") end, true)
  local ran = 0
  local handle = test.start(function()
    for _ = 1, 5 do msys.runInPool("one", function() ran = ran + 1 end, true) end
    local _, job = msys.runInPool("one", function() ran = ran + 1 end, function() end)
    job:wait()
  end)
  test.await_blocked("c3")
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(1, test.logged("one: 6 queued jobs of state home: cancelled: the " ..
    "session is gone"))
  test.release("c3")
  test.drain("one")
  test.equal(0, ran)
end)

test.case("very many jobs, the last one first", function()
  -- For each of them a search would take minutes.  A collector that works at every
  -- allocation takes minutes too, when Lua is checked and sanitized.
  local count = os.getenv("MSYS_TEST_GC") == "stress" and 5000 or 100000
  msys.runInPool("one", function() test.block("c9") end, true)
  for _, dispatched in ipairs { false, true } do
    local jobs = {}
    for i = 1, count do
      _, jobs[i] = msys.runInPool("one", function() error("it ran") end, function() end)
    end
    if dispatched then test.drain("IO") end
    for i = #jobs, 1, -1 do test.equal(true, jobs[i]:cancel()) end
  end
  test.release("c9")
  test.drain("one")
end)

test.case("a callout that has not begun", function()
  local ran
  local handle = test.start(function() ran = true end)
  -- It is queued behind this slice, as its cancelling is.
  test.equal(0, test.cancel(handle))
  local status = test.wait(handle)
  assert(status == test.status.cancelled or status == 0)
end)

test.case("twice, and after the end", function()
  local handle = test.start(function()
    msys.runInPool("one", function() test.block("c4") end)
  end)
  test.await_blocked("c4")
  test.equal(0, test.cancel(handle))
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(test.status.not_found, test.cancel(handle))
  test.release("c4")
  local finished = test.start(function() return 1 end)
  test.wait(finished)
  test.equal(test.status.not_found, test.cancel(finished))
end)

test.case("close variables run from the innermost coroutine outwards", function()
  local order = {}
  local function mark(name) return guard(function() order[#order + 1] = name end) end
  local handle = test.start(function()
    local a <close> = mark("script")
    coroutine.wrap(function()
      local b <close> = mark("outer")
      local co = coroutine.create(function()
        local c <close> = mark("inner")
        msys.runInPool("one", function() test.block("c5") end)
      end)
      coroutine.resume(co)
    end)()
  end)
  test.await_blocked("c5")
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal({ "inner", "outer", "script" }, order)
  test.release("c5")
end)

test.case("a close variable that fails or submits does no harm", function()
  local later
  local handle = test.start(function()
    local a <close> = guard(function()
      msys.runInPool("one", function() later = true end, true)
    end)
    local b <close> = guard(function() error("close failed") end)
    local c <close> = guard(function()
      -- There is nobody left to wait.
      local ok, message = pcall(msys.runInPool, "one", function() end)
      assert(not ok, "it waited")
    end)
    msys.runInPool("one", function() test.block("c6") end)
  end)
  test.await_blocked("c6")
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.release("c6")
  test.drain("one")
  test.equal(true, later)
end)

-- Cancels f while it waits for a job of its own; the line of its wait.
local waits = 0
local function cancel_waiting(f, before_that)
  waits = waits + 1
  local gate, here = "wait " .. waits, nil
  local handle = test.start(function()
    f(function()
      here = debug.getinfo(1, "l").currentline + 1
      msys.runInPool("one", function() test.block(gate) end)
    end)
  end)
  test.await_blocked(gate)
  if before_that then before_that() end
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.release(gate)
  test.drain("one")
  return "cancel_test.lua:" .. here
end

local function ended_at(place)
  return "3 callout: the callout case of state home was ended at " .. place ..
    ": a <close> variable failed: "
end

test.case("an error of a close variable is logged with the place", function()
  local place = cancel_waiting(function(wait)
    local a <close> = guard(function() error("it broke") end)
    wait()
  end)
  test.equal(1, test.logged(ended_at(place) .. "cancel_test.lua:", ": it broke"))
end)

test.case("so is one that is no string, and one with many lines", function()
  local place = cancel_waiting(function(wait)
    local a <close> = guard(function()
      error(setmetatable({}, { __tostring = function() return "told by\n  tostring" end }))
    end)
    wait()
  end)
  test.equal(1, test.logged(ended_at(place) .. "told by | tostring"))
  place = cancel_waiting(function(wait)
    local a <close> = guard(function() error(setmetatable({}, { __tostring = error })) end)
    wait()
  end)
  test.equal(1, test.logged(ended_at(place) .. "an error value that cannot be made text"))
end)

test.case("each of the coroutines tells of its own", function()
  local outer
  local place = cancel_waiting(function(wait)
    local a <close> = guard(function() error("of the script", 0) end)
    local inner = coroutine.wrap(function()
      local b <close> = guard(function() error("of the coroutine", 0) end)
      wait()
    end)
    outer = "cancel_test.lua:" .. debug.getinfo(1, "l").currentline + 1
    inner()
  end)
  test.equal(1, test.logged(ended_at(place) .. "of the coroutine"))
  test.equal(1, test.logged(ended_at(outer) .. "of the script"))
end)

test.case("one that is no error is not logged", function()
  local before = test.logged("a <close> variable failed")
  cancel_waiting(function(wait)
    local a <close> = guard(function() pcall(error, "caught") end)
    wait()
  end)
  test.equal(before, test.logged("a <close> variable failed"))
end)

test.case("a closure that yields by itself: its close variables' errors, too", function()
  test.returns({ false, "attempt to yield from outside a coroutine" },
    msys.runInPool("CPU", function()
      local a <close> = guard(function() error("of a closure", 0) end)
      test.yield()
    end))
  test.equal(1, test.logged("3 runInPool: the closure cancel_test.lua:",
    "of state home was ended at cancel_test.lua:",
    ": a <close> variable failed: of a closure"))
end)

test.case("what cannot wait any more is told why", function()
  local mutex = thread.mutex(thread.MUTEX_NORMAL)
  mutex:lock()
  local _, job = msys.runInPool("IO", function() test.block("done") end, function() end)
  test.await_blocked("done")
  msys.lock("taken")
  local calls = {
    ["runInPool"] = function() msys.runInPool("CPU", print) end,
    ["msys.runInInst"] = function() msys.runInInst(0, print) end,
    ["msys.sleep"] = function() msys.sleep(1) end,
    ["msys.lock"] = function() msys.lock("taken") end,
    ["mutex:lock"] = function() mutex:lock() end,
    ["job:wait"] = function() job:wait() end,
  }
  local told = {}
  local function try(how)
    return guard(function()
      for name, call in pairs(calls) do
        if how == "within" then call = coroutine.wrap(call) end
        told[how .. name] = select(2, pcall(call))
      end
    end)
  end
  cancel_waiting(function(wait)
    local a <close> = try("outer")
    coroutine.wrap(function()
      local b <close> = try("inner")
      local c <close> = try("within")
      wait()
    end)()
  end)
  msys.unlock("taken")
  mutex:unlock()
  test.release("done")
  for name in pairs(calls) do
    for _, how in ipairs { "outer", "inner", "within" } do
      test.matches(name .. ": cannot wait here: the script has ended but for its " ..
        "<close> variables; ", told[how .. name], how)
    end
  end
end)

test.case("a hook that fails does not have a cancelled script go on", function()
  local armed, went_on
  cancel_waiting(function(wait)
    debug.sethook(function() if armed then error("the hook") end end, "c")
    pcall(wait)
    went_on = true
  end, function() armed = true end)
  test.equal(nil, went_on)
end)

test.case("tracebacks of scripts that are cancelled in a close variable are freed", function()
  local message = ("long "):rep(20000)
  collectgarbage()
  local before = collectgarbage("count")
  local handles = {}
  for i = 1, 100 do
    handles[i] = test.start(function()
      local a <close> = guard(function()
        msys.runInPool("one", function() test.block("close") end)
      end)
      error(message .. i, 0)
    end)
  end
  test.await_blocked("close")
  for _, handle in ipairs(handles) do
    test.cancel(handle)
    test.returns({ test.status.cancelled }, test.wait(handle))
  end
  test.release("close")
  test.drain("one")
  collectgarbage()
  collectgarbage()
  local left = (collectgarbage("count") - before) * 1024
  assert(left < 20 * #message, "bytes left: " .. left)
end)

test.case("one callout of a session does not take the others with it", function()
  local session = test.session()
  local a = test.start(function()
    msys.runInPool("one", function() test.block("c7") end)
  end, session)
  local b = test.start(function()
    return select(2, msys.runInPool("IO", function() return "alive" end))
  end, session)
  test.await_blocked("c7")
  test.cancel(a)
  test.returns({ test.status.cancelled }, test.wait(a))
  test.returns({ 0, "alive" }, test.wait(b))
  test.release("c7")
  test.close_session(session)
end)

test.case("in a wait for a nested job", function()
  local handle = test.start(function()
    msys.runInPool("IO", function()
      msys.runInPool("one", function() test.block("c8") end)
      msys.runInPool("one", function() end)
    end)
  end)
  test.await_blocked("c8")
  test.cancel(handle)
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.release("c8")
  test.drain("one")
end)
