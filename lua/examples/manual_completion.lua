-- Shows: msys.runInPool(pool, closure, completion_closure).  The script goes
-- on; the completion function is called after the closure, on the same thread.
-- Needs: the predefined pools.

local mod = {}

function mod:validate_data(msg, ac, vctx)
  self.size = nil
  msys.runInPool("CPU", function()
    _OSTLS.completion_of = msg.id  -- this thread's
    return #msg:raw()
  end, function(ok, size)
    assert(ok, size)
    assert(_OSTLS.completion_of == msg.id, "not on the closure's thread")
    self.size = size
    print("completion function", msg.id, size)
  end)

  assert(self.size == nil)  -- nothing has started yet
  return msys.core.VALIDATE_CONT
end

msys.registerModule("manual_completion", mod)
