-- (pool, f, true): f runs later; the call returns nothing at once.
-- pool: one concurrency=1

test.case("no values are returned", function()
  test.equal(0, select("#", msys.runInPool("one", function() return 1 end, true)))
  test.drain("one")
end)

test.case("f does not start before the script returns to the scheduler", function()
  local started = 0
  for _ = 1, 5 do
    msys.runInPool("CPU", function() started = started + 1 end, true)
  end
  for _ = 1, 100000 do end
  collectgarbage()
  test.equal(0, started)
  msys.runInPool("IO", function() end)  -- returns to the scheduler
  repeat msys.runInPool("IO", function() end) until started == 5
end)

test.case("nor before the callout has ended, when it does not wait", function()
  local started, at_the_end
  local handle = test.start(function()
    msys.runInPool("CPU", function() started = true end, true)
    pcall(pcall, error)
    coroutine.wrap(function() for _ = 1, 100000 do end end)()
    at_the_end = started
    return "went on"
  end)
  test.returns({ test.status.ok, "went on" }, test.wait(handle))
  test.equal(nil, at_the_end)
  repeat test.drain("CPU") until started
end)

test.case("jobs start in the order of their calls", function()
  local order = {}
  for i = 1, 1000 do
    msys.runInPool("one", function() order[i] = #order + 1 end, true)
  end
  test.drain("one")
  test.equal(1000, #order)
  for i = 1, 1000 do test.equal(i, order[i]) end
end)

test.case("jobs of a callout that is over are run nevertheless", function()
  local ran
  test.equal(test.status.ok, (test.wait(test.start(function()
    msys.runInPool("one", function() ran = true end, true)
  end))))
  test.drain("one")
  test.equal(true, ran)
end)

test.case("an asynchronous closure may wait for others", function()
  local result
  msys.runInPool("one", function()
    local _, a = msys.runInPool("one", function() return 20 end)
    local _, b = msys.runInPool("IO", function() return 22 end)
    result = a + b
  end, true)
  repeat test.drain("one") until result
  test.equal(42, result)
end)

test.case("asynchronous closures submit asynchronous closures", function()
  local count = 0
  local function more()
    count = count + 1
    if count < 100 then msys.runInPool("one", more, true) end
  end
  msys.runInPool("one", more, true)
  repeat test.drain("one") until count == 100
end)
