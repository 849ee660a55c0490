-- Asynchronous closures that fail are never silent.
-- pool: one concurrency=1

local function last_line(word)
  local found
  for _, line in ipairs(test.log()) do
    if line:find(word, 1, true) then found = line end
  end
  return found
end

local function helper() error("nothing left") end

test.case("one line: pool, file:line, state, message, traceback", function()
  msys.runInPool("one", function() helper() end, true)
  local line = debug.getinfo(1, "l").currentline - 1
  test.await_log("nothing left")
  local text = last_line("nothing left")
  test.matches("^3 runInPool: one: closure failures_test.lua:" .. line ..
    " of state home failed: failures_test.lua:%d+: nothing left | " ..
    "stack traceback: | ", text)
  test.matches("in upvalue 'helper'", text)
  assert(not text:find("\n"), "more than one line")
end)

test.case("failures are counted", function()
  local before = test.stats("one")
  msys.runInPool("one", function() error("counted failure") end, true)
  test.await_log("counted failure")
  test.drain("one")
  local after = test.stats("one")
  test.equal(before.failed + 1, after.failed)
  test.equal(before.done + 1, after.done)
end)

test.case("error values that are no strings are described", function()
  msys.runInPool("one", function()
    error(setmetatable({}, { __tostring = function() return "a described one" end }))
  end, true)
  test.await_log("a described one")
  msys.runInPool("one", function() error({}) end, true)
  test.drain("one")
  test.matches("failed: table: 0x", last_line("failed:"))
  msys.runInPool("one", function() error(nil) end, true)
  test.drain("one")
  test.matches("failed: nil", last_line("failed:"))
end)

test.case("a __tostring that fails does not hide the failure", function()
  local before = test.logged("of state home failed")
  msys.runInPool("one", function()
    error(setmetatable({}, { __tostring = function() error("mean") end }))
  end, true)
  test.drain("one")
  test.equal(before + 1, test.logged("of state home failed"))
end)

test.case("long and binary messages are one line", function()
  local before = test.logged("of state home failed")
  msys.runInPool("one", function() error(("long "):rep(100000)) end, true)
  msys.runInPool("one", function() error("zero\0after\nnewline\r\1", 0) end, true)
  test.drain("one")
  test.equal(before + 2, test.logged("of state home failed"))
  test.matches("failed: zero\\x00after | newline", last_line("zero"))
  for _, text in ipairs(test.log()) do
    assert(not text:find("\n"), "a newline in a log line")
    assert(#text < 5000, "a long log line")
  end
end)

test.case("after a wait inside the closure, too", function()
  msys.runInPool("one", function()
    msys.runInPool("IO", function() end)
    helper()
  end, true)
  repeat test.drain("one") until test.logged("nothing left") == 2
end)

test.case("a synchronous failure is the caller's, not the log's", function()
  local before = #test.log()
  test.returns({ false, "mine" }, msys.runInPool("one", function() error("mine", 0) end))
  test.equal(before, #test.log())
end)

test.case("a failing callout: finish() gets error value and traceback", function()
  local status, value, trace = test.wait(test.start(function() error("no policy", 0) end))
  test.equal(test.status.lua, status)
  test.equal("no policy", value)
  test.matches("^no policy\nstack traceback:\n", trace)
  local thing = {}
  status, value, trace = test.wait(test.start(function()
    msys.runInPool("one", function() end)
    error(thing)
  end))
  test.equal(test.status.lua, status)
  test.equal(thing, value)
  test.matches("^table: 0x%x+\nstack traceback:\n", trace)
end)

test.case("also with a NUL in it", function()
  local callout = test.start(function() error("zero\0after", 0) end)
  local status, value, text = test.wait(callout)
  test.equal(test.status.lua, status)
  test.equal("zero\0after", value)
  test.matches("^zero%zafter\nstack traceback:\n", text)
end)

test.case("a close variable sees the error value as it was", function()
  local thing, seen = {}, nil
  msys.runInPool("one", function()
    local guard <close> = setmetatable({}, {
      __close = function(_, e) seen = e end,
    })
    error(thing)
  end, true)
  test.drain("one")
  test.equal(thing, seen)
end)

-- Values that cannot be made text: with an error, with a wait, with no string.
local function untold()
  return ipairs {
    setmetatable({}, { __tostring = function() error("mean") end }),
    setmetatable({}, { __tostring = function() msys.runInPool("CPU", print) end }),
    setmetatable({}, { __tostring = function() return {} end }),
    setmetatable({}, { __tostring = 1 }),
  }
end

test.case("a value that cannot be made text stays what it is, for who waits", function()
  for _, thing in untold() do
    local told
    local _, job = msys.runInPool("one", function() error(thing) end,
      function(...) told = table.pack(...) end)
    test.returns({ false, thing }, job:wait())
    repeat test.drain("one") until told
    test.returns({ false, thing }, table.unpack(told, 1, told.n))
  end
end)

test.case("a value that cannot be made text stays what it is, for finish()", function()
  for _, thing in untold() do
    local status, value, trace = test.wait(test.start(function() error(thing) end))
    test.equal(test.status.lua, status)
    test.equal(true, rawequal(thing, value))
    test.matches("^an error value that cannot be made text, a table\nstack traceback:\n",
      trace)
  end
end)
