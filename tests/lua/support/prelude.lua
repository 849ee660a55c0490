-- The table `test` of the scripts in tests/lua: cases, comparisons, and what the
-- runner's C functions (`...`) need to be pleasant.

local host = ...
local test = setmetatable({ cases = {}, waits = "test-wait" }, { __index = host })

--- A case: runs as a callout of its own, one after the other.
function test.case(name, f)
  table.insert(test.cases, { name = name, f = f })
end

local function show(value)
  if type(value) == "string" then return string.format("%q", value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i = 1, value.n or #value do parts[i] = show(value[i]) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  if rawequal(a, b) then return true end
  local n = a.n or #a
  if n ~= (b.n or #b) then return false end
  for i = 1, n do
    if not same(a[i], b[i]) then return false end
  end
  return true
end

function test.equal(wanted, found, what)
  if not same(wanted, found) then
    error(string.format("%s: wanted %s, found %s", what or "values",
      show(wanted), show(found)), 2)
  end
end

--- All values at once: test.returns({1, nil, n = 2}, f())
function test.returns(wanted, ...)
  wanted.n = wanted.n or #wanted
  local found = table.pack(...)
  if not same(wanted, found) then
    error(string.format("wanted %s, found %s", show(wanted), show(found)), 2)
  end
end

--- f(...) raises an error with exactly this text, but for the position that Lua
--- puts in front of it.
function test.raises(text, f, ...)
  local ok, message = pcall(f, ...)
  if ok then error("no error; wanted: " .. text, 2) end
  local bare = type(message) == "string" and message:gsub("^[^\n:]+:%d+: ", "")
  if bare ~= text and message ~= text then
    error(string.format("wanted the error %q, found %q", text,
      tostring(message)), 2)
  end
end

function test.matches(pattern, text, what)
  if type(text) ~= "string" or not text:find(pattern) then
    error(string.format("%s: %s does not match %q", what or "text", show(text),
      pattern), 2)
  end
end

local function in_pool(f, ...)
  local arguments = table.pack(...)
  local ok, message = msys.runInPool(test.waits, function()
    return f(table.unpack(arguments, 1, arguments.n))
  end)
  if not ok then error(message, 0) end
end

--- Suspends the case until a callout of test.start() has finished: its status
--- and what finish() got.
function test.wait(handle)
  in_pool(host.await, handle)
  local results = host.results(handle)
  if type(results) == "string" then return results end
  return table.unpack(results, 1, results.n)
end

--- These suspend the case until it is so.
function test.await_blocked(name, count) in_pool(host.await_blocked, name, count) end
function test.await_log(text) in_pool(host.await_log, text) end

function test.logged(...)
  local count = 0
  for _, line in ipairs(host.log()) do
    local all = true
    for _, word in ipairs { ... } do all = all and line:find(word, 1, true) end
    if all then count = count + 1 end
  end
  return count
end

--- Runs jobs submitted before to their end: an asynchronous pool's queue is in
--- order, so one more job behind them tells.
function test.drain(pool)
  msys.runInPool(pool, function() end)
end

--- The pool or "loop" on which a completion function of this mode runs.
function test.completes_on(mode)
  local seen
  local _, job = msys.runInPool("CPU", function() end, function()
    seen = msys.threadpool.current() or "loop"
  end, mode)
  job:wait()
  while not seen do msys.sleep(0) end
  return seen
end

test.status = { ok = 0, lua = -8, cancelled = -9, not_found = -10 }

return test
