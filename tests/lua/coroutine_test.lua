-- What the coroutine library does for scripts, callouts and closures.

test.case("the script itself is no coroutine that could yield", function()
  test.equal(false, coroutine.isyieldable())
  local co, main = coroutine.running()
  test.equal("thread", type(co))
  test.equal(false, main)
  test.equal("running", coroutine.status(co))
  test.returns({ true, false }, msys.runInPool("CPU", coroutine.isyieldable))
end)

test.case("inside a coroutine one can yield", function()
  test.returns({ true, true }, coroutine.resume(coroutine.create(coroutine.isyieldable)))
end)

test.case("a script's coroutine cannot be resumed or closed by another", function()
  local script
  local handle = test.start(function()
    script = coroutine.running()
    msys.runInPool("CPU", function() test.block("held") end)
    return "unharmed"
  end)
  test.await_blocked("held")
  test.equal("normal", coroutine.status(script))
  test.returns({ false, "cannot resume non-suspended coroutine" },
    coroutine.resume(script))
  test.raises("cannot close a normal coroutine", coroutine.close, script)
  test.release("held")
  test.returns({ 0, "unharmed" }, test.wait(handle))
  test.equal("dead", coroutine.status(script))
  test.returns({ false, "cannot resume dead coroutine" }, coroutine.resume(script))
  test.equal(true, coroutine.close(script))
end)

test.case("a coroutine that a script kept is not used again", function()
  local kept = {}
  for i = 1, 20 do
    local _, co = msys.runInPool("CPU", function() return (coroutine.running()) end)
    test.equal("dead", coroutine.status(co))
    kept[i] = co
    for j = 1, i - 1 do assert(kept[j] ~= co, "used again") end
  end
end)

test.case("a coroutine made by a callout goes on in a closure and back", function()
  local trail = {}
  local co = coroutine.create(function()
    for _ = 1, 3 do
      trail[#trail + 1] = test.loop() or test.worker()
      coroutine.yield()
    end
  end)
  coroutine.resume(co)
  msys.runInPool("IO", function() coroutine.resume(co) end)
  coroutine.resume(co)
  test.equal({ 0, "IO", 0 }, trail)
end)

test.case("dropped generators are collected, waits and all", function()
  local weak = setmetatable({}, { __mode = "v" })
  for i = 1, 50 do
    local co = coroutine.wrap(function()
      msys.runInPool("CPU", function() end)
      coroutine.yield()
    end)
    co()
    weak[i] = co
  end
  collectgarbage()
  collectgarbage()
  test.equal(0, (function() local n = 0; for _ in pairs(weak) do n = n + 1 end; return n end)())
end)
