-- Shows: msys.runInPool(pool, closure).  The script is suspended until the
-- closure is done and gets what pcall would give; other sessions go on.
-- Needs: the predefined pools.

local mod = {}

local function do_heavy_lifting()
  print("doing heavy lifting")
  return true
end

function mod:validate_data(msg, ac, vctx)
  -- A function reference.
  local st, res = msys.runInPool("IO", do_heavy_lifting)
  assert(st == true and res == true)

  -- A function defined inline.  It sees what the script sees, here msg, and
  -- all its values come back.
  local ok, id, size = msys.runInPool("IO", function()
    print("doing heavy lifting")
    return msg.id, msg:get_message_size()
  end)
  assert(ok and id == msg.id and size > 0)

  -- The pool by its identifier, 0 being CPU; false is the same as nothing.
  local fine, sum = msys.runInPool(0, function()
    return 1 + 2
  end, false)
  assert(fine and sum == 3)

  -- A closure that fails gives false and the error, whatever its type.
  local failed = { reason = "the disk is full" }
  local status, err = msys.runInPool("IO", function()
    error(failed)
  end)
  assert(status == false and err == failed)

  return msys.core.VALIDATE_CONT
end

msys.registerModule("manual_pcall", mod)
