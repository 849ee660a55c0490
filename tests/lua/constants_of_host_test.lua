-- What the host put there before attach() stays.
-- before: host_core = { VALIDATE_CONT = 1, ECTP_COMPLETE_CALLBACK_SCHED = 3, mine = "x" }
-- before: host_msys = { core = host_core, registerModule = print, version = "4.2" }
-- before: msys = host_msys
-- before: thread = { kept = true }

test.case("tables and constants of the host stay", function()
  test.equal(true, rawequal(msys, host_msys))
  test.equal(true, rawequal(msys.core, host_core))
  test.equal(1, msys.core.VALIDATE_CONT)
  test.equal(3, msys.core.ECTP_COMPLETE_CALLBACK_SCHED)
  test.equal("x", msys.core.mine)
  test.equal("4.2", msys.version)
  test.equal(print, msys.registerModule)
  test.equal(true, thread.kept)
end)

test.case("what is missing is added", function()
  test.equal("function", type(msys.runInPool))
  test.equal(3, msys.core.VALIDATE_DONE)  -- 1 is the host's for something else
  test.equal(2, msys.core.VALIDATE_AGAIN)
  test.equal(0, msys.core.ECTP_CLASS_CPU)
  test.equal(true, rawequal(msys, require "msys"))
  test.equal(true, rawequal(thread, require "thread"))
end)

test.case("the completion mode is what the host calls so, and only that", function()
  for mode, where in pairs { [3] = "loop", [6] = "CPU",
                             [msys.core.ECTP_COMPLETE_CALLBACK] = "CPU" } do
    test.equal(where, test.completes_on(mode))
  end
end)
