-- A closure may keep its own coroutine, and scripts or C code of the host do with it what
-- they like, also when it has ended: before its completion function has run, and when
-- its job is over and the job's memory another one's.
-- pool: one concurrency=1

local SCHED = msys.core.ECTP_COMPLETE_CALLBACK_SCHED

local function wait_for(condition)
  while not condition() do msys.runInPool("CPU", function() end) end
end

-- Keeping many results takes a coroutine, for which finalisers run when there is none to
-- use again.  First, since it needs a state in which little else is to be collected.
test.case("to a finaliser, too, a job is done when its closure has ended", function()
  local seen = {}
  for _ = 1, 30 do
    local job, ended, stop
    local function look()
      setmetatable({}, { __gc = function()
        if stop then return end
        if ended then seen[job:status()] = true end
        look()
      end })
    end
    look()
    local _
    _, job = msys.runInPool("one", function()
      ended = true
      return 1, 2, 3, 4, 5, 6
    end, function() end)
    job:wait()
    stop = true
  end
  if os.getenv "MSYS_TEST_GC" == "stress" then test.equal({ done = true }, seen) end
  for status in pairs(seen) do test.equal("done", status) end
end)

-- Between the end of f and g at home, job:wait() has ended already.
local hands = {
  close = function(co) return coroutine.close(co) end,
  resume = function(co) return coroutine.resume(co) end,
  ["C resume"] = function(co) return test.resume(co) end,
  wrap = function(co) return pcall(coroutine.wrap(function() return coroutine.resume(co) end)) end,
}
for name, hand in pairs(hands) do
  for what, last in pairs { ["a string"] = "x", ["a function"] = function() return "called" end,
    ["one that yields"] = function(...) return coroutine.yield(...) end } do
    test.case("an ended closure's coroutine is dead: " .. name .. ", " .. what, function()
      for _, ends in ipairs { "return", "yield" } do
        local co, got, status
        local _, job = msys.runInPool("one", function()
          co = coroutine.running()
          if ends == "yield" then test.yield(last) end
          return 1, last
        end, function(...) got = table.pack(...) end, SCHED)
        job:wait()
        status = coroutine.status(co)
        hand(co)
        wait_for(function() return got end)
        test.equal("dead", status)
        if ends == "yield" then
          test.returns({ false, "attempt to yield from outside a coroutine" },
            table.unpack(got, 1, got.n))
        else
          test.returns({ true, 1, last }, table.unpack(got, 1, got.n))
        end
        hand(co)
        test.equal("dead", coroutine.status(co))
      end
    end)
  end
end

test.case("the coroutine of a closure that waits for the loop is no other's", function()
  local kept
  local _, job = msys.runInPool("one", function() kept = coroutine.running() end,
    function() end, SCHED)
  job:wait()
  for _ = 1, 5 do
    local _, other = msys.runInPool("one", coroutine.running)
    test.equal(false, other == kept)
  end
end)

test.case("so is an asynchronous one's, and a completion function's", function()
  local closure, completion
  msys.runInPool("one", function() closure = coroutine.running() end, true)
  msys.runInPool("one", function() end, function() completion = coroutine.running() end)
  test.drain("one")
  for _, co in ipairs { closure, completion } do
    test.equal("dead", coroutine.status(co))
    test.returns({ false, "cannot resume dead coroutine" }, coroutine.resume(co))
  end
end)

-- f waits; C code resumes it in another closure, where it gives up the turn, until its
-- job has ended for want of its coroutine.  Then `rest` is the rest of f.
local function lose(rest, ...)
  local co, over, stop
  local function await(what) repeat msys.sleep(0.001) until what() end
  local lost = test.logged("cannot resume non-suspended coroutine")
  msys.runInPool("IO", function()
    co = coroutine.running()
    pcall(msys.runInPool, "SwapIn", function() await(function() return stop end) end)
    await(function() return over end)
    return rest()
  end, ...)
  wait_for(function() return co and coroutine.status(co) == "normal" end)
  local stranger = test.start(function()
    return msys.runInPool("CPU", function() return test.resume(co) end)
  end)
  wait_for(function()
    return test.logged("cannot resume non-suspended coroutine") > lost
  end)
  -- The job's memory is another one's, which has not started.
  local hold, held = true, 0
  for _ = 1, 6 do
    msys.runInPool("one", function()
      await(function() return not hold end)
      held = held + 1
    end, true)
  end
  over = true
  return co, function()
    local results = table.pack(test.wait(stranger))
    hold, stop = false, true
    wait_for(function() return held == 6 end)
    return results
  end
end

for name, g in pairs { asynchronous = true, completion = function() end } do
  for how, rest in pairs { returns = function() return 1 end,
    fails = function() error("x", 0) end } do
    test.case("f " .. how .. " elsewhere when its job is over: " .. name, function()
      local _, finish = lose(rest, g)
      local results = finish()
      test.equal(test.status.ok, results[1])
      test.equal(true, results[2])
    end)
  end
end

test.case("g, on a coroutine of its own, has what is left of f end", function()
  local co, finish, yielded, resumed
  local calls = 0
  co, finish = lose(function()
    yielded = true
    coroutine.yield()
    return 1
  end, function()
    calls = calls + 1
    repeat msys.sleep(0.001) until yielded
    resumed = table.pack(coroutine.resume(co))
  end)
  finish()
  wait_for(function() return resumed end)
  test.returns({ true, true, 1 }, table.unpack(resumed, 1, resumed.n))
  test.equal(1, calls)
end)

test.case("f ends inside of the job that has the memory of its own", function()
  for mine = 1, 10 do
    local calls = 0
    local co, finish = lose(function() coroutine.yield() return 1 end,
      function() calls = calls + 1 end)
    finish()
    local resumed
    for i = 1, 10 do
      msys.runInPool("one", function()
        if i == mine then resumed = table.pack(coroutine.resume(co)) end
      end, true)
    end
    test.drain("one")
    test.returns({ true, true, 1 }, table.unpack(resumed, 1, resumed.n))
    test.equal(1, calls)  -- with the failure of its own job
  end
end)

-- What C code has resumed goes on in others' hands, by our own functions too; what its
-- script had been waiting for comes meanwhile.  `rest` is what it does there.
local gates = 0
local function new_gate()
  gates = gates + 1
  return "gate " .. gates
end

local function take_over(rest, mode)
  local co, held
  local gate = new_gate()
  local _, job = msys.runInPool("IO", function()
    co = coroutine.running()
    held = select(2, pcall(msys.runInPool, "SwapIn", function() test.block(gate) end))
    coroutine.yield()
    return rest()
  end, mode)
  wait_for(function() return co and coroutine.status(co) == "normal" end)
  return co, job, function()
    test.release(gate)
    test.matches("resumed by C code", held)
  end
end

local function collect() for _ = 1, 10 do collectgarbage() end end

test.case("it sleeps in others' hands", function()
  local co, _, finish = take_over(function()
    msys.sleep(0.02)
    collect()
    return "slept"
  end, true)
  test.equal(1, (test.resume(co)))
  test.returns({ true, true }, coroutine.resume(co))  -- its results nobody wants
  finish()
end)

test.case("it waits there for the end of its own job", function()
  local lost = "cannot resume non-suspended coroutine"
  for count = 0, 6 do
    local got
    local co, job, finish
    co, job, finish = take_over(function()
      test.returns({ false, lost }, job:wait())
      return table.unpack({ 1, 2, 3, 4, 5, 6 }, 1, count)
    end, function(...) got = table.pack(...) end)
    local results = table.pack(msys.runInPool("CPU", function()
      return (test.resume(co)), coroutine.resume(co)
    end))
    finish()
    test.returns({ true, 1, true, true, table.unpack({ 1, 2, 3, 4, 5, 6 }, 1, count) },
      table.unpack(results, 1, results.n))
    wait_for(function() return got end)
    test.returns({ false, lost }, table.unpack(got, 1, got.n))
  end
end)

test.case("an inner one waits there for a mutex", function()
  local inner, outer
  local gate = new_gate()
  local mutex = thread.mutex()
  mutex:lock()
  msys.runInPool("IO", function()
    inner = coroutine.create(function()
      pcall(msys.runInPool, "SwapIn", function() test.block(gate) end)
      coroutine.yield()
      mutex:lock()
      collect()
      mutex:unlock()
      return "locked"
    end)
    outer = table.pack(coroutine.resume(inner))
  end, true)
  wait_for(function() return inner and coroutine.status(inner) == "normal" end)
  local stranger = test.start(function()
    return msys.runInPool("CPU", function()
      return (test.resume(inner)), coroutine.resume(inner)
    end)
  end)
  wait_for(function() return outer end)
  test.returns({ false, "cannot resume non-suspended coroutine" }, table.unpack(outer))
  collect()
  mutex:unlock()
  test.returns({ test.status.ok, true, 1, true, "locked" }, test.wait(stranger))
  test.release(gate)
end)

test.case("its callout is cancelled", function()
  local co
  local gate = new_gate()
  local callout = test.start(function()
    co = coroutine.running()
    pcall(msys.runInPool, "SwapIn", function() test.block(gate) end)
    coroutine.yield()
    msys.sleep(0.02)
    collect()
    return "slept"
  end)
  wait_for(function() return co and coroutine.status(co) == "normal" end)
  test.cancel(callout)
  test.equal(1, (test.resume(co)))
  test.returns({ true, true, "slept" }, coroutine.resume(co))
  test.equal(test.status.cancelled, (test.wait(callout)))
  test.release(gate)
end)

-- A finaliser runs while a failure is made into a text for a script that waits, and has
-- C code resume it.
for name, wait in pairs {
  ["a call"] = function(f) return msys.runInPool("one", f) end,
  ["job:wait"] = function(f)
    local _, job = msys.runInPool("one", f, function() end)
    return job:wait()
  end,
} do
  test.case("a finaliser takes the script that is being answered: " .. name, function()
    local co, ended, stop
    local many = {}
    for i = 1, 600000 do many[i] = false end
    local function look()
      setmetatable({}, { __gc = function()
        if stop then return end
        if ended then
          stop = true
          test.resume(co)
        else
          look()
        end
      end })
    end
    local caller = test.start(function()
      co = coroutine.running()
      local function full()
        return wait(function()
          look()
          ended = true
          return table.unpack(many)
        end)
      end
      return (function(...) return full(), ... end)(table.unpack(many))
    end)
    test.wait(caller)
    stop = true
    test.drain("one")
  end)
end

-- The same while its coroutine is given up for what is to run at home.
test.case("a finaliser does not get the coroutine of a closure that has ended", function()
  for _ = 1, 30 do
    local co, ended, stop, status, called
    local function look()
      setmetatable({}, { __gc = function()
        if stop then return end
        if ended and coroutine.status(co) ~= "normal" then
          status = coroutine.status(co)
          coroutine.close(co)
          stop = true
        else
          look()
        end
      end })
    end
    look()
    msys.runInPool("one", function()
      co = coroutine.running()
      ended = true
      return 1
    end, function() called = true end, SCHED)
    wait_for(function() return called end)
    stop = true
    assert(status == nil or status == "dead" or status == "running", status)
  end
end)
