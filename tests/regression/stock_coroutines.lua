-- The coroutine library of before msys was loaded, kept by somebody: waits through
-- it, in the middle of it, and its hands on coroutines that wait.  Each has an error
-- that says so, and the scripts that wait go on.
local stock = {}
for name, f in pairs(coroutine) do stock[name] = f end
local msys = require "msys"

local foreign = "this coroutine was resumed by C code, not by the coroutine library " ..
  "that came with msys"
local ended = "the call that waits in this coroutine has ended without a result: the " ..
  "coroutine was resumed by C code"
local dead = "cannot resume dead coroutine"

local function has(text, message)
  assert(type(message) == "string" and message:find(text, 1, true),
    tostring(message) .. " instead of " .. text)
end

local function call() return msys.runInPool("IO", function() return "result" end) end

-- In a closure, which is suspended as a callout is; the main script waits in place.
local function closure(f)
  local result = table.pack(msys.runInPool("CPU", f))
  assert(result[1] == true, result[2])
  return table.unpack(result, 2, result.n)
end

-- Every way in which a script may come to its call.
closure(function()
  local made, resume, wrap = coroutine.create, coroutine.resume, coroutine.wrap
  has(foreign, select(2, stock.resume(made(call))))
  has(foreign, select(2, pcall(stock.wrap(call))))
  has(foreign, select(2, stock.resume(made(function() return wrap(call)() end))))
  has(foreign, select(2, resume(made(function() return stock.wrap(call)() end))))
  assert(select(2, resume(stock.create(call))) == true)  -- create resumes nothing
  -- yield passes values as ours does, to whoever resumed.
  local co = made(function(...) return "end", stock.yield(...) end)
  assert(select(2, resume(co, 1)) == 1)
  assert(select("#", resume(co, 2, 3)) == 4)
end)
local ok, message = msys.runInPool("CPU", function() stock.yield(1) end)
assert(not ok)
has("attempt to yield from outside a coroutine", message)

-- A coroutine that waits, in other hands.  `wait` is how it waits; `grip` is called
-- meanwhile.
local waits = {
  job = function(go) return msys.runInPool("SpoolIn", go) end,
  queued = function() return msys.runInPool("SpoolIn", function() return "result" end) end,
  object = function(go)
    local _, job = msys.runInPool("SpoolIn", go, function() end)
    return job:wait()
  end,
  lock = function() return msys.lock("stock") end,
  mutex = function(_, mutex) return mutex:lock() end,
}

local function in_other_hands(wait, grip, inside)
  local co, got, gripped
  local mutex = thread.mutex()
  local go = false
  local function until_go()
    while not go do msys.runInPool("IO", function() end) end
    return "result"
  end
  local function waiter()
    if inside then
      co = coroutine.create(function() return pcall(wait, until_go, mutex) end)
      return coroutine.resume(co)
    end
    co = coroutine.running()
    return wait(until_go, mutex)
  end
  local ended_with
  local holder = select(2, msys.runInPool("Unlink", function()
    msys.lock("stock")
    mutex:lock()
    msys.runInPool("SpoolIn", function() -- so that a job of `waiter` is queued
      local job = select(2, msys.runInPool("SwapIn", waiter, function(...)
        ended_with = table.pack(...)
      end))
      repeat msys.runInPool("IO", function() end) until co and
        coroutine.status(co) == "normal"
      gripped = table.pack(grip(co))
      got = job
    end)
    -- What it waits for may come now.
    go = true
    msys.unlock("stock")
    mutex:unlock()
    got:wait()
  end, function() end))
  assert(holder:wait())
  while not ended_with do msys.runInPool("IO", function() end) end
  return gripped, ended_with
end

for name, wait in pairs(waits) do
  for _, inside in ipairs { false, true } do
    -- Ours refuses.
    local gripped, result = in_other_hands(wait, function(co)
      local _, closes = pcall(coroutine.close, co)
      return select(2, coroutine.resume(co)), closes
    end, inside)
    has("cannot resume non-suspended coroutine", gripped[1])
    has("cannot close a normal coroutine", gripped[2])
    assert(result[1] == true, name)

    -- With the stock library's the call raises, where `inside` has a pcall, and the
    -- script goes on with an error as well.
    gripped, result = in_other_hands(wait, function(co)
      return stock.resume(co, true, "forged")
    end, inside)
    assert(gripped[1] == true and gripped[2] == false, name)
    has(ended, gripped[3])
    assert(result[1] == inside, name)
    has(dead, inside and result[3] or result[2])
  end
end
-- stock.close ends the coroutine, but not what it waits for; then the script goes on
-- with an error.
for name, wait in pairs(waits) do
  for _, inside in ipairs { false, true } do
    local gripped, result = in_other_hands(wait, function(co)
      local closed = table.pack(stock.close(co))
      co = nil
      for _ = 1, 3 do collectgarbage() end
      return table.unpack(closed, 1, closed.n)
    end, inside)
    assert(gripped[1] == true, name)
    assert(result[1] == inside, name)
    has(dead, inside and result[3] or result[2])
  end
end
-- The <close> variables of a closure that has yielded to nobody cannot wait.
do
  local waited, why
  local ok, message = msys.runInPool("CPU", function()
    local _ <close> = setmetatable({}, { __close = function()
      waited, why = pcall(msys.sleep, 0)
    end })
    stock.yield()
  end)
  assert(ok == false and waited == false)
  has("attempt to yield from outside a coroutine", message)
  has("the <close> variables of a script that has ended", why)
end
for i = 1, 1000 do
  local done, value = msys.runInPool("CPU", function() return i end)
  assert(done == true and value == i)
end
print "ok"
