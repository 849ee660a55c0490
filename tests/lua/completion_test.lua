-- (pool, f, g [, mode]): then g, on the thread of f or on the home loop.
-- pool: one concurrency=1

local SCHED = msys.core.ECTP_COMPLETE_CALLBACK_SCHED

-- Runs the form and waits for g; gives what g got, and where it and f ran.
local function complete(f, ...)
  local seen
  local where_f
  local ok, job = msys.runInPool("IO", function()
    where_f = test.thread()
    _OSTLS.marker = where_f
    return f()
  end, function(...)
    local thread = test.thread()
    local worker = test.worker()
    seen = { args = table.pack(...), thread = thread, loop = test.loop(),
      pool = worker, marker = _OSTLS.marker }
  end, ...)
  test.equal(true, ok)
  job:wait()
  repeat msys.runInPool("IO", function() end) until seen
  seen.f = where_f
  return seen
end

test.case("g runs on the OS thread of f, right after it", function()
  for _, mode in ipairs { false, msys.core.ECTP_COMPLETE_CALLBACK, 0, 99, -6, "x",
    "6", {}, true, print, 6.5, 2^53 } do
    local seen = complete(function() end, mode)
    test.equal(seen.f, seen.thread)
    test.equal(seen.f, seen.marker, "_OSTLS")
    test.equal("IO", seen.pool)
    test.equal(nil, seen.loop)
  end
  local seen = complete(function() end)
  test.equal(seen.f, seen.thread)
end)

test.case("nothing of the state runs between f and g", function()
  local counter, jumped = 0, 0
  local ended = 0
  for _ = 1, 50 do
    local at
    msys.runInPool("CPU", function() counter = counter + 1; at = counter end,
      function()
        if counter ~= at then jumped = jumped + 1 end
        ended = ended + 1
      end)
  end
  repeat msys.runInPool("IO", function() end) until ended == 50
  test.equal(0, jumped)
end)

test.case("with ECTP_COMPLETE_CALLBACK_SCHED g runs on the home loop", function()
  local here = test.thread()
  local seen = complete(function() end, SCHED)
  test.equal(0, seen.loop)
  test.equal(here, seen.thread)
  test.equal(nil, seen.pool)
  assert(seen.f ~= here)
end)

test.case("g does not start before the script returns to the scheduler", function()
  for _, mode in ipairs { false, SCHED } do
    local started, completed = 0, 0
    for _ = 1, 5 do
      msys.runInPool("IO", function() started = started + 1 end,
        function() completed = completed + 1 end, mode)
    end
    for _ = 1, 100000 do end
    collectgarbage()
    test.returns({ 0, 0 }, started, completed)
    repeat msys.runInPool("IO", function() end) until completed == 5
    test.equal(5, started)
  end
end)

test.case("g may be a C function", function()
  for _, mode in ipairs { false, SCHED } do
    local got
    local g = coroutine.wrap(function(...) got = table.pack(...) end)
    test.equal("C", debug.getinfo(g, "S").what)
    msys.runInPool("IO", function() return 1, nil end, g, mode)
    repeat test.drain("IO") until got
    test.returns({ true, 1, nil, n = 3 }, table.unpack(got, 1, got.n))
  end
end)

test.case("g gets what pcall would give", function()
  for _, mode in ipairs { false, SCHED } do
    test.returns({ true, 1, nil, "x", nil, n = 5 }, table.unpack(
      complete(function() return 1, nil, "x", nil end, mode).args, 1, 5))
    test.equal(1, complete(function() end, mode).args.n)
    test.equal(5, complete(function() return 1, nil, "x", nil end, mode).args.n)
    local many = complete(function()
      local t = {}
      for i = 1, 300 do t[i] = i end
      return table.unpack(t)
    end, mode).args
    test.equal(301, many.n)
    test.equal(300, many[301])
    local failed = complete(function() error("broken", 0) end, mode).args
    test.returns({ false, "broken" }, table.unpack(failed, 1, failed.n))
  end
end)

test.case("the call returns true and a job at once", function()
  local ran
  test.equal(2, select("#", msys.runInPool("one", function() ran = true end,
    function() end)))
  test.equal(nil, ran)
  test.drain("one")
  test.equal(true, ran)
end)

test.case("job:wait gives ok and results, as often as asked", function()
  local _, job = msys.runInPool("one", function() return 1, nil, 3, nil end,
    function() end)
  test.returns({ true, 1, nil, 3, nil, n = 5 }, job:wait())
  test.returns({ true, 1, nil, 3, nil, n = 5 }, job:wait())
  _, job = msys.runInPool("one", function() error({}) end, function() end)
  local ok, value = job:wait()
  test.equal(false, ok)
  test.equal("table", type(value))
  test.returns({ false, value }, job:wait())
  _, job = msys.runInPool("one", function()
    local t = {}
    for i = 1, 500 do t[i] = i end
    return table.unpack(t)
  end, function() end)
  for _ = 1, 3 do
    local results = table.pack(job:wait())
    test.equal(501, results.n)
    test.equal(500, results[501])
  end
end)

-- A few results have places of their own in the job, more do not.
test.case("any number of results reaches g and whoever waits, before and after", function()
  for _, mode in ipairs { false, SCHED } do
    for count = 0, 8 do
      local values = {}
      for i = 1, count do values[i] = i % 2 == 0 and "s" .. i or { i } end
      local got, early
      local _, job = msys.runInPool("one", function()
        return table.unpack(values, 1, count)
      end, function(...) got = table.pack(...) end, mode)
      local waiter = test.start(function() early = table.pack(job:wait()) end)
      local late = table.pack(job:wait())
      test.wait(waiter)
      repeat test.drain("one") until got
      for _, found in ipairs { got, early, late, table.pack(job:wait()) } do
        test.equal(count + 1, found.n)
        test.returns({ true, table.unpack(values, 1, count) }, table.unpack(found, 1, found.n))
      end
    end
  end
end)

test.case("what f waits for is over when g begins", function()
  for _, mode in ipairs { false, SCHED } do
    local got
    msys.runInPool("one", function()
      msys.lock("f")
      local _, x = msys.runInPool("IO", function() return 1 end)
      pcall(error, "in between")
      return x, coroutine.wrap(function() return msys.runInPool("IO", function() end) end)()
    end, function(...)
      got = table.pack(...)
      -- f's lock went with it, and was spoken of.
      msys.lock("f")
      msys.unlock("f")
    end, mode)
    repeat test.drain("one") until got
    test.returns({ true, 1, true }, table.unpack(got, 1, got.n))
  end
  test.equal(2, test.logged('ended without unlocking the lock "f"'))
end)

test.case("jobs that f submits start before those of g", function()
  local order = {}
  local function note(what) return function() order[#order + 1] = what end end
  for _, mode in ipairs { false, SCHED } do
    order = {}
    msys.runInPool("one", function() msys.runInPool("one", note("f"), true) end,
      function() msys.runInPool("one", note("g"), true) end, mode)
    repeat test.drain("one") until #order == 2
    test.equal({ "f", "g" }, order)
  end
end)

-- A C function of the host yields, which ends f and not by its own pcall.
test.case("an f that is ended from outside has a g all the same", function()
  local message = "attempt to yield from outside a coroutine"
  for _, mode in ipairs { false, SCHED } do
    for _, f in ipairs { test.yield, function() local _ <close> = nil test.yield(1, 2, 3) end } do
      local got
      local _, job = msys.runInPool("one", f, function(...)
        got = table.pack(...)
        test.returns({ true, 7 }, msys.runInPool("IO", function() return 7 end))
      end, mode)
      test.returns({ false, message }, job:wait())
      repeat test.drain("one") until got
      test.returns({ false, message }, table.unpack(got, 1, got.n))
      test.equal("done", job:status())
    end
    -- g itself is ended so.
    local logged = test.logged("the completion function for", message)
    local _, job = msys.runInPool("one", function() return 1 end, test.yield, mode)
    test.returns({ true, 1 }, job:wait())
    repeat test.drain("one")
    until test.logged("the completion function for", message) == logged + 1
  end
end)

test.case("as many results as pcall can give", function()
  local many = {}
  for i = 1, 999900 do many[i] = false end
  local function f() return table.unpack(many) end
  test.equal(#many + 1, select("#", pcall(f)))
  test.equal(#many + 1, select("#", msys.runInPool("one", f)))
  local _, job = msys.runInPool("one", f, function() end)
  for _ = 1, 2 do test.equal(#many + 1, select("#", job:wait())) end
end)

test.case("near that limit the completion function runs, or the log says why not", function()
  local many = {}
  for i = 1, 999999 do many[i] = false end
  for _, mode in ipairs { false, SCHED } do
    local called = 0
    for count = 999930, 999990, 3 do
      local told = test.logged("the completion function for")
      local ran
      local _, job = msys.runInPool("one", function() return table.unpack(many, 1, count) end,
        function() ran = true end, mode)
      job:wait()
      repeat test.drain("one")
      until ran or test.logged("the completion function for") > told
      told = test.logged("the completion function for") - told
      test.equal(1, told + (ran and 1 or 0), count .. " results")
      if ran then called = called + 1 end
    end
    assert(called > 0)
  end
end)

test.case("more than the caller's stack can take are a failure", function()
  local many = {}
  for i = 1, 600000 do many[i] = false end
  local function f() return table.unpack(many) end
  local _, job = msys.runInPool("one", f, function() end)
  local function caller(...) return job:wait() end
  for _ = 1, 2 do
    test.returns({ false, "too many results for the stack of the caller" },
      caller(table.unpack(many)))
  end
  test.equal(#many + 1, select("#", job:wait()))
end)

test.case("several scripts wait for one job", function()
  local _, job = msys.runInPool("one", function() return "shared" end, function() end)
  local handles, order = {}, {}
  for i = 1, 5 do
    handles[i] = test.start(function()
      local ok, result = job:wait()
      order[#order + 1] = i
      return ok, result
    end)
  end
  for i = 1, 5 do
    test.returns({ test.status.ok, true, "shared" }, test.wait(handles[i]))
  end
  test.equal({ 1, 2, 3, 4, 5 }, order)
end)

test.case("job:status: queued, running, done", function()
  local during
  local job
  _, job = msys.runInPool("one", function() during = job:status() end, function() end)
  test.equal("queued", job:status())
  job:wait()
  test.equal("running", during)
  test.equal("done", job:status())
  test.matches("^msys%.job %(done%): ", tostring(job))
  test.equal(false, getmetatable(job))
end)

test.case("job:cancel drops a job that has not started", function()
  local ran, completed
  local before = test.stats("one").cancelled
  local _, job = msys.runInPool("one", function() ran = true end,
    function() completed = true end)
  test.equal(true, job:cancel())
  test.equal("cancelled", job:status())
  test.returns({ false, "cancelled: by job:cancel()" }, job:wait())
  test.equal(false, job:cancel(), "the second time")
  test.drain("one")
  test.equal(nil, ran)
  test.equal(nil, completed)
  test.equal(before + 1, test.stats("one").cancelled)
end)

test.case("job:cancel of one that waits in the pool wakes who waits for it", function()
  msys.runInPool("one", function() test.block("busy") end, true)
  local _, job = msys.runInPool("one", function() error("it ran") end, function() end)
  local waiting = test.start(function() return job:wait() end)
  test.await_blocked("busy")
  test.equal("queued", job:status())
  test.equal(true, job:cancel())
  test.returns({ test.status.ok, false, "cancelled: by job:cancel()" },
    test.wait(waiting))
  test.release("busy")
  test.drain("one")
end)

test.case("job:cancel refuses what has started", function()
  local _, job = msys.runInPool("one", function() test.block("started"); return 5 end,
    function() end)
  test.await_blocked("started")
  test.equal("running", job:status())
  test.equal(false, job:cancel())
  test.release("started")
  test.returns({ true, 5 }, job:wait())
  test.equal(false, job:cancel())
  test.equal("done", job:status())
end)

test.case("g's own error is logged; the results stay", function()
  local _, job = msys.runInPool("one", function() return "kept" end,
    function() error("completion broke") end)
  test.returns({ true, "kept" }, job:wait())
  test.await_log("completion broke")
  test.equal(1, test.logged("one: the completion function for",
    "of state home failed: completion_test.lua", "stack traceback"))
end)

test.case("a failed f with a g: g is told, and the log", function()
  local told
  local _, job = msys.runInPool("one", function() error("f broke") end,
    function(ok, message) told = { ok, message } end)
  job:wait()
  test.drain("one")
  test.equal(false, told[1])
  test.matches("f broke", told[2])
end)

test.case("g may wait itself", function()
  for _, mode in ipairs { false, SCHED } do
    local result
    msys.runInPool("one", function() return 1 end, function(_, x)
      local _, y = msys.runInPool("IO", function() return x + 1 end)
      result = y
    end, mode)
    repeat test.drain("one") until result
    test.equal(2, result)
  end
end)

test.case("nobody needs to keep the job object", function()
  local count = 0
  for _ = 1, 100 do
    msys.runInPool("one", function() collectgarbage("step") end,
      function() count = count + 1 end)
  end
  collectgarbage()
  repeat test.drain("one") until count == 100
end)

test.case("a closure cannot wait for its own end", function()
  local job
  _, job = msys.runInPool("one", function() return job:wait() end, function() end)
  local ok, message = job:wait()
  test.equal(false, ok)
  test.matches("job:wait: a closure cannot wait for its own end", message)
end)

test.case("the methods refuse other values", function()
  local _, job = msys.runInPool("one", function() end, function() end)
  local calls = {
    wait = function(...) local x = job.wait(...); return x end,
    status = function(...) local x = job.status(...); return x end,
    cancel = function(...) local x = job.cancel(...); return x end,
  }
  for name, call in pairs(calls) do
    test.raises("bad argument #1 to '" .. name .. "' (msys.job expected, got table)",
      call, {})
    test.raises("bad argument #1 to '" .. name .. "' (msys.job expected, got no value)",
      call)
  end
  job:wait()
end)
