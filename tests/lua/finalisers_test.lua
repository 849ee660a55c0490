-- Finalisers run on whichever thread collects, and may call runInPool.
-- pool: one concurrency=1

local function garbage(f)
  setmetatable({}, { __gc = f })
  collectgarbage()
end

test.case("asynchronously from a finaliser, on the loop and in a pool", function()
  local ran = 0
  garbage(function() msys.runInPool("one", function() ran = ran + 1 end, true) end)
  msys.runInPool("CPU", function()
    garbage(function() msys.runInPool("one", function() ran = ran + 1 end, true) end)
  end)
  test.drain("one")
  test.equal(2, ran)
end)

test.case("with a completion function", function()
  local completed
  garbage(function()
    msys.runInPool("one", function() return "x" end, function(_, v) completed = v end)
  end)
  repeat test.drain("one") until completed
  test.equal("x", completed)
end)

test.case("a finaliser cannot wait", function()
  local on_loop, in_pool
  garbage(function() on_loop = table.pack(pcall(msys.runInPool, "one", print)) end)
  msys.runInPool("CPU", function()
    garbage(function() in_pool = table.pack(pcall(msys.runInPool, "one", print)) end)
  end)
  for _, result in ipairs { on_loop, in_pool } do
    test.equal(false, result[1])
    test.matches("runInPool: cannot wait here", result[2])
  end
end)

test.case("finalisers have a _TLS of their own: no session's", function()
  _TLS.x = "script"
  local seen = {}
  local function look() table.insert(seen, tostring(_TLS.x)); _TLS.x = "finaliser" end
  garbage(look)
  msys.runInPool("CPU", function() garbage(look) end)
  coroutine.wrap(function() garbage(look); test.equal(nil, _TLS.x) end)()
  test.equal({ "nil", "finaliser", "finaliser" }, seen)
  test.equal("script", _TLS.x)
  local in_job
  garbage(function() msys.runInPool("one", function() in_job = _TLS.x end, true) end)
  test.drain("one")
  test.equal("finaliser", in_job, "of a job that a finaliser submits")
end)

test.case("what belongs to the loop is given back on the loop, whoever collects", function()
  local open, closed_on = 0, {}
  local function handle()
    open = open + 1
    return setmetatable({}, { __gc = function()
      -- A pool without threads of its own runs its jobs on the home loop.
      msys.runInPool("Close", function()
        open = open - 1
        closed_on[#closed_on + 1] = test.loop() or "not on a loop"
      end, true)
    end })
  end
  for _ = 1, 50 do handle() end
  msys.runInPool("CPU", function()
    for _ = 1, 50 do handle() end
    collectgarbage()
  end)
  repeat collectgarbage(); test.drain("one") until open == 0
  test.equal(100, #closed_on)
  for _, loop in ipairs(closed_on) do test.equal(0, loop) end
end)

test.case("every command of collectgarbage, in closures and their coroutines", function()
  local function all()
    local made = {}
    for i = 1, 200 do
      made[i % 7] = setmetatable({ i }, { __gc = function() _TLS.collected = i end })
    end
    collectgarbage("stop")
    assert(not collectgarbage("isrunning"))
    collectgarbage("restart")
    collectgarbage("generational")
    collectgarbage("step")
    collectgarbage()
    collectgarbage("incremental", 100, 400)
    for _ = 1, 5 do collectgarbage("step", 1) end
    return collectgarbage("count") > 0 and collectgarbage("collect") == 0
  end
  for _ = 1, 5 do
    test.returns({ true, true }, msys.runInPool("CPU", all))
    test.returns({ true, true }, msys.runInPool("CPU", coroutine.wrap(all)))
    local _, job = msys.runInPool("one", all, all)
    test.returns({ true, true }, job:wait())
    msys.runInPool("CPU", all, true)
    assert(all())
  end
  test.drain("CPU")
end)

test.case("thousands of finalisers in many jobs", function()
  local made, run = 0, 0
  for _ = 1, 20 do
    msys.runInPool("CPU", function()
      for _ = 1, 100 do
        made = made + 1
        setmetatable({}, { __gc = function()
          msys.runInPool("one", function() run = run + 1 end, true)
        end })
      end
    end, true)
  end
  repeat collectgarbage(); test.drain("one"); test.drain("CPU") until run == 2000
end)
