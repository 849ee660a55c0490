-- Shows: msys.runInPool(pool, closure, true).  The closure runs by itself; the
-- script goes on at once and gets no results.
-- Needs: the predefined pools.

local mod = {}

function mod:validate_data(msg, ac, vctx)
  self.ran = false
  local values = select("#", msys.runInPool("CPU", function()
    self.ran = true
    print("asynchronous closure", msg.id)
  end, true))
  assert(values == 0)

  -- It does not start before this script is back in the scheduler.
  assert(not self.ran)
  return msys.core.VALIDATE_CONT
end

msys.registerModule("manual_async", mod)
