-- Shows: a completion function on the scheduler thread, and the job that the
-- call gives: job:wait() for a script that wants the results after all.
-- Needs: the predefined pools.  Works with Completion_Returns = "results" as
-- well, where the call itself waits.

local mod = {}

function mod:validate_data(msg, ac, vctx)
  local status, res = msys.runInPool("IO",
    function()
      -- do some IO intensive work here, such as interrogate the message
      return "done", #msg:header("Received")
    end,
    -- Completion function
    function(ok, text, hops)
      print("completed in the scheduler", msg.id, text, hops)
    end,
    msys.core.ECTP_COMPLETE_CALLBACK_SCHED)  -- Complete in the scheduler

  if type(res) == "userdata" then
    status, res = res:wait()
  end
  assert(status == true and res == "done")
  return msys.core.VALIDATE_CONT
end

msys.registerModule("manual_completion_sched", mod)
