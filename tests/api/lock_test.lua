-- msys.lock(name), msys.unlock(name)
-- pool: one concurrency=1
-- pool: four concurrency=4

-- A script that locks `name` and keeps it until test.release(gate).
local function holder(name, gate)
  local handle = test.start(function()
    msys.lock(name)
    msys.runInPool(test.waits, function() test.block(gate) end)
    msys.unlock(name)
  end)
  test.await_blocked(gate)
  return handle
end

local function wrong(pattern, f, ...)
  local ok, message = pcall(f, ...)
  test.equal(false, ok)
  test.matches(pattern, message)
end

test.case("lock gives true, unlock nothing", function()
  test.returns({ true }, msys.lock("a"))
  test.returns({ n = 0 }, msys.unlock("a"))
  test.returns({ true }, msys.lock("a"))
  test.returns({ n = 0 }, msys.unlock("a"))
end)

test.case("wrong arguments", function()
  for name, f in pairs { lock = msys.lock, unlock = msys.unlock } do
    wrong("bad argument #1 to '[%w.]*" .. name .. "' %(string expected, got no value%)", f)
    wrong("string expected, got table", f, {})
    wrong("string expected, got nil", f, nil)
  end
end)

test.case("names of any bytes, readable in errors", function()
  for _, name in ipairs { "", "\0", "\0a", "a\0b", ("x"):rep(1000), "\xff\n\"" } do
    msys.lock(name)
  end
  for _, name in ipairs { "", "\0", "\0a", "a\0b", ("x"):rep(1000), "\xff\n\"" } do
    msys.unlock(name)
  end
  wrong('msys.unlock: nobody holds the lock "a\\x00b"', msys.unlock, "a\0b")
  wrong('lock "\\xFF\\x0A\\""', msys.unlock, "\xff\n\"")
  wrong('lock "x+%.%.%."', msys.unlock, ("x"):rep(1000))
end)

test.case("locking what is one's own already", function()
  msys.lock("own")
  wrong('msys.lock: the lock "own" is this script\'s already, since lock_test.lua:%d+: ' ..
    "it would wait for itself", msys.lock, "own")
  wrong("would wait for itself", coroutine.wrap(function() msys.lock("own") end))
  -- Also by way of pcall, which has no line.
  pcall(msys.lock, "by pcall")
  wrong("since lock_test.lua:%d+: it would", msys.lock, "by pcall")
  msys.unlock("by pcall")
  msys.unlock("own")
end)

test.case("unlocking what is not one's own", function()
  wrong('msys.unlock: nobody holds the lock "other"', msys.unlock, "other")
  local handle = holder("other", "l1")
  wrong('msys.unlock: the lock "other" is not this script\'s: another one locked it at ' ..
    "lock_test.lua:%d+", msys.unlock, "other")
  test.release("l1")
  test.returns({ 0 }, test.wait(handle))
end)

test.case("who has waited for it locked it where he waited", function()
  msys.lock("site")
  local line
  local handle = test.start(function()
    line = debug.getinfo(1, "l").currentline + 1
    msys.lock("site")
    msys.runInPool(test.waits, function() test.block("site") end)
    msys.unlock("site")
  end)
  msys.sleep(0)
  msys.unlock("site")
  test.await_blocked("site")
  wrong("another one locked it at lock_test.lua:" .. line .. ", and", msys.unlock, "site")
  test.release("site")
  test.wait(handle)
end)

test.case("code without line numbers has a place all the same", function()
  local stripped = load(string.dump(load('msys.lock("stripped")'), true))
  stripped()
  wrong('this script\'s already, since %?: it would', stripped)
  msys.unlock("stripped")
end)

test.case("a place is one line, whatever its chunk is called", function()
  load('msys.lock("place")', "@a\nb\27[2Jc")()
  local message = select(2, pcall(msys.lock, "place"))
  test.equal(nil, message:find("%c"))
  msys.unlock("place")
end)

test.case("who comes after the last one in line has gone", function()
  local handle = holder("line", "line")
  local function waiter() return test.start(function() return msys.lock("line") end) end
  local first, last = waiter(), waiter()
  msys.sleep(0)
  test.equal(0, test.cancel(last))
  test.returns({ test.status.cancelled }, test.wait(last))
  local after = waiter()
  msys.sleep(0)
  test.release("line")
  for _, one in ipairs { first, after } do test.returns({ 0, true }, test.wait(one)) end
  test.wait(handle)
end)

test.case("first come, first served", function()
  local handle = holder("queue", "l2")
  local order, handles = {}, {}
  for i = 1, 20 do
    handles[i] = test.start(function()
      msys.lock("queue")
      order[#order + 1] = i
      msys.sleep(0)  -- the others get a chance to overtake
      msys.unlock("queue")
    end)
  end
  test.release("l2")
  for i = 1, 20 do test.returns({ 0 }, test.wait(handles[i])) end
  test.wait(handle)
  local wanted = {}
  for i = 1, 20 do wanted[i] = i end
  test.equal(wanted, order)
end)

test.case("nobody takes it between unlock and the next in line", function()
  msys.lock("handed")
  local got
  local handle = test.start(function()
    msys.lock("handed")
    got = true
    msys.unlock("handed")
  end)
  msys.sleep(0)
  msys.unlock("handed")
  msys.lock("handed")
  test.equal(true, got)
  msys.unlock("handed")
  test.wait(handle)
end)

test.case("a wait keeps neither the loop, nor the state, nor a worker", function()
  local handle = holder("busy", "l3")
  local waiting = {}
  for i = 1, 8 do
    waiting[i] = test.start(function()
      return msys.runInPool("one", function()
        msys.lock("busy")
        msys.unlock("busy")
        return i
      end)
    end)
  end
  test.returns({ true, "free" }, msys.runInPool("one", function() return "free" end))
  test.returns({ 0, "meanwhile" },
    test.wait(test.start(function() return "meanwhile" end)))
  test.release("l3")
  for i = 1, 8 do test.returns({ 0, true, i }, test.wait(waiting[i])) end
  test.wait(handle)
end)

test.case("across states", function()
  msys.lock("shared")
  local there = test.elsewhere([[
    test.release("l4")
    msys.lock("shared")
    test.release("l5")
    msys.runInPool(test.waits, function() test.block("l6") end)
    msys.unlock("shared")
    return "had it"]])
  msys.runInPool(test.waits, function() test.block("l4") end)
  -- It waits, now or soon; until we unlock it does not have it.
  msys.sleep(0.01)
  wrong("would wait for itself", msys.lock, "shared")
  msys.unlock("shared")
  msys.runInPool(test.waits, function() test.block("l5") end)
  wrong('"shared" is not this script\'s: another one locked it at', msys.unlock, "shared")
  test.release("l6")
  test.returns({ true }, msys.lock("shared"))
  msys.unlock("shared")
  test.equal("OK had it", test.wait(there))
end)

test.case("across states, closures in pools: one at a time, none lost", function()
  local source = [[
    local n = 0
    for i = 1, 300 do
      msys.runInPool("four", function()
        msys.lock("counter")
        assert(not test.inside, "two at once")
        n = n + 1
        msys.unlock("counter")
      end, i %% 2 == 0)
    end
    while n < 300 do msys.sleep(0.001) end
    return n]]
  source = source:gsub("%%%%", "%%")
  local there = test.elsewhere(source)
  test.equal(300, assert(load(source))())
  test.equal("OK 300", test.wait(there))
end)

test.case("the closure holds it, not the script that called", function()
  local ok, message = msys.runInPool("one", function()
    msys.lock("closure's")
    return "kept"
  end)
  test.returns({ true, "kept" }, ok, message)
  test.equal(1, test.logged("lock: the closure lock_test.lua:",
    'ended without unlocking the lock "closure\'s" that it locked at lock_test.lua:'))
  test.returns({ true }, msys.lock("closure's"))
  test.returns({ false }, (msys.runInPool("one", function()
    msys.unlock("closure's")
  end)))
  msys.unlock("closure's")
end)

test.case("a holder that fails: logged, and the next one gets it", function()
  local next_one
  local handle = test.start(function()
    msys.lock("failing")
    next_one = test.start(function()
      msys.lock("failing")
      msys.unlock("failing")
      return "got it"
    end)
    error("as planned")
  end)
  test.equal(test.status.lua, (test.wait(handle)))
  test.returns({ 0, "got it" }, test.wait(next_one))
  test.equal(1, test.logged("the callout case of state home ended without unlocking the " ..
    'lock "failing"'))
end)

test.case("a holder that is cancelled: logged, and the next one gets it", function()
  local handle = test.start(function()
    msys.lock("dying")
    msys.sleep(3600)
  end)
  local next_one = test.start(function()
    msys.lock("dying")
    msys.unlock("dying")
    return "got it"
  end)
  -- One that has not begun holds nothing: both begin while this waits.
  assert(msys.runInPool("CPU", function() end))
  test.equal(0, test.cancel(handle))
  test.returns({ test.status.cancelled }, test.wait(handle))
  test.returns({ 0, "got it" }, test.wait(next_one))
  test.equal(1, test.logged('ended without unlocking the lock "dying"'))
end)

test.case("close variables unlock before it is called left behind", function()
  local handle = test.start(function()
    msys.lock("guarded")
    local _ <close> = setmetatable({}, { __close = function() msys.unlock("guarded") end })
    msys.sleep(3600)
  end)
  msys.sleep(0)
  test.cancel(handle)
  test.wait(handle)
  test.equal(0, test.logged('"guarded"'))
  msys.lock("guarded")
  msys.unlock("guarded")
end)

test.case("a waiter that is cancelled leaves the line", function()
  local handle = holder("line", "l7")
  local order, waiting = {}, {}
  for i = 1, 5 do
    waiting[i] = test.start(function()
      msys.lock("line")
      order[#order + 1] = i
      msys.unlock("line")
    end)
  end
  msys.sleep(0)
  for _, i in ipairs { 1, 3, 5 } do test.equal(0, test.cancel(waiting[i])) end
  test.release("l7")
  test.wait(handle)
  for _, i in ipairs { 2, 4 } do test.returns({ 0 }, test.wait(waiting[i])) end
  for _, i in ipairs { 1, 3, 5 } do
    test.returns({ test.status.cancelled }, test.wait(waiting[i]))
  end
  test.equal({ 2, 4 }, order)
  msys.lock("line")
  msys.unlock("line")
end)

test.case("cancelled while it is being handed over", function()
  for _ = 1, 200 do
    msys.lock("hot")
    local waiting = test.start(function() msys.lock("hot") end)
    local there = test.elsewhere("msys.lock('hot') msys.unlock('hot')")
    msys.sleep(0)
    msys.unlock("hot")
    test.cancel(waiting)
    test.wait(waiting)
    test.equal("OK", test.wait(there))
  end
  msys.lock("hot")
  msys.unlock("hot")
end)

test.case("cancelled when it has the lock, and does not know yet", function()
  msys.lock("given")
  local dying = test.start(function() msys.lock("given"); error("it went on") end)
  local next_one = test.start(function() msys.lock("given"); msys.unlock("given") return 1 end)
  msys.sleep(0)
  test.cancel(dying)   -- when this slice is over,
  msys.unlock("given") -- as is its going on
  test.returns({ test.status.cancelled }, test.wait(dying))
  test.returns({ 0, 1 }, test.wait(next_one))
  test.equal(0, test.logged('the lock "given"'))
end)

test.case("a completion function holds its own", function()
  local _, job = msys.runInPool("one", function() msys.lock("of closure") end, function()
    test.completion = table.pack(pcall(msys.unlock, "of closure"))
    msys.lock("of completion")
  end)
  job:wait()
  test.drain("one")
  test.equal(false, test.completion[1])
  test.matches("nobody holds", test.completion[2])
  test.equal(1, test.logged('ended without unlocking the lock "of closure"'))
  test.equal(1, test.logged('ended without unlocking the lock "of completion"'))
end)

test.case("in coroutines: the whole script waits, and holds", function()
  local handle = holder("deep", "l8")
  local waiting = test.start(function()
    local take = coroutine.wrap(function()
      coroutine.yield(msys.lock("deep"))
    end)
    local ok = take()
    msys.unlock("deep")
    return ok
  end)
  test.release("l8")
  test.returns({ 0, true }, test.wait(waiting))
  test.wait(handle)
end)

test.case("where Lua cannot be suspended: a free lock is taken, a busy one not", function()
  local handle = holder("sorted", "l9")
  local messages = {}
  table.sort({ 2, 1 }, function(a, b)
    msys.lock("free")
    msys.unlock("free")
    messages[1] = select(2, pcall(msys.lock, "sorted"))
    return a < b
  end)
  test.matches("msys.lock: cannot wait here: Lua cannot be suspended", messages[1])
  test.release("l9")
  test.wait(handle)
end)
