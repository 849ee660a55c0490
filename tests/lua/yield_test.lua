-- A closure or callout that yields by itself has nobody to yield to.

local message = "attempt to yield from outside a coroutine"

test.case("coroutine.yield at a closure's top level", function()
  test.returns({ false, message }, msys.runInPool("CPU", function() coroutine.yield(1) end))
  test.returns({ false, message }, msys.runInPool("CPU", coroutine.yield))
end)

test.case("pcall catches it, as in the main program of Lua", function()
  test.returns({ true, false, message }, msys.runInPool("CPU", function()
    return pcall(coroutine.yield)
  end))
  test.returns({ false, message }, pcall(coroutine.yield))
end)

test.case("in an asynchronous closure it is logged", function()
  msys.runInPool("CPU", function() coroutine.yield() end, true)
  test.await_log(message)
end)

test.case("in a callout it is an error", function()
  test.equal(test.status.lua, (test.wait(test.start(function() coroutine.yield() end))))
end)

test.case("a C function that yields by itself", function()
  test.returns({ false, message }, msys.runInPool("CPU", function() test.yield(1, 2) end))
  test.returns({ false, message }, msys.runInPool("CPU", test.yield))
  local status, value = test.wait(test.start(function() test.yield() end))
  test.equal(test.status.lua, status)
  test.equal(message, value)
end)

test.case("close variables run all the same", function()
  local closed
  msys.runInPool("CPU", function()
    local guard <close> = setmetatable({}, { __close = function() closed = true end })
    test.yield()
  end)
  test.equal(true, closed)
end)

test.case("a coroutine that the closure made yields to it", function()
  test.returns({ true, 1, 2 }, msys.runInPool("CPU", function()
    local f = coroutine.wrap(function() coroutine.yield(1); return 2 end)
    return f(), f()
  end))
end)
