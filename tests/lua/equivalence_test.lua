-- A program that calls runInPool where it pleases does what it would have done
-- with plain calls: programs made at random are run both ways, and must leave the
-- same trail and give the same results.
-- pool: one concurrency=1
-- pool: none concurrency=0

-- A generator of our own, so that a failure's number finds it again.
local function random(seed)
  local state = seed
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end
end

-- What a leaf computes: values, nils, or an error.
local function work(kind, n)
  if kind == 1 then return n, nil, n * 2, nil end
  if kind == 2 then error("error " .. n, 0) end
  if kind == 3 then error({ n }) end
  return n
end

-- Ways to call f(...) that Lua can be suspended in; each gets `say`, to leave a
-- trail.
local contexts = {
  function(f, _, ...) return f(...) end,
  function(f, say, ...)
    local t = table.pack(pcall(f, ...))
    say("pcall", t[1])
    if not t[1] then return "caught", type(t[2]) end
    return table.unpack(t, 2, t.n)
  end,
  function(f, say, ...)
    local t = table.pack(xpcall(f, function(m) say("handler", type(m)) return m end, ...))
    if not t[1] then error(t[2], 0) end
    return table.unpack(t, 2, t.n)
  end,
  function(f, _, ...)
    -- Not without pcall: Lua does not let the <close> variables wait that an error
    -- leaves behind in a coroutine that it ends.
    local t = table.pack(coroutine.wrap(function(...) return pcall(f, ...) end)(...))
    if not t[1] then error(t[2], 0) end
    return table.unpack(t, 2, t.n)
  end,
  function(f, say, ...)
    local co = coroutine.create(function(...)
      say("got", coroutine.yield("first"))
      return f(...)
    end)
    say(coroutine.resume(co, ...))
    local t = table.pack(coroutine.resume(co, "second"))
    say("over", coroutine.status(co), t[1])
    if not t[1] then return "dead", type(t[2]) end
    return table.unpack(t, 2, t.n)
  end,
  function(f, say, ...)
    local arguments, sum = table.pack(...), {}
    for ok, v in coroutine.wrap(function()
      for _ = 1, 3 do coroutine.yield(pcall(f, table.unpack(arguments, 1, arguments.n))) end
    end) do
      sum[#sum + 1] = tostring(ok) .. type(v)
    end
    say("generated", #sum)
    return table.concat(sum, " ")
  end,
  function(f, say, ...)
    local arguments = table.pack(...)
    local _ <close> = setmetatable({}, { __close = function(_, e)
      say("close", type(e))
      say("closed", pcall(f, table.unpack(arguments, 1, arguments.n)))
    end })
    return f(...)
  end,
  function(f, _, x) return setmetatable({}, { __index = function(_, k) return f(k) end })[x] end,
  function(f, _, x)
    return setmetatable({}, { __add = function(_, b) return (f(b)) end }) + x
  end,
  function(f, _, x)
    local t = setmetatable({}, { __lt = function() return (f(x)) end,
      __eq = function() return (f(x)) end, __len = function() return (f(x)) end })
    return t < t, t == setmetatable({}, getmetatable(t)), #t
  end,
  function(f, _, x)
    -- Two operands only: Lua 5.4.4 has a bug with more.
    return setmetatable({}, { __concat = function(_, b) return tostring(f(x)) .. b end }) .. ">"
  end,
  function(f, _, ...) return setmetatable({}, { __call = function(_, ...) return f(...) end })(...) end,
  function(f, say, x)
    local closed = setmetatable({}, { __close = function() say("iterator", pcall(f, x)) end })
    for i in function(_, i) return (i or 0) < 2 and (f(x) and 1 or 2) + (i or 0) or nil end, nil,
        nil, closed do
      say("step", i)
    end
    return x
  end,
  function(f, say, x)
    local t = setmetatable({}, { __newindex = function(_, k, v) say(k, v, pcall(f, x)) end })
    t.key = x
    return f(x)
  end,
  function(f, _, ...) return select(2, "skipped", f(...)) end,
  function(f, say, ...)
    local i = 0
    ::again::
    i = i + 1
    say("loop", i, pcall(f, ...))
    if i < 2 then goto again end
    return i
  end,
}

-- A program: nested contexts around leaves, as a function of `leaf`.
local function program(pick, depth)
  if depth == 0 then
    local kind = pick(6)
    return function(leaf, _, x) return leaf(kind, x) end
  end
  local context, inner = contexts[pick(#contexts)], program(pick, depth - 1)
  local second = pick(3) == 1 and program(pick, depth - 1)
  return function(leaf, say, ...)
    local first = table.pack(context(function(...) return inner(leaf, say, ...) end, say, ...))
    if not second then return table.unpack(first, 1, first.n) end
    say("then", first.n)
    return second(leaf, say, ...)
  end
end

-- What a run leaves behind, as one text.
local function trail(run, leaf)
  local out = {}
  local function say(...)
    local t = table.pack(...)
    for i = 1, t.n do
      t[i] = type(t[i]) == "table" and "{" .. tostring(t[i][1]) .. "}" or tostring(t[i])
    end
    out[#out + 1] = table.concat(t, " ")
  end
  say("result", pcall(run, leaf, say, 7))
  return table.concat(out, "\n")
end

local function plain(kind, n)
  local t = table.pack(pcall(work, kind, n))
  if not t[1] then error(t[2], 0) end
  return table.unpack(t, 2, t.n)
end

-- Leaves that wait: in one pool after the other, on the loop, for a job, asleep.
local function waiting(seed)
  local pick = random(seed)
  local pools = { "CPU", "IO", "one", "none" }
  return function(kind, n)
    local pool, way, t = pools[pick(#pools)], pick(5)
    local function f() return work(kind, n) end
    if way == 1 then
      local _, job = msys.runInPool(pool, f, function() end)
      t = table.pack(job:wait())
    elseif way == 2 then
      t = table.pack(msys.runInInst(pick(2) - 1, f))
    elseif way == 3 then
      msys.sleep(0)
      t = table.pack(pcall(f))
    else
      t = table.pack(msys.runInPool(pool, f))
    end
    if not t[1] then error(t[2], 0) end
    return table.unpack(t, 2, t.n)
  end
end

local function compare(seed)
  local run = program(random(seed), 1 + seed % 5)
  local wanted, found = trail(run, plain), trail(run, waiting(seed))
  if wanted ~= found then
    error(string.format("program %d:\nwanted\n%s\nfound\n%s", seed, wanted, found), 0)
  end
end

local function compare_all(first, last)
  for seed = first, last do compare(seed) end
  return "done"
end

test.case("in a callout", function() compare_all(1, 120) end)

test.case("in a closure, in pools and on loops", function()
  for i, pool in ipairs { "CPU", "one", "none" } do
    test.returns({ true, "done" }, msys.runInPool(pool, function()
      return compare_all(i * 1000, i * 1000 + 40)
    end))
  end
  test.returns({ true, "done" }, msys.runInInst(1, function() return compare_all(5000, 5040) end))
end)

test.case("in a completion function, and many at once", function()
  local over = 0
  for i = 1, 10 do
    msys.runInPool("one", function() end, function()
      compare_all(i * 10000, i * 10000 + 5)
      over = over + 1
    end, i % 2 == 0 and msys.core.ECTP_COMPLETE_CALLBACK_SCHED or nil)
  end
  local handles = {}
  for i = 1, 10 do
    handles[i] = test.start(function() return compare_all(i * 20000, i * 20000 + 5) end)
  end
  for i = 1, 10 do test.returns({ 0, "done" }, test.wait(handles[i])) end
  repeat test.drain("one") until over == 10 or test.logged("program") > 0
  test.equal(10, over)
end)
