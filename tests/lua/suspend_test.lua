-- Suspending works from anywhere Lua itself could yield: the whole script is
-- suspended, not the inner coroutine's resumer.  Elsewhere there is an error.
-- pool: one concurrency=1

local function call(value)
  local ok, result = msys.runInPool("CPU", function() return value end)
  assert(ok)
  return result
end

test.case("a generator made with coroutine.wrap", function()
  local function numbers(n)
    return coroutine.wrap(function()
      for i = 1, n do coroutine.yield(call(i)) end
    end)
  end
  local sum = 0
  for i in numbers(100) do sum = sum + i end
  test.equal(5050, sum)
end)

test.case("generators within generators", function()
  local function nest(depth)
    if depth == 0 then return call("bottom") end
    return coroutine.wrap(function() return nest(depth - 1) end)()
  end
  test.equal("bottom", nest(50))
  local function walk(tree)
    if type(tree) ~= "table" then return coroutine.yield(call(tree)) end
    for _, branch in ipairs(tree) do walk(branch) end
  end
  local leaves = {}
  for leaf in coroutine.wrap(function() walk { 1, { 2, { 3, 4 }, 5 }, 6 } end) do
    leaves[#leaves + 1] = leaf
  end
  test.equal({ 1, 2, 3, 4, 5, 6 }, leaves)
end)

test.case("coroutine.resume passes values both ways around the wait", function()
  local co = coroutine.create(function(a, b)
    local c = coroutine.yield(call(a) + call(b))
    local d, e = coroutine.yield(call(c), nil)
    return call(d), e, nil
  end)
  test.returns({ true, 3 }, coroutine.resume(co, 1, 2))
  test.returns({ true, "c", nil, n = 3 }, coroutine.resume(co, "c"))
  test.returns({ true, "d", "e", nil, n = 4 }, coroutine.resume(co, "d", "e"))
  test.returns({ false, "cannot resume dead coroutine" }, coroutine.resume(co))
end)

test.case("an error after the wait ends the inner coroutine only", function()
  local co = coroutine.create(function() call(1); error("inner", 0) end)
  test.returns({ false, "inner" }, coroutine.resume(co))
  test.equal("dead", coroutine.status(co))
  local thing = {}
  test.returns({ false, thing }, pcall(coroutine.wrap(function()
    call(1)
    error(thing)
  end)))
end)

test.case("the waiting coroutine is normal, and nobody else can touch it", function()
  local co = coroutine.create(function()
    msys.runInPool("CPU", function() test.block("inner") end)
    return "end"
  end)
  local outer = test.start(function() return coroutine.resume(co) end)
  test.await_blocked("inner")
  test.equal("normal", coroutine.status(co))
  test.returns({ false, "cannot resume non-suspended coroutine" },
    coroutine.resume(co))
  test.raises("cannot close a normal coroutine", coroutine.close, co)
  test.release("inner")
  test.returns({ test.status.ok, true, "end" }, test.wait(outer))
  test.equal("dead", coroutine.status(co))
end)

test.case("pcall and xpcall", function()
  test.returns({ true, 1 }, pcall(call, 1))
  test.returns({ true, true, 2 }, pcall(pcall, call, 2))
  test.returns({ false, "handled: oops" }, xpcall(function()
    call(1)
    error("oops", 0)
  end, function(m) return "handled: " .. m end))
end)

test.case("metamethods", function()
  local object = setmetatable({}, {
    __index = function(_, key) return call(key) end,
    __newindex = function(t, key, value) rawset(t, key, call(value)) end,
    __add = function(_, b) return call(b) end,
    __eq = function() return call(true) end,
    __lt = function() return call(true) end,
    __le = function() return call(true) end,
    __len = function() return call(7) end,
    __call = function(_, ...) return call(select("#", ...)) end,
    __unm = function() return call("minus") end,
  })
  test.equal("key", object.key)
  object.field = "value"
  test.equal("value", rawget(object, "field"))
  test.equal(5, object + 5)
  test.equal(true, object == setmetatable({}, getmetatable(object)))
  test.equal(true, object < {})
  test.equal(true, object <= {})
  test.equal(7, #object)
  test.equal(3, object(1, 2, 3))
  test.equal("minus", -object)
end)

test.case("iterators, and the closing value of a for loop", function()
  local closed
  local function iterator(limit)
    return function(_, i)
      i = i + 1
      if call(i) <= limit then return i end
    end, nil, 0, setmetatable({}, { __close = function() closed = call(true) end })
  end
  local sum = 0
  for i in iterator(10) do sum = sum + i end
  test.equal(55, sum)
  test.equal(true, closed)
  local t = setmetatable({}, { __pairs = function()
    return function(_, k) if not k then return call("only"), 1 end end, nil, nil
  end })
  for k, v in pairs(t) do test.returns({ "only", 1 }, k, v) end
end)

test.case("a close variable may wait, in an error too", function()
  local log = {}
  local function guard(name)
    return setmetatable({}, { __close = function() log[#log + 1] = call(name) end })
  end
  do local a <close> = guard("a"); local b <close> = guard("b"); call(1) end
  test.equal({ "b", "a" }, log)
  pcall(function()
    local c <close> = guard("c")
    call(1)
    error("x")
  end)
  test.equal({ "b", "a", "c" }, log)
end)

test.case("C functions that let Lua yield", function()
  test.equal("through", test.callk(call, "through"))
  local chunk = "return ..."
  test.equal("loaded", load(chunk)(call("loaded")))
end)

local no_wait = "runInPool: cannot wait here: Lua cannot be suspended inside a C " ..
  "function (a table.sort comparator, a string.gsub callback, require, " ..
  "coroutine.close, a hook, a message handler, a finaliser); call it elsewhere, or asynchronously with true as the third argument"

test.case("a table.sort comparator", function()
  test.raises(no_wait, table.sort, { 3, 2, 1 }, function() return call(true) end)
end)

test.case("a string.gsub callback", function()
  test.raises(no_wait, string.gsub, "abc", "%w", function(c) return call(c) end)
end)

test.case("require, load and other C functions", function()
  package.preload["waits.when.loaded"] = function() return call({}) end
  local ok, message = pcall(require, "waits.when.loaded")
  test.equal(false, ok)
  test.matches("runInPool: cannot wait here", message)
  local loaded, why = load(function() return call("return 1") end)
  test.equal(nil, loaded)
  test.matches("runInPool: cannot wait here", why)
  test.raises(no_wait, test.call, call, 1)
end)

test.case("close variables of a coroutine that is being closed", function()
  local function guard()
    return setmetatable({}, { __close = function() call(1) end })
  end
  local co = coroutine.create(function() local g <close> = guard(); coroutine.yield() end)
  coroutine.resume(co)
  local ok, message = coroutine.close(co)
  test.equal(false, ok)
  test.matches("runInPool: cannot wait here: Lua cannot be suspended inside a C", message)
  ok, message = pcall(coroutine.wrap(function() local g <close> = guard(); error("x") end))
  test.equal(false, ok)
  test.matches("runInPool: cannot wait here: Lua cannot be suspended inside a C", message)
end)

test.case("a coroutine above a C boundary", function()
  local ok, message = pcall(table.sort, { 2, 1 }, function()
    return coroutine.wrap(function() return call(true) end)()
  end)
  test.equal(false, ok)
  test.matches("runInPool: cannot wait here: Lua cannot be suspended", message)
end)

test.case("a coroutine that C code resumes", function()
  local co = coroutine.create(function() return pcall(call, 1) end)
  local status, ok, message = test.resume(co)
  test.equal(0, status)
  test.equal(false, ok)
  test.matches("runInPool: cannot wait here: this coroutine was resumed by C " ..
    "code, not by the coroutine library that came with msys; call it elsewhere",
    message)
end)

test.case("C code that resumes a coroutine that waits", function()
  local message = "the call that waits in this coroutine has ended without a result: " ..
    "the coroutine was resumed by C code, not by the coroutine library that came " ..
    "with msys$"
  local co
  msys.lock("held")
  for _, wait in ipairs {
    function() msys.runInPool("CPU", function() test.block("resumed") end) end,
    function() msys.sleep(3600) end,
    function() msys.lock("held") end,
  } do
    co = coroutine.create(wait)
    local outer = test.start(function() return coroutine.resume(co) end)
    call("so that it has begun")
    test.equal("normal", coroutine.status(co))
    local results = table.pack(test.resume(co))
    test.equal(2, results[1])
    test.matches(message, results[results.n])
    test.returns({ test.status.ok, false, "cannot resume dead coroutine" },
      test.wait(outer))
  end
  msys.unlock("held")
  test.release("resumed")
  -- What is resumed there goes on, and so does who had resumed it before.
  co = coroutine.create(function()
    return "caught", select(2, pcall(msys.sleep, 3600))
  end)
  local outer = test.start(function() return coroutine.resume(co) end)
  call("so that it has begun")
  local status, caught, text = test.resume(co)
  test.returns({ 0, "caught" }, status, caught)
  test.matches(message, text)
  test.returns({ test.status.ok, false, "cannot resume dead coroutine" },
    test.wait(outer))
end)

test.case("the same with a job that is still queued: the job is dropped", function()
  local ran
  msys.runInPool("one", function() test.block("before") end, true)
  test.await_blocked("before")
  local co = coroutine.create(function()
    msys.runInPool("one", function() ran = true end)
  end)
  local outer = test.start(function() return coroutine.resume(co) end)
  call("so that it has begun")
  test.equal(2, (test.resume(co)))
  test.returns({ test.status.ok, false, "cannot resume dead coroutine" },
    test.wait(outer))
  test.equal(1, test.logged("4 runInPool: one: closure suspend_test.lua:",
    "of state home: cancelled: its calling script has ended, or no longer waits for it"))
  test.release("before")
  test.drain("one")
  test.equal(nil, ran)
end)

test.case("the asynchronous form works in all these places", function()
  local count = 0
  table.sort({ 2, 1 }, function(a, b)
    msys.runInPool("CPU", function() count = count + 1 end, true)
    return a < b
  end)
  ;("abc"):gsub("%w", function()
    msys.runInPool("CPU", function() count = count + 1 end, true)
  end)
  local co = coroutine.create(function()
    msys.runInPool("CPU", function() count = count + 1 end, true)
  end)
  test.resume(co)
  repeat call(1) until count >= 5
end)

test.case("two scripts wait in the same generator's code, not in its way", function()
  local handles = {}
  for i = 1, 20 do
    handles[i] = test.start(function()
      local out = {}
      for v in coroutine.wrap(function()
        for j = 1, 20 do coroutine.yield(call(i * 100 + j)) end
      end) do out[#out + 1] = v end
      return #out, out[1], out[20]
    end)
  end
  for i = 1, 20 do
    test.returns({ 0, 20, i * 100 + 1, i * 100 + 20 }, test.wait(handles[i]))
  end
end)

test.case("inside a closure in a pool it is the same", function()
  test.returns({ true, 10 }, msys.runInPool("IO", function()
    local sum = 0
    for i in coroutine.wrap(function()
      for i = 1, 4 do coroutine.yield(call(i)) end
    end) do sum = sum + i end
    local ok, message = pcall(table.sort, { 2, 1 }, function() return call(true) end)
    assert(not ok and message:find("cannot wait here", 1, true), message)
    return sum
  end))
end)
