-- fuzz(bytes): turns bytes into calls of everything that the plugin gives to Lua,
-- with whatever values.  Nothing here waits for what may never come: only the
-- first script waits for jobs and locks, and it locks only what it can have.
local stock_wrap, stock_yield = plain_wrap, plain_yield
local pools = { "CPU", "io", "tiny", "loop", "SpoolIn", 0, 1, 3, "none", "", "CPU\0x" }

local function reader(bytes)
  local at = 0
  return function(n) -- 1 to n; 1 when the bytes are used up
    at = at + 1
    return (bytes:byte(at) or 0) % n + 1
  end, function() return at >= #bytes end
end

local hostile = {
  __index = function() error({}) end, __newindex = function() error "no" end,
  __tostring = function() return 1 end, __name = "CPU", __len = function() return -1 end,
  __call = function() return 1 end, __close = function() error "close" end,
  __eq = error, __gc = function() msys.runInPool("CPU", function() end, true) end,
}
local fixed = {
  false, true, 0, 1, -1, 6, 2, 2 ^ 53, math.maxinteger, math.mininteger, 0.5, 1e300,
  0 / 0, 1 / 0, -1 / 0, "", "CPU", "IO", "tiny", "a\0b", ("x"):rep(1000), "0x10", "-1",
  print, error, string.rep, coroutine.yield, stock_yield, io.stdout, {}, _TLS, _OSTLS,
  msys, thread, msys.runInPool, setmetatable({}, hostile),
}

local function new_input(bytes)
  local any, over = reader(bytes)
  local made = {} -- jobs, mutexes and coroutines to call with again
  local act

  local function closure(depth)
    local kind = any(8)
    return function(...)
      if kind == 1 then error(fixed[any(#fixed)], any(3) - 1) end
      if kind == 2 then return ... end
      if kind == 3 then return stock_yield(1) end
      if kind == 4 then return table.unpack({}, 1, 200) end
      if kind == 5 then collectgarbage() end
      if kind == 6 then
        local guard <close> = setmetatable({}, hostile)
        return act(depth + 1)
      end
      for _ = 1, 3 do act(depth + 1) end
      return kind
    end
  end

  local function value(depth)
    local kind = any(12)
    if kind == 1 then return nil end
    if kind == 2 then return closure(depth) end
    if kind == 3 then return coroutine.create(closure(depth)) end
    if kind == 4 then return (coroutine.running()) end
    if kind <= 7 and #made > 0 then return made[any(#made)] end
    if kind == 8 then return pools[any(#pools)] end
    return fixed[any(#fixed)]
  end

  local function values(depth, first, n)
    local list = { first, n = n or any(5) }
    for i = first == nil and 1 or 2, list.n do list[i] = value(depth) end
    return table.unpack(list, 1, list.n)
  end

  local function keep(ok, first, second)
    for _, v in ipairs { first or nil, second or nil } do
      if type(v) == "userdata" or type(v) == "thread" then made[#made + 1] = v end
    end
    return ok, first
  end

  local function method(depth, object, name)
    local f = type(object) == "userdata" and object ~= io.stdout and pcall(function()
      return object[name]
    end) and object[name]
    if f then return pcall(f, values(depth, object)) end
    -- The method of one with another as its self.
    for _, other in ipairs(made) do
      if type(other) == "userdata" then
        local ok, g = pcall(function() return other[name] end)
        if ok and g then return pcall(g, values(depth)) end
      end
    end
  end

  local calls = {
    function(d) keep(pcall(msys.runInPool, values(d))) end,
    function(d) keep(pcall(msys.runInPool, pools[any(#pools)], closure(d), value(d), value(d))) end,
    function(d) keep(pcall(msys.runInPool, pools[any(4)], closure(d), closure(d), 6)) end,
    function(d) keep(pcall(msys.runInPool, pools[any(4)], closure(d), true)) end,
    function(d) keep(pcall(msys.runInPool, pools[any(4)], closure(d))) end,
    function(d) keep(pcall(msys.runInInst, values(d))) end,
    function(d) keep(pcall(msys.runInInst, any(3) - 1, closure(d))) end,
    function(d)
      local v = value(d)
      local seconds = tonumber(v)
      if seconds and seconds > 0 and seconds < 1e9 then v = 1e-5 end
      pcall(msys.sleep, v)
    end,
    function(d) if d == 0 then pcall(msys.lock, value(d)) end end,
    function(d) pcall(msys.unlock, value(d)) end,
    function(d) keep(pcall(thread.mutex, value(d))) end,
    function(d) keep(pcall(thread.mutex, any(3) - 1)) end,
    function(d)
      local m = value(d)
      local _, free = method(d, m, "trylock")
      if d == 0 and free == true then
        pcall(m.unlock, m)
        pcall(m.lock, m)
      end
    end,
    function(d) method(d, value(d), "unlock") end,
    function(d) method(d, value(d), "status") end,
    function(d) method(d, value(d), "cancel") end,
    function(d) if d == 0 then method(d, value(d), "wait") end end,
    function(d) pcall(tostring, value(d)) end,
    function(d) pcall(msys.threadpool.find, values(d)) end,
    function(d) pcall(function(...) tostring(msys.threadpool.stat(...)) end, values(d)) end,
    function(d) pcall(msys.threadpool.count, values(d)) end,
    function(d) pcall(msys.threadpool.current, values(d)) end,
    function(d) pcall(function() _TLS[value(d)] = value(d) end) end,
    function(d) pcall(function() _OSTLS[value(d)] = value(d) end) end,
    function(d) pcall(function() return _TLS[value(d)], #_TLS, _OSTLS[value(d)], #_OSTLS end) end,
    function() for _ in pairs(_TLS) do end for _ in pairs(_OSTLS) do end end,
    function(d) keep(pcall(coroutine.create, values(d))) end,
    function(d) pcall(coroutine.resume, values(d)) end,
    function(d) pcall(coroutine.wrap(closure(d)), values(d)) end,
    function(d) pcall(stock_wrap(closure(d)), values(d)) end,
    function(d) pcall(coroutine.status, value(d)) end,
    function(d) pcall(coroutine.close, value(d)) end,
    function(d) pcall(coroutine.isyieldable, value(d)) end,
    function(d) pcall(coroutine.wrap(function() coroutine.yield(value(d)) end)) end,
    function(d) local m <close> = nil; pcall(xpcall, closure(d), value(d)) end,
    function() collectgarbage("step") end,
  }

  function act(depth)
    if depth > 3 or over() then return end
    calls[any(#calls)](depth)
  end
  return act, over
end

function fuzz(bytes)
  local act, over = new_input(bytes)
  for _ = 1, 40 do
    if over() then break end
    act(0)
  end
end
