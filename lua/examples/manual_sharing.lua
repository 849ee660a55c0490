-- Shows: the three places to keep data.
--   _OSTLS  one table per OS thread
--   _TLS    one table per session, the closures of the session included
--   self    a table per session that falls back to the module's
-- Needs: the predefined pools.

local mod = { greeting = "hello" }

-- we want to validate that we ran on a different OS thread, so
-- set a marker we can use in our output
_OSTLS.async_t_marker = 42

function mod:validate_connect(ac, vctx)
  _TLS.client = ac.remote_addr
  self.seen = { "connect" }          -- this session's
  assert(self.greeting == "hello")   -- the module's
  return msys.core.VALIDATE_CONT
end

function mod:validate_data(msg, ac, vctx)
  -- In the scheduler the marker is there; in the pool it is nil, unless the
  -- pool's Concurrency is 0.
  assert(_OSTLS.async_t_marker == 42)
  msys.runInPool("CPU", function()
    print("CPU", "in cpu", _OSTLS.async_t_marker)
  end, true)
  return msys.core.VALIDATE_CONT
end

function mod:validate_data_spool(msg, ac, vctx)
  msys.runInPool("IO",
    function()
      print("CB", "cb data spool", _OSTLS.async_t_marker)
    end,
    function()
      print("CB", "cb completing", _OSTLS.async_t_marker)
    end,
    msys.core.ECTP_COMPLETE_CALLBACK_SCHED)

  local ok, client = msys.runInPool("IO", function()
    self.seen[#self.seen + 1] = "data_spool"
    return _TLS.client
  end)
  assert(ok and client == ac.remote_addr)
  assert(table.concat(self.seen, " ") == "connect data_spool")
  return msys.core.VALIDATE_CONT
end

msys.registerModule("manual_sharing", mod)
