-- config: completion_returns=results
-- pool: one concurrency=1
-- The manual's example: status, res = msys.runInPool(pool, f, g).

local SCHED = msys.core.ECTP_COMPLETE_CALLBACK_SCHED

test.case("the script is suspended and gets ok and results", function()
  for _, mode in ipairs { false, SCHED } do
    test.returns({ true, "done" }, msys.runInPool("IO",
      function() return "done" end, function() end, mode))
    test.returns({ true, 1, nil, n = 3 }, msys.runInPool("IO",
      function() return 1, nil end, function() end, mode))
    test.returns({ false, "broken" }, msys.runInPool("IO",
      function() error("broken", 0) end, function() end, mode))
    test.equal(301, select("#", msys.runInPool("IO", function()
      local t = {}
      for i = 1, 300 do t[i] = i end
      return table.unpack(t)
    end, function() end, mode)))
  end
end)

test.case("g is called as well, with the same values", function()
  for _, mode in ipairs { false, SCHED } do
    local seen
    msys.runInPool("one", function() return "x", nil end,
      function(...) seen = table.pack(test.loop(), ...) end, mode)
    repeat test.drain("one") until seen
    test.returns({ mode == SCHED and 0 or nil, true, "x", nil, n = 4 },
      table.unpack(seen, 1, seen.n))
  end
end)

test.case("other forms are as ever", function()
  test.equal(0, select("#", msys.runInPool("one", function() end, true)))
  test.returns({ true, 1 }, msys.runInPool("one", function() return 1 end))
end)

test.case("where the script cannot be suspended there is an error", function()
  local message
  pcall(table.sort, { 2, 1 }, function()
    local ok
    ok, message = pcall(msys.runInPool, "one", function() end, function() end)
    return false
  end)
  test.matches("runInPool: cannot wait here: Lua cannot be suspended inside a C " ..
    "function", message)
end)
