-- The tables, their names for require, and the constants.

local wanted = {
  ECTP_COMPLETE_NONE = 0, ECTP_COMPLETE_EVENT = 1, ECTP_COMPLETE_MODULE = 2,
  ECTP_COMPLETE_CALLBACK = 3, ECTP_COMPLETE_SEMAPHORE = 4,
  ECTP_COMPLETE_SYNC = 5, ECTP_COMPLETE_CALLBACK_SCHED = 6,
  ECTP_COMPLETE_EVENT_INST = 7, ECTP_COMPLETE_CALLBACK_SCHED_INST = 8,
  ECTP_CLASS_SHORT_LIVED = -1, ECTP_CLASS_CPU = 0, ECTP_CLASS_IO = 1,
  ECTP_CLASS_SWAPOUT = 2, ECTP_CLASS_SWAPIN = 3, ECTP_CLASS_CLOSE = 4,
  ECTP_CLASS_UNLINK = 5, ECTP_CLASS_BATCH_UNLINK = 6, ECTP_CLASS_SPOOL_IN = 7,
  ECTP_CLASS_ASYNC_BOUNCE = 8, ECTP_CLASS_SIEVE_IO = 9,
}

test.case("the constants have their documented values", function()
  for name, value in pairs(wanted) do test.equal(value, msys.core[name], name) end
end)

test.case("VALIDATE_ constants are distinct integers", function()
  local seen = {}
  for _, name in ipairs { "VALIDATE_CONT", "VALIDATE_DONE", "VALIDATE_AGAIN" } do
    local value = msys.core[name]
    test.equal("integer", math.type(value))
    test.equal(nil, seen[value])
    seen[value] = true
  end
end)

test.case("nothing must be required, and require gives the same tables", function()
  test.equal("function", type(msys.runInPool))
  test.equal(true, rawequal(msys, require "msys"))
  test.equal(true, rawequal(msys.core, require "msys.core"))
  test.equal(true, rawequal(msys.threadpool, require "msys.threadpool"))
  test.equal(true, rawequal(thread, require "thread"))
end)

test.case("they are the same in a pool", function()
  test.returns({ true, msys.core }, msys.runInPool("CPU", function()
    return require "msys.core"
  end))
end)

test.case("class constants name the predefined pools", function()
  test.returns({ true, "IO" }, msys.runInPool(msys.core.ECTP_CLASS_IO, function()
    return (test.worker())
  end))
  test.returns({ true, "SpoolIn" }, msys.runInPool(msys.core.ECTP_CLASS_SPOOL_IN,
    function() return (test.worker()) end))
end)
