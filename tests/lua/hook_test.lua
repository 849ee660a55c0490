-- What a script has set with debug.sethook ends with it: it fails neither what the
-- host and the plugin do afterwards, nor another script.
-- pool: one concurrency=1

local function fail() error("the hook", 0) end

-- Each is first felt when the script has returned.
local hooks = {
  call = function() debug.sethook(fail, "c") end,
  ["return"] = function()
    local caller = debug.getinfo(2, "f").func
    debug.sethook(function()
      if debug.getinfo(2, "f").func == caller then debug.sethook(fail, "r") end
    end, "r")
  end,
  count = function() debug.sethook(fail, "", 100) end,
}

for name, hook in pairs(hooks) do
  test.case("finish() is called, with the results: " .. name, function()
    local status, value = test.wait(test.start(function() hook() return 42 end))
    if name == "return" then
      -- It fails the last return of the script: a failure of the script's own.
      test.returns({ test.status.lua, "the hook" }, status, value)
    else
      test.returns({ test.status.ok, 42 }, status, value)
    end
  end)

  test.case("with an error value and its text: " .. name, function()
    local thing = setmetatable({}, { __tostring = function() return "thing" end })
    local status, value = test.wait(test.start(function() hook() return error(thing) end))
    test.equal(test.status.lua, status)
    assert(value == thing or value == "the hook", tostring(value))
  end)

  test.case("a completion function is called: " .. name, function()
    for _, mode in ipairs { 0, msys.core.ECTP_COMPLETE_CALLBACK_SCHED } do
      local got
      local _, job = msys.runInPool("one", function() hook() return 42 end,
        function(...) got = table.pack(debug.gethook() == nil, ...) end, mode)
      job:wait()
      repeat test.drain("one") until got
      test.equal({ true, true, 42 }, got)
    end
  end)

  test.case("the next closures and callouts have none: " .. name, function()
    for _ = 1, 100 do
      msys.runInPool("one", hook)
      test.returns({ true, true },
        msys.runInPool("one", function() return debug.gethook() == nil end))
      test.wait(test.start(function() hook() end))
      test.returns({ test.status.ok, true },
        test.wait(test.start(function() return debug.gethook() == nil end)))
    end
  end)
end
