-- (pool, f), (pool, f, false), (pool, f, nil): the script is suspended until f
-- is done, and gets what pcall would give.

test.case("three ways to ask for the results", function()
  test.returns({ true, 1, "two" }, msys.runInPool("CPU", function() return 1, "two" end))
  test.returns({ true, 1 }, msys.runInPool("CPU", function() return 1 end, false))
  test.returns({ true, 1 }, msys.runInPool("CPU", function() return 1 end, nil))
end)

test.case("f runs on a thread of the pool, the script on its loop", function()
  local loop_thread = test.thread()
  test.equal(0, test.loop())
  local ok, thread, name, loop, pool, number = msys.runInPool("IO", function()
    local id, thread_name = test.thread()
    return id, thread_name, test.loop(), test.worker()
  end)
  test.equal(true, ok)
  assert(thread ~= loop_thread)
  test.equal(nil, loop)
  test.equal("IO", pool)
  test.equal("IO/" .. number, name, "the thread's name")
  test.equal(loop_thread, (test.thread()), "the script's thread afterwards")
end)

test.case("a pool by name in any case, or by id", function()
  for _, pool in ipairs { "SwapIn", "swapin", "SWAPIN", 3, 3.0 } do
    test.returns({ true, "SwapIn" }, msys.runInPool(pool, function()
      return (test.worker())
    end))
  end
end)

test.case("predefined ids", function()
  local names = { [0] = "CPU", "IO", "SwapOut", "SwapIn", nil, "Unlink",
    "Batch_Unlink", "SpoolIn" }
  for id, name in pairs(names) do
    test.returns({ true, name }, msys.runInPool(id, function()
      return (test.worker())
    end))
  end
  -- The first pool of the host's own.
  test.returns({ true, "test-wait" }, msys.runInPool(10, function()
    return (test.worker())
  end))
end)

test.case("all results come back, nils too", function()
  local function call(...)
    local values = table.pack(...)
    return msys.runInPool("CPU", function()
      return table.unpack(values, 1, values.n)
    end)
  end
  test.returns({ true, n = 1 }, call())
  test.returns({ true, nil, n = 2 }, call(nil))
  test.returns({ true, 1, nil, 3, nil, nil, n = 6 }, call(1, nil, 3, nil, nil))
end)

test.case("200 results, and 100000", function()
  for _, count in ipairs { 200, 100000 } do
    local results = table.pack(msys.runInPool("CPU", function()
      local t = {}
      for i = 1, count do t[i] = i end
      return table.unpack(t)
    end))
    test.equal(count + 1, results.n)
    test.equal(true, results[1])
    for i = 1, count do test.equal(i, results[i + 1]) end
  end
end)

test.case("more results than the caller's stack can take are a failure", function()
  local many = {}
  for i = 1, 600000 do many[i] = false end
  local function caller(...)
    return msys.runInPool("CPU", function() return table.unpack(many) end)
  end
  test.returns({ false, "too many results for the stack of the caller" },
    caller(table.unpack(many)))
end)

test.case("values keep their identity: nothing is copied", function()
  local t, co, f = {}, coroutine.create(print), function() end
  test.returns({ true, t, co, f, io.stdout },
    msys.runInPool("CPU", function() return t, co, f, io.stdout end))
end)

test.case("error values of any type come back as they are", function()
  local thing = setmetatable({}, { __tostring = function() return "thing" end })
  for _, value in ipairs { 42, 1.5, "text", true, false, thing, print } do
    test.returns({ false, value },
      msys.runInPool("CPU", function() error(value, 0) end))
  end
  test.returns({ false, nil, n = 2 }, msys.runInPool("CPU", function() error(nil) end))
  test.returns({ false, nil, n = 2 }, msys.runInPool("CPU", function() error() end))
end)

test.case("error messages are those of pcall", function()
  local function f() local x = nil; return x.y end
  local _, wanted = pcall(f)
  test.returns({ false, wanted }, msys.runInPool("CPU", f))
  local function overflow() return 1 + overflow() end
  local ok, message = msys.runInPool("CPU", overflow)
  test.equal(false, ok)
  test.matches("stack overflow", message)
end)

test.case("after an error the next call works, many times", function()
  for i = 1, 50 do
    test.returns({ false, i }, msys.runInPool("CPU", function() error(i, 0) end))
    test.returns({ true, i }, msys.runInPool("CPU", function() return i end))
  end
end)

test.case("the closure gets no arguments", function()
  test.returns({ true, 0 }, msys.runInPool("CPU", function(...)
    return select("#", ...)
  end))
end)

test.case("the closure sees and changes upvalues and globals", function()
  local count = 0
  shared_global = "before"
  test.returns({ true }, msys.runInPool("CPU", function()
    count = count + 1
    shared_global = shared_global .. " and after"
  end))
  test.equal(1, count)
  test.equal("before and after", shared_global)
  shared_global = nil
end)

test.case("a C function as the closure", function()
  test.returns({ true, "Lua 5.4" }, msys.runInPool("CPU", function() return _VERSION end))
  test.returns({ true, "CPU" }, (function()
    local ok, pool = msys.runInPool("CPU", test.worker)
    return ok, pool
  end)())
end)

test.case("pcall around the call passes everything on", function()
  test.returns({ true, true, 1, nil, n = 4 }, pcall(msys.runInPool, "CPU",
    function() return 1, nil end))
  test.returns({ true, false, "no" }, pcall(msys.runInPool, "CPU",
    function() error("no", 0) end))
end)

test.case("close variables of a closure run in the pool", function()
  local closed_in
  test.returns({ true, 7 }, msys.runInPool("IO", function()
    local guard <close> = setmetatable({}, {
      __close = function() closed_in = test.worker() end,
    })
    return 7
  end))
  test.equal("IO", closed_in)
end)

test.case("2000 calls in a row", function()
  for i = 1, 2000 do
    local ok, value = msys.runInPool("CPU", function() return i end)
    if not ok or value ~= i then error("call " .. i) end
  end
end)
