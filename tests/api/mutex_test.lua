-- thread.mutex([type])
-- pool: one concurrency=1
-- pool: four concurrency=4

local function wrong(pattern, f, ...)
  local ok, message = pcall(f, ...)
  test.equal(false, ok)
  test.matches(pattern, message)
end

local types = { thread.MUTEX_NORMAL, thread.MUTEX_RECURSIVE, thread.MUTEX_ERRORCHECK }

test.case("three types, distinct integers", function()
  test.equal(3, #types)
  for i, type in ipairs(types) do
    test.equal("integer", math.type(type))
    for j = 1, i - 1 do assert(types[j] ~= type) end
  end
end)

test.case("lock gives true, trylock a boolean, unlock nothing", function()
  for _, type in ipairs(types) do
    local m = thread.mutex(type)
    test.returns({ true }, m:lock())
    test.returns({ n = 0 }, m:unlock())
    test.returns({ true }, m:trylock())
    test.returns({ n = 0 }, m:unlock())
  end
end)

test.case("wrong arguments", function()
  wrong("bad argument #1 to '[%w.]*mutex' %(thread.MUTEX_NORMAL, MUTEX_RECURSIVE or " ..
    "MUTEX_ERRORCHECK expected, got 99%)", thread.mutex, 99)
  wrong("MUTEX_ERRORCHECK expected, got %-1", thread.mutex, -1)
  wrong("number expected, got table", thread.mutex, {})
  local m = thread.mutex()
  wrong("thread.mutex expected, got table", m.lock, {})
  wrong("thread.mutex expected, got no value", m.unlock)
  wrong("thread.mutex expected, got FILE%*", m.trylock, io.stdout)
  test.equal(false, getmetatable(m))
  test.matches("^thread.mutex %(error%-checking, free%): ", tostring(m))
end)

test.case("error-checking by default", function()
  local m = thread.mutex()
  m:lock()
  wrong("mutex:lock: the mutex is this script's already, since mutex_test.lua:%d+: it would " ..
    "wait for itself", m.lock, m)
  test.equal(false, m:trylock())
  m:unlock()
  wrong("mutex:unlock: nobody holds the mutex", m.unlock, m)
end)

test.case("recursive: as many unlocks as locks", function()
  local m = thread.mutex(thread.MUTEX_RECURSIVE)
  m:lock()
  m:lock()
  test.equal(true, m:trylock())
  local handle = test.start(function() return m:trylock() end)
  test.returns({ 0, false }, test.wait(handle))
  m:unlock()
  m:unlock()
  test.returns({ 0, false }, test.wait(test.start(function() return m:trylock() end)))
  m:unlock()
  wrong("nobody holds", m.unlock, m)
  test.returns({ true }, m:lock())
  m:unlock()
end)

test.case("normal: locking it twice waits until the script is cancelled", function()
  local m = thread.mutex(thread.MUTEX_NORMAL)
  local reached
  local handle = test.start(function()
    m:lock()
    reached = true
    m:lock()
    reached = "beyond"
  end)
  msys.sleep(0)
  test.equal(true, reached)
  test.equal(nil, test.results(handle))
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.equal(true, reached)
  test.returns({ true }, m:lock())
  m:unlock()
end)

test.case("normal: nobody waits for what a finaliser has unlocked meanwhile", function()
  local m = thread.mutex(thread.MUTEX_NORMAL)
  m:lock()
  local unlocked
  collectgarbage("generational")
  collectgarbage("stop")
  setmetatable({}, { __gc = function() m:unlock(); unlocked = true end })
  collectgarbage("restart")
  local got = m:lock()  -- what it allocates to wait with has the object collected
  collectgarbage("incremental")
  test.equal(true, unlocked)
  test.equal(true, got)
  m:unlock()
end)

test.case("unlocking what is not one's own", function()
  for _, type in ipairs(types) do
    local m = thread.mutex(type)
    local handle = test.start(function()
      m:lock()
      msys.sleep(3600)
    end)
    msys.sleep(0)
    wrong("mutex:unlock: the mutex is not this script's: another one locked it at " ..
      "mutex_test.lua:%d+", m.unlock, m)
    test.cancel(handle)
    test.wait(handle)
  end
end)

test.case("first come, first served, on loops and in pools", function()
  local m = thread.mutex()
  m:lock()
  local order, handles, wanted = {}, {}, {}
  for i = 1, 20 do
    wanted[i] = i
    handles[i] = test.start(function()
      if i % 2 == 0 then
        return (msys.runInPool("four", function()
          m:lock()
          order[#order + 1] = i
          m:unlock()
        end))
      end
      m:lock()
      order[#order + 1] = i
      m:unlock()
      return true
    end)
    -- So that a closure waits before the next script does.
    msys.runInPool("one", function() end)
    while test.stats("four").queued + test.stats("four").running > 0 do msys.sleep(0) end
  end
  m:unlock()
  for i = 1, 20 do test.returns({ 0, true }, test.wait(handles[i])) end
  test.equal(wanted, order)
end)

test.case("closures wait without keeping their worker", function()
  local m = thread.mutex()
  m:lock()
  local handle = test.start(function()
    return msys.runInPool("one", function() m:lock(); m:unlock(); return "later" end)
  end)
  test.returns({ true, "now" }, msys.runInPool("one", function() return "now" end))
  m:unlock()
  test.returns({ 0, true, "later" }, test.wait(handle))
end)

test.case("a holder that ends without unlocking: logged, and passed on", function()
  local m = thread.mutex()
  test.returns({ true }, msys.runInPool("one", function() m:lock() end))
  test.equal(1, test.logged("lock: the closure mutex_test.lua:", "ended without unlocking " ..
    "the mutex ", "locked at mutex_test.lua:"))
  local handle = test.start(function() m:lock(); error("oops") end)
  local next_one = test.start(function() m:lock(); m:unlock(); return "got it" end)
  test.equal(test.status.lua, (test.wait(handle)))
  test.returns({ 0, "got it" }, test.wait(next_one))
end)

test.case("a waiter that is cancelled leaves the line", function()
  local m = thread.mutex()
  m:lock()
  local got = {}
  local handles = {}
  for i = 1, 3 do
    handles[i] = test.start(function() m:lock(); got[#got + 1] = i; m:unlock() end)
  end
  msys.sleep(0)
  test.cancel(handles[2])
  test.returns({ test.status.cancelled }, test.wait(handles[2]))
  m:unlock()
  test.returns({ 0 }, test.wait(handles[1]))
  test.returns({ 0 }, test.wait(handles[3]))
  test.equal({ 1, 3 }, got)
end)

test.case("a mutex that is collected while it is locked", function()
  do
    local m = thread.mutex()
    m:lock()
  end
  collectgarbage()
  collectgarbage()
  test.equal(1, test.logged("state home: a mutex that was locked at mutex_test.lua:",
    "was dropped without unlocking it"))
  -- Those who wait keep it.
  local box = { thread.mutex() }
  local handle = test.start(function() box[1]:lock(); msys.sleep(3600) end)
  local waiting = test.start(function() return table.remove(box):lock() end)
  msys.sleep(0)
  test.equal(0, #box)
  collectgarbage()
  collectgarbage()
  test.cancel(handle)
  test.wait(handle)
  test.returns({ 0, true }, test.wait(waiting))
end)

test.case("a to-be-closed mutex is unlocked, if it is still locked", function()
  local m = thread.mutex()
  do
    local _ <close> = m
    m:lock()
  end
  test.equal(true, m:trylock())
  do
    local _ <close> = m
    m:unlock()
  end
  test.equal(true, m:trylock())
  m:unlock()
  pcall(function()
    local _ <close> = m
    m:lock()
    error("inside")
  end)
  test.equal(true, m:trylock())
  m:unlock()
end)

test.case("where Lua cannot be suspended: an error that says what to do", function()
  local m = thread.mutex()
  local handle = test.start(function() m:lock(); msys.sleep(3600) end)
  msys.sleep(0)
  local message
  table.sort({ 2, 1 }, function(a, b)
    message = select(2, pcall(m.lock, m))
    return a < b
  end)
  test.matches("mutex:lock: cannot wait here: .*; call it elsewhere, or use trylock", message)
  test.cancel(handle)
  test.wait(handle)
end)
