-- A value that the host has given to another mode is not the scheduler's.
-- before: msys = { core = { ECTP_COMPLETE_EVENT = 6 } }

test.case("no other mode is taken for ECTP_COMPLETE_CALLBACK_SCHED", function()
  local names = {}
  for name, mode in pairs(msys.core) do
    if name:find("^ECTP_COMPLETE_") then
      test.equal(nil, names[mode], name)
      names[mode] = name
      test.equal(name == "ECTP_COMPLETE_CALLBACK_SCHED" and "loop" or "CPU",
        test.completes_on(mode), name)
    end
  end
  test.equal("ECTP_COMPLETE_EVENT", names[6])
end)
