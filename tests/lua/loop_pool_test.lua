-- Concurrency 0: the job runs on the home loop after the script's slice.
-- pool: none concurrency=0

test.case("on the home loop, not on a worker", function()
  local here = test.thread()
  for _, pool in ipairs { "none", "Close", 4 } do
    test.returns({ true, here, 0, nil, n = 4 }, msys.runInPool(pool, function()
      return (test.thread()), test.loop(), (test.worker())
    end))
  end
  test.equal("OK 1", test.wait(test.elsewhere(
    "return select(2, msys.runInPool('none', function() return test.loop() end))")))
end)

test.case("not inside the slice", function()
  local ran
  msys.runInPool("none", function() ran = true end, true)
  test.equal(nil, ran)
  msys.runInPool("none", function() end)
  test.equal(true, ran)
end)

test.case("in order, nested, with completions and failures", function()
  local order = {}
  for i = 1, 10 do msys.runInPool("none", function() order[i] = #order + 1 end, true) end
  test.returns({ true, true, "deep" }, msys.runInPool("none", function()
    return msys.runInPool("none", function() return "deep" end)
  end))
  test.equal({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
  local seen
  local _, job = msys.runInPool("none", function() return 1 end,
    function(ok, x) seen = { ok, x, test.loop() } end)
  test.returns({ true, 1 }, job:wait())
  test.equal({ true, 1, 0 }, seen)
  msys.runInPool("none", function() error("on the loop") end, true)
  msys.runInPool("none", function() end)
  test.equal(1, test.logged("none: closure", "on the loop"))
end)

test.case("it is counted as the others are", function()
  local s = test.stats("none")
  test.equal(s.submitted, s.done + s.failed)
  test.equal(s.submitted, s.invocations)
  test.equal(0, s.threads)
end)
