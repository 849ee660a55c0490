-- Every misuse says what was asked, what was found and what to do.
-- pool: dns concurrency=2

local names = "CPU, IO, SwapOut, SwapIn, Close, Unlink, Batch_Unlink, SpoolIn, " ..
  "test-wait, dns"
local ids = "CPU (0), IO (1), SwapOut (2), SwapIn (3), Close (4), Unlink (5), " ..
  "Batch_Unlink (6), SpoolIn (7), test-wait (10), dns (11)"

local function f() end

-- The name in a message is that of the call.
local function run(...)
  local results = table.pack(msys.runInPool(...))
  return table.unpack(results, 1, results.n)
end

test.case("an unknown pool", function()
  test.raises('bad argument #1 to \'runInPool\' (no thread pool named "nods"; ' ..
    "pools: " .. names .. ")", run, "nods", f)
  test.raises('bad argument #1 to \'runInPool\' (no thread pool named ""; ' ..
    "pools: " .. names .. ")", run, "", f)
  for _, id in ipairs { 8, -1, 12, 1.5, math.mininteger } do
    test.raises("bad argument #1 to 'runInPool' (no thread pool with id " ..
      tostring(id) .. "; pools: " .. ids .. ")", run, id, f)
  end
end)

test.case("a name that is more than a C string", function()
  local ok, message = pcall(run, "CPU\0x", f)
  test.equal(false, ok)
  test.matches("no thread pool named", message)
  ok, message = pcall(run, ("x"):rep(100000), f)
  test.equal(false, ok)
  test.matches("no thread pool named", message)
end)

test.case("a pool that is neither name nor id", function()
  for _, bad in ipairs { true, {}, f, io.stdout } do
    test.raises("bad argument #1 to 'runInPool' (thread pool name or id expected, " ..
      "got " .. type(bad) .. "; pools: " .. names .. ")", run, bad, f)
  end
  test.raises("bad argument #1 to 'runInPool' (thread pool name or id expected, " ..
    "got nil; pools: " .. names .. ")", run, nil, f)
  test.raises("bad argument #1 to 'runInPool' (thread pool name or id expected, " ..
    "got no value; pools: " .. names .. ")", run)
end)

test.case("a closure that is no function", function()
  test.raises("bad argument #2 to 'runInPool' (function expected, got no value)",
    run, "CPU")
  local callable = setmetatable({}, { __call = f })
  for _, bad in ipairs { 1, "x", {}, true, callable } do
    test.raises("bad argument #2 to 'runInPool' (function expected, got " ..
      type(bad) .. ")", run, "CPU", bad)
  end
end)

test.case("a third argument of another type", function()
  for _, bad in ipairs { 1, "true", {} , io.stdout } do
    test.raises("bad argument #3 to 'runInPool' (true (asynchronous), false or " ..
      "nil (wait for the results) or a completion function expected, got " ..
      type(bad) .. ")", run, "CPU", f, bad)
  end
end)

test.case("misuse starts nothing and counts nothing", function()
  test.equal(0, test.stats("dns").submitted)
  pcall(run, "dns")
  pcall(run, "dns", f, 42)
  test.equal(0, test.stats("dns").submitted)
end)
