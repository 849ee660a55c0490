-- T5: no thread waits for another job, so nested calls cannot deadlock.
-- pool: one concurrency=1

test.case("T5: nested calls into a pool of one thread", function()
  local function nest(depth)
    if depth == 0 then return "bottom" end
    local ok, value = msys.runInPool("one", function() return nest(depth - 1) end)
    assert(ok, value)
    return value
  end
  test.equal("bottom", nest(1))
  test.equal("bottom", nest(100))
end)

test.case("T5: many scripts nest in it at once", function()
  local handles = {}
  for i = 1, 50 do
    handles[i] = test.start(function()
      local ok, ok2, ok3, value = msys.runInPool("one", function()
        return msys.runInPool("one", function()
          return msys.runInPool("one", function() return i end)
        end)
      end)
      return ok and ok2 and ok3 and value
    end)
  end
  for i = 1, 50 do test.returns({ 0, i }, test.wait(handles[i])) end
end)

test.case("back and forth between pools", function()
  local function bounce(n)
    if n == 0 then return 0 end
    local pool = n % 2 == 0 and "one" or "IO"
    local ok, value = msys.runInPool(pool, function() return bounce(n - 1) + 1 end)
    assert(ok, value)
    return value
  end
  test.equal(60, bounce(60))
end)

test.case("after a nested call the closure is in its pool again", function()
  test.returns({ true, "one", "IO", "one" }, msys.runInPool("one", function()
    local before = test.worker()
    local _, inner = msys.runInPool("IO", function() return (test.worker()) end)
    local after = test.worker()
    return before, inner, after
  end))
end)

test.case("an error passes through all levels", function()
  local thing = {}
  test.returns({ false, thing }, msys.runInPool("one", function()
    local ok, e = msys.runInPool("one", function() error(thing) end)
    assert(not ok)
    error(e)
  end))
end)

test.case("states on two loops, in the same pool of one thread", function()
  local source = [[
    local sum = 0
    for i = 1, 200 do
      local ok, value = msys.runInPool("one", function()
        local _, inner = msys.runInPool("one", function() return i end)
        return inner
      end)
      sum = sum + value
    end
    return sum]]
  local there = test.elsewhere(source)
  test.equal(20100, load(source)())
  test.equal("OK 20100", test.wait(there))
end)
