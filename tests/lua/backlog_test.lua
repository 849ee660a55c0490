-- A full backlog suspends whoever submits until there is room.
-- pool: small concurrency=1 backlog=2
-- pool: braked concurrency=1 backlog=1

-- Two jobs queued behind one that runs.
local function fill(gate)
  msys.runInPool("small", function() test.block(gate) end, true)
  test.await_blocked(gate)
  for _ = 1, 2 do
    msys.runInPool("small", function() end, true)
  end
end

test.case("a synchronous call waits for room", function()
  fill("b1")
  local handle = test.start(function()
    return msys.runInPool("small", function() return "got in" end)
  end)
  test.drain("IO")
  test.equal(2, test.stats("small").queued - 1)
  test.release("b1")
  test.returns({ 0, true, "got in" }, test.wait(handle))
end)

test.case("an asynchronous one, too: the script is braked", function()
  fill("b2")
  local progress = 0
  local ran = 0
  local handle = test.start(function()
    for i = 1, 5 do
      test.equal(0, select("#", msys.runInPool("small", function() ran = ran + 1 end, true)))
      progress = i
    end
  end)
  test.drain("IO")
  test.equal(0, progress)
  test.release("b2")
  test.returns({ 0 }, test.wait(handle))
  test.equal(5, progress)
  repeat test.drain("small") until ran == 5
end)

test.case("the completion form gives true and the job once there is room", function()
  fill("b3")
  local completed
  local handle = test.start(function()
    local ok, job = msys.runInPool("small", function() return "late" end,
      function() completed = true end)
    return ok, job:wait()
  end)
  test.release("b3")
  test.returns({ 0, true, true, "late" }, test.wait(handle))
  repeat test.drain("small") until completed
end)

test.case("those who wait get in in order", function()
  fill("b4")
  local order, handles = {}, {}
  for i = 1, 10 do
    handles[i] = test.start(function()
      msys.runInPool("small", function() order[#order + 1] = i end)
    end)
  end
  test.drain("IO")
  test.release("b4")
  for i = 1, 10 do test.returns({ 0 }, test.wait(handles[i])) end
  test.equal({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
end)

test.case("where nobody can wait the job is refused with an error", function()
  fill("b5")
  local before = test.stats("small").refused
  local message, line
  table.sort({ 2, 1 }, function()
    local ok
    line = debug.getinfo(1, "l").currentline + 1
    ok, message = pcall(msys.runInPool, "small", function() end, true)
    return false
  end)
  test.matches("runInPool: the backlog of pool small is full %(2 jobs%) and the " ..
    "call cannot wait for room here: Lua cannot be suspended inside a C function " ..
    "%(.*%); call it elsewhere or raise Backlog", message)
  test.equal(before + 1, test.stats("small").refused)
  test.equal(1, test.logged("4 runInPool: small: closure backlog_test.lua:" .. line ..
    " of state home was refused: the backlog is full"))
  test.release("b5")
  test.drain("small")
end)

test.case("a cancelled callout gives its place in line to the next", function()
  fill("b6")
  local a = test.start(function() msys.runInPool("small", function() error("ran") end) end)
  local b = test.start(function()
    return msys.runInPool("small", function() return "next" end)
  end)
  test.drain("IO")
  test.equal(0, test.cancel(a))
  test.returns({ test.status.cancelled }, test.wait(a))
  test.equal(1, test.logged("4 runInPool: small: closure backlog_test.lua:",
    "of state home: cancelled: its calling script has ended, or no longer waits for it"))
  test.release("b6")
  test.returns({ 0, true, "next" }, test.wait(b))
end)

test.case("cancelled when there is room, and it does not know yet", function()
  local there = test.elsewhere([[
    msys.runInPool("small", function() test.block("b8") end, true)
    msys.runInPool("small", function() end)]])
  test.await_blocked("b8")
  while test.stats("small").queued < 1 do test.drain("IO") end
  local ran
  local dying = test.start(function() msys.runInPool("small", function() ran = true end) end)
  while test.stats("small").queued < 2 do test.drain("IO") end
  local before = test.stats("small").done
  test.cancel(dying)  -- when this slice is over, as is its getting in
  test.release("b8")
  while test.stats("small").done < before + 2 do end
  test.returns({ test.status.cancelled }, test.wait(dying))
  test.equal("OK", test.wait(there):sub(1, 2))
  test.equal(nil, ran)
  for _ = 1, 2 do msys.runInPool("small", function() end, true) end  -- its place is free
  test.drain("small")
end)

test.case("job:cancel makes room", function()
  msys.runInPool("small", function() test.block("b7") end, true)
  test.await_blocked("b7")
  local _, first = msys.runInPool("small", function() end, function() end)
  local _, second = msys.runInPool("small", function() end, function() end)
  local third = test.start(function()
    local _, job = msys.runInPool("small", function() end, function() end)
    return job:status()
  end)
  test.drain("IO")
  test.equal(true, second:cancel())
  test.returns({ 0, "queued" }, test.wait(third))
  test.release("b7")
  test.drain("small")
  first:wait()
end)

test.case("nested calls through a full backlog do not deadlock", function()
  local handles = {}
  for i = 1, 20 do
    handles[i] = test.start(function()
      local _, _, value = msys.runInPool("small", function()
        return msys.runInPool("small", function() return i end)
      end)
      return value
    end)
  end
  for i = 1, 20 do test.returns({ 0, i }, test.wait(handles[i])) end
end)

test.case("the room is all there again", function()
  for _ = 1, 2 do msys.runInPool("small", function() end, true) end
  test.drain("small")
  test.drain("small")
  test.equal(0, test.stats("small").queued)
end)

test.case("the time that a script waits for room is a part of its job's wait", function()
  local handles = {}
  for i = 1, 10 do
    handles[i] = test.start(function()
      msys.runInPool("braked", function() test.block("b9") end)
    end)
  end
  test.await_blocked("b9")
  msys.sleep(0.05)  -- for all but the first, most of which wait for room
  test.release("b9")
  for i = 1, 10 do test.returns({ 0 }, test.wait(handles[i])) end
  local stat = msys.threadpool.stat("braked")
  test.equal(true, stat.wait_p50 >= 0.05)
end)
