-- A wait that could never end is refused, when all who are in it are of one state.
-- pool: one concurrency=1

-- Whether f raises, and the message; in a closure of its own.
local function try(f, ...)
  local ok, message = pcall(f, ...)
  return ok, not ok and message or nil
end

test.case("a closure waits for the job that it is a part of", function()
  local job, refused
  _, job = msys.runInPool("one", function()
    return msys.runInPool("one", function()
      refused = select(2, try(job.wait, job))
      return "went on"
    end)
  end, function() end)
  test.returns({ true, true, "went on" }, job:wait())
  test.matches("job:wait: the job waits for the script that would wait for it: " ..
    "neither would go on", refused)
end)

test.case("two jobs wait for each other: the second is told", function()
  local a, b
  _, a = msys.runInPool("one", function() return b:wait() end, function() end)
  _, b = msys.runInPool("one", function() return try(a.wait, a) end, function() end)
  local ok, b_ok, refused, message = a:wait()
  test.returns({ true, true, false }, ok, b_ok, refused)
  test.matches("job:wait: the job waits for the script", message)
end)

test.case("three in a ring, in coroutines and on another loop", function()
  local jobs, told = {}, 0
  for i = 1, 3 do
    _, jobs[i] = msys.runInPool("one", function()
      return coroutine.wrap(function()
        local _, message = msys.runInInst(1, function()
          local ok, text = try(jobs[i % 3 + 1].wait, jobs[i % 3 + 1])
          return not ok and text
        end)
        if message then told = told + 1 end
        return i
      end)()
    end, function() end)
  end
  for i = 1, 3 do test.returns({ true, i }, jobs[i]:wait()) end
  test.equal(1, told)
end)

test.case("a closure locks the mutex of the script that waits for it", function()
  for _, type in ipairs { thread.MUTEX_ERRORCHECK, thread.MUTEX_RECURSIVE,
                          thread.MUTEX_NORMAL } do
    local m = thread.mutex(type)
    m:lock()
    local _, ok, message = msys.runInPool("one", function() return try(m.lock, m) end)
    test.equal(false, ok)
    test.matches("mutex:lock: who locked it, at deadlock_test.lua:%d+, waits for this " ..
      "script: neither would go on", message)
    m:unlock()
    test.equal(true, m:trylock())
    m:unlock()
  end
end)

test.case("the same with a named lock", function()
  msys.lock("mine")
  local _, ok, message = msys.runInPool("one", function() return try(msys.lock, "mine") end)
  test.equal(false, ok)
  test.matches('msys.lock: who locked "mine", at deadlock_test.lua:%d+, waits for this ' ..
    "script: neither would go on", message)
  msys.unlock("mine")
end)

test.case("two scripts take two locks in two orders: the second is told", function()
  local m, asks = thread.mutex(), false
  local first = test.start(function()
    m:lock()
    msys.runInPool(test.waits, function() test.block("d1") end)
    asks = true  -- and waits, before anybody can see it
    msys.lock("b")
    msys.unlock("b")
    m:unlock()
    return "first"
  end)
  local second = test.start(function()
    msys.lock("b")
    msys.runInPool(test.waits, function() test.block("d2") end)
    local _, message = try(m.lock, m)
    msys.unlock("b")
    return message
  end)
  test.await_blocked("d1")
  test.await_blocked("d2")
  test.release("d1")
  while not asks do test.drain("one") end
  test.release("d2")
  local status, message = test.wait(second)
  test.equal(test.status.ok, status)
  test.matches("mutex:lock: who locked it", message)
  test.returns({ 0, "first" }, test.wait(first))
end)

test.case("a closure locks what its job's waiter holds, three steps away", function()
  msys.lock("far")
  local _, _, _, ok, message = msys.runInPool("one", function()
    local _, job = msys.runInPool("one", function()
      return msys.runInPool("one", function() return try(msys.lock, "far") end)
    end, function() end)
    return job:wait()
  end)
  test.equal(false, ok)
  test.matches('who locked "far"', message)
  msys.unlock("far")
end)

test.case("a script that waits for itself keeps nobody from being judged", function()
  local m = thread.mutex(thread.MUTEX_NORMAL)
  local stuck = test.start(function() m:lock(); m:lock() end)
  local waiting = test.start(function()
    msys.lock("judged")
    m:lock()
    m:unlock()
    msys.unlock("judged")
    return "free"
  end)
  local third = test.start(function() msys.lock("judged"); msys.unlock("judged") return 3 end)
  msys.sleep(0)
  test.cancel(stuck)
  test.returns({ test.status.cancelled }, test.wait(stuck))
  test.returns({ 0, "free" }, test.wait(waiting))
  test.returns({ 0, 3 }, test.wait(third))
end)

test.case("where somebody else will unlock it, one waits", function()
  local m = thread.mutex()
  local holder = test.start(function()
    m:lock()
    msys.runInPool(test.waits, function() test.block("d3") end)
    m:unlock()
  end)
  test.await_blocked("d3")
  local waiting = test.start(function()
    return msys.runInPool("one", function() m:lock(); m:unlock() return "got it" end)
  end)
  test.drain("one")
  test.release("d3")
  test.returns({ 0, true, "got it" }, test.wait(waiting))
  test.wait(holder)
end)
