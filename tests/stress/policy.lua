-- A random policy: policy(seed, depth) does what the seed says.  It counts in
-- `shadow` what it has done, for the test to compare with the plugin's figures, and
-- in `did` which of its actions it has taken.
--
-- `pause` is the host's: a C function that blocks for a moment, in a region.
shadow = shadow or { submitted = 0, started = 0, refused = 0, completions = 0, elsewhere = 0 }
did = did or {}

local function generator(seed)
  local x = seed * 2654435761 % 4294967296
  return function(n) -- 1 to n
    x = (x * 1664525 + 1013904223) % 4294967296
    return x // 65536 % n + 1
  end
end

local pools = { "CPU", "IO", "Small", "SpoolIn", "Close" }
local mutex = thread.mutex()
local session_of = setmetatable({}, { __mode = "k" })
local policy

-- Error values of every type, and how they come about.
local strange = setmetatable({}, { __tostring = error, __close = error, __index = error })
local values = {
  "text", { 1 }, 42, 0.5, true, false, print, coroutine.create(print), io.stdout,
  strange, setmetatable({}, { __tostring = function() return "as text" end }),
}
local ways = {
  function(any) error(values[any(#values)], any(3) - 1) end,
  function() error(nil) end,
  function() error() end,
  function() local t = nil; return t.field end,
  function() return 1 < {} end,
  function() return ("x"):rep(1 << 40) end,
  function(any) -- the stack overflows, which takes long
    local function deep() return 1 + deep() end
    return any(50) == 1 and deep()
  end,
  function(any) -- one for another
    local _ <close> = setmetatable({}, { __close = function() error(values[any(#values)], 0) end })
    error("replaced")
  end,
  function(any)
    xpcall(error, function() error(values[any(#values)]) end)
    assert(load("return end"))
  end,
  function() coroutine.wrap(function() error("in a coroutine") end)() end,
}

-- What both closures and policies do now and then.
local function strain(any, kind)
  if kind == 1 then collectgarbage("step") end
  if kind == 2 then msys.sleep(any(3) / 10000) end
  if kind == 3 then pause() end
  if kind == 4 then collectgarbage(any(2) == 1 and "generational" or "incremental") end
  if kind == 5 and any(4) == 1 then collectgarbage() end
  if kind == 6 then _TLS[any(5)] = { any } _OSTLS[any(5)] = session_of end
  if kind == 7 then session_of[{}] = coroutine.running() end
end

local function closure(seed, depth)
  return function()
    shadow.started = shadow.started + 1
    local any = generator(seed)
    local guard <close> = setmetatable({}, { __close = function() -- luacheck: ignore guard
      _TLS.closed = seed
      if any(20) == 1 then error("in closing") end
    end })
    _OSTLS.last = seed
    if depth > 0 then policy(seed + 1, depth - 1) end
    strain(any, any(24))
    local kind = any(12)
    if kind == 1 then ways[any(#ways)](any) end
    if kind == 2 then coroutine.yield(1) end
    if kind == 3 then return nil, seed, nil end
    if kind == 4 then return table.unpack({}, 1, any(200)) end
    return seed
  end
end

-- The call, and what becomes of it, counted.  One that cannot wait where it is has
-- not been made.
local function submit(pool, ...)
  local counts = shadow
  counts.submitted = counts.submitted + 1
  local r = table.pack(pcall(msys.runInPool, pool, ...))
  if not r[1] then
    local message = r[2]
    assert(type(message) == "string" and message:find("runInPool", 1, true), message)
    if message:find("backlog", 1, true) then
      counts.refused = counts.refused + 1
    else
      counts.submitted = counts.submitted - 1
    end
  end
  return table.unpack(r, 2, r.n)
end

local function completion(seed)
  return function(...)
    shadow.completions = shadow.completions + 1
    local any = generator(seed)
    if any(8) == 1 then submit(pools[any(#pools)], closure(seed, 0), true) end
    if any(8) == 1 then submit(pools[any(#pools)], closure(seed, 0)) end
    if any(8) == 1 then error(select("#", ...)) end
  end
end

local jobs = {} -- of all scripts of the state
local actions = {
  synchronous = function(any, seed, depth)
    submit(pools[any(#pools)], closure(seed, depth))
  end,
  asynchronous = function(any, seed, depth)
    submit(pools[any(#pools)], closure(seed, depth), true)
  end,
  many = function(any, seed)
    for i = 1, any(30) do submit(pools[any(2)], closure(seed + i, 0), true) end
  end,
  completed = function(any, seed, depth)
    local mode = any(2) == 1 and msys.core.ECTP_COMPLETE_CALLBACK_SCHED or nil
    local ok, job = submit(pools[any(#pools)], closure(seed, depth), completion(seed), mode)
    if ok == true and type(job) == "userdata" and job ~= io.stdout then
      jobs[any(20)] = job
      if any(3) == 1 then job:cancel() end
      if any(2) == 1 then job:wait() end
      assert(job:status())
    end
  end,
  job_of_another = function(any)
    local job = jobs[any(20)]
    if not job then return end
    if any(3) == 1 then job:cancel() end
    if any(2) == 1 then pcall(job.wait, job) end
    assert(tostring(job))
  end,
  generator = function(any, seed, depth)
    local g = coroutine.wrap(function()
      for i = 1, any(3) do
        submit(pools[any(#pools)], closure(seed + i, depth))
        coroutine.yield(i)
      end
    end)
    for _ in g do end -- luacheck: ignore
  end,
  coroutine_dropped = function(any, seed)
    local co = coroutine.create(function()
      local guard <close> = setmetatable({}, { -- luacheck: ignore guard
        __close = function() submit("IO", closure(seed, 0), true) end })
      submit(pools[any(#pools)], closure(seed, 0))
      xpcall(coroutine.yield, debug.traceback)
    end)
    coroutine.resume(co)
    if any(2) == 1 then coroutine.close(co) end
  end,
  protected = function(any, seed, depth)
    xpcall(function()
      submit(pools[any(#pools)], closure(seed, depth))
      ways[any(#ways)](any)
    end, debug.traceback)
  end,
  cannot_wait = function(any, seed)
    table.sort({ 3, 1, 2 }, function(a, b)
      submit(pools[any(#pools)], closure(seed, 0))
      return a < b
    end)
  end,
  -- Nobody waits for anything but time while it holds a lock.
  locks = function(any)
    local name = "lock" .. any(3)
    if pcall(msys.lock, name) then
      strain(any, any(8))
      msys.unlock(name)
    end
  end,
  lock_forgotten = function(any)
    local name = "lock" .. any(3)
    submit(pools[any(#pools)], function()
      shadow.started = shadow.started + 1
      pcall(msys.lock, name)
    end, true)
  end,
  mutex = function(any)
    if pcall(mutex.lock, mutex) then
      local guard <close> = mutex -- luacheck: ignore guard
      strain(any, any(8))
    end
  end,
  finaliser = function(any, seed)
    local pool = pools[any(#pools)]
    setmetatable({}, { __gc = function()
      -- It may run on top of a stack that is about to overflow.
      local function room(n) return n == 0 or (room(n - 1)) end
      if not pcall(room, 100) then return end
      submit(pool, closure(seed, 0), true)
      if any(4) == 1 then ways[any(4)](any) end
    end })
    if any(3) == 1 then collectgarbage() end
  end,
  other_loop = function(any, seed)
    pcall(msys.runInInst, any(2) - 1, function()
      shadow.elsewhere = shadow.elsewhere + 1
      if any(2) == 1 then submit(pools[any(#pools)], closure(seed, 0)) end
      if any(4) == 1 then error("there") end
    end)
  end,
  figures = function(any)
    assert(tostring(msys.threadpool.stat(pools[any(#pools)])))
    msys.threadpool.current()
  end,
  strained = function(any) strain(any, any(7)) end,
}
local names = {}
for name in pairs(actions) do names[#names + 1] = name end
table.sort(names)

function policy(seed, depth)
  local any = generator(seed)
  for i = 1, any(4) do
    local name = names[any(#names)]
    did[name] = (did[name] or 0) + 1
    actions[name](any, seed * 7 + i, depth)
  end
end

return policy
