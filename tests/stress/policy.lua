-- A random policy: policy(seed, depth) does what the seed says, and counts what
-- it has done in `shadow`, for the test to compare with the pools' statistics.
shadow = shadow or { submitted = 0, started = 0, refused = 0 }

local function generator(seed)
  local x = seed * 2654435761 % 4294967296
  return function(n) -- 1 to n
    x = (x * 1664525 + 1013904223) % 4294967296
    return x // 65536 % n + 1
  end
end

local pools = { "CPU", "IO", "Small", "SpoolIn", "Close" }
local errors = { "text", { 1 }, 42, true, false }
local policy

local function closure(seed, depth)
  return function()
    shadow.started = shadow.started + 1
    local any = generator(seed)
    local guard <close> = setmetatable({}, { __close = function() _TLS.closed = seed end })
    _OSTLS.last = seed
    if depth > 0 then policy(seed + 1, depth - 1) end
    local kind = any(8)
    if kind == 1 then error(errors[any(5)], 0) end
    if kind == 2 then msys.sleep(any(3) / 10000) end
    if kind == 3 then collectgarbage("step") end
    if kind == 4 then return nil, seed, nil end
    return seed
  end
end

local function submit(pool, ...)
  local counts = shadow
  counts.submitted = counts.submitted + 1
  local r = table.pack(pcall(msys.runInPool, pool, ...))
  if not r[1] then
    -- Raised: the call was refused (no room, and nowhere to wait).
    counts.refused = counts.refused + 1
    assert(type(r[2]) == "string" and r[2]:find("runInPool", 1, true), tostring(r[2]))
  end
  return table.unpack(r, 2, r.n)
end

local function check(seed, ok, value, ...)
  if ok == true then
    assert(value == nil and ... == seed or value == seed, "wrong result")
  elseif ok == false then
    assert(value ~= nil, "a failure without a value")
  end
end

local actions = {
  function(any, seed, depth) -- synchronous
    check(seed, submit(pools[any(#pools)], closure(seed, depth)))
  end,
  function(any, seed, depth) -- asynchronous
    submit(pools[any(#pools)], closure(seed, depth), true)
  end,
  function(any, seed, depth) -- completion, here or on the loop
    local mode = any(2) == 1 and msys.core.ECTP_COMPLETE_CALLBACK_SCHED or nil
    local ok, job = submit(pools[any(#pools)], closure(seed, depth), function() end, mode)
    if ok and type(job) == "userdata" then
      if any(4) == 1 then job:cancel() end
      if any(2) == 1 then job:wait() end
      assert(job:status())
    end
  end,
  function(any, seed, depth) -- out of a generator
    local g = coroutine.wrap(function()
      for i = 1, any(3) do
        check(seed + i, submit(pools[any(#pools)], closure(seed + i, depth)))
        coroutine.yield(i)
      end
    end)
    for _ in g do end -- luacheck: ignore
  end,
  function(any) -- locks
    local name = "lock" .. any(3)
    if pcall(msys.lock, name) then
      msys.sleep(0.0001)
      pcall(msys.unlock, name)
    end
  end,
  function(any, seed) -- a finaliser that submits
    local pool = pools[any(#pools)]
    setmetatable({}, { __gc = function() submit(pool, closure(seed, 0), true) end })
    if any(3) == 1 then collectgarbage() end
  end,
  function(any) msys.sleep(any(5) / 10000) end,
  function(any) collectgarbage(any(2) == 1 and "generational" or "incremental") end,
}

function policy(seed, depth)
  local any = generator(seed)
  for i = 1, any(4) do
    actions[any(#actions)](any, seed * 7 + i, depth)
  end
end

return policy
