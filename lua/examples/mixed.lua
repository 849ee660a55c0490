-- Shows: every form of msys.runInPool over the phases of one session, each
-- with a check of what it gave.  A wrong result is an error of the callout, so
-- the host refuses that session and says why.
-- Needs: the predefined pools CPU and IO, and Completion_Returns = "job" (the
-- default).  Cheap enough for tens of thousands of sessions.

local core = msys.core
local runInPool = msys.runInPool

local mod = {}

local function check(ok, what)
  if not ok then
    error("mixed: " .. what, 2)
  end
end

-- Of the closures and completion functions that nobody waits for.
local function begin(session)
  session.pending = session.pending + 1
end

local function finish(session)
  session.pending = session.pending - 1
end

-- Synchronous, on IO.  All values come back, nil and trailing nil too.
function mod:validate_connect(ac, vctx)
  self.conn_id, self.pending = ac.conn_id, 0
  _TLS.conn_id = ac.conn_id

  local got = table.pack(runInPool("IO", function()
    return _TLS.conn_id, nil, self.conn_id, nil
  end))
  check(got.n == 5 and got[1] == true, "connect: not true and four values")
  check(got[2] == ac.conn_id, "connect: _TLS is not the session's")
  check(got[4] == ac.conn_id, "connect: self is not the session's")
  return core.VALIDATE_CONT
end

-- Asynchronous, on CPU: no results, and no start before this script returns.
function mod:validate_ehlo(str, ac, vctx)
  begin(self)
  local values = select("#", runInPool("CPU", function()
    self.ehlo = str:lower()
    finish(self)
  end, true))
  check(values == 0, "ehlo: an asynchronous call gave results")
  check(self.ehlo == nil, "ehlo: the closure did not wait for the script")
  self.ehlo_wanted = str:lower()
  return core.VALIDATE_CONT
end

-- With a completion function, on the thread that ran the closure.
function mod:validate_mailfrom(str, ac, vctx)
  begin(self)
  local ok, job = runInPool("CPU", function()
    _OSTLS.mixed_closure_of = self.conn_id
    return str, #str
  end, function(done, address, size)
    self.sender_seen = done and address == str and size == #str
      and _OSTLS.mixed_closure_of == self.conn_id
    finish(self)
  end)
  check(ok == true, "mailfrom: no job")
  check(job:status() == "queued", "mailfrom: the job did not wait")
  return core.VALIDATE_CONT
end

-- With a completion function on the scheduler, and the results awaited here.
function mod:validate_rcptto(msg, str, ac, vctx)
  _OSTLS.mixed_scheduler = true
  begin(self)
  local ok, job = runInPool("IO", function()
    return str:lower()
  end, function(done, address)
    self.recipients_seen = (self.recipients_seen or 0)
      + (done and address == str:lower() and _OSTLS.mixed_scheduler and 1 or 0)
    finish(self)
  end, core.ECTP_COMPLETE_CALLBACK_SCHED)
  check(ok == true, "rcptto: no job")
  self.recipients = (self.recipients or 0) + 1

  local done, address = job:wait()
  check(done == true and address == str:lower(), "rcptto: wrong results")
  check(job:status() == "done", "rcptto: the job is not done")
  return core.VALIDATE_CONT
end

-- Calls inside calls, and inside a generator.
local function nested(msg)
  local ok, depth, id = runInPool("CPU", function()
    local ok_io, depth_io, id_io = runInPool("IO", function()
      local ok_cpu, id_cpu = runInPool("CPU", function()
        return msg.id
      end)
      return ok_cpu and 2, id_cpu
    end)
    return ok_io and depth_io + 1, id_io
  end)
  check(ok == true and depth == 3, "data: a nested call went astray")
  check(id == msg.id, "data: the innermost value was lost")
end

local function squares(count)
  return coroutine.wrap(function()
    for i = 1, count do
      local ok, square = runInPool("CPU", function()
        return i * i
      end)
      coroutine.yield(ok and square)
    end
  end)
end

function mod:validate_data(msg, ac, vctx)
  nested(msg)

  local sum = 0
  for square in squares(3) do  -- each step suspends this whole script
    sum = sum + square
  end
  check(sum == 14, "data: the generator gave wrong squares")

  local ok, size = runInPool("CPU", function()
    local bytes = msg:get_message_size()
    msg:context_set(core.VCTX_MESS, "mixed_size", tostring(bytes))
    return bytes
  end)
  check(ok == true and size == msg:get_message_size(), "data: wrong size")
  check(vctx:get(core.VCTX_MESS, "mixed_size") == tostring(size),
    "data: what the closure set is not there")
  return core.VALIDATE_CONT
end

-- Several jobs in flight, awaited in another order than they were begun.
local function fan_out(session, count)
  local jobs = {}
  for i = 1, count do
    begin(session)
    local _, job = runInPool(i % 2 == 0 and "CPU" or "IO", function()
      return i, i * i
    end, function()
      finish(session)
    end)
    jobs[i] = job
  end
  for i = count, 1, -1 do
    local ok, number, square = jobs[i]:wait()
    check(ok == true and number == i and square == i * i,
      "data_spool: a job has another's results")
  end
end

-- Errors of every type come back as they are, nil too.
local error_values = table.pack("text", { code = 451 }, 42, 4.5, false, nil,
  print, coroutine.create(print))

local function errors()
  for i = 1, error_values.n do
    local got = table.pack(runInPool("IO", function()
      error(error_values[i], 0)
    end))
    check(got.n == 2 and got[1] == false, "data_spool: an error was lost")
    check(rawequal(got[2], error_values[i]), "data_spool: an error was changed")
  end

  local ok, message = runInPool("CPU", function()
    return #error_values[3]
  end)
  check(ok == false and message:find("mixed.lua:%d+: attempt to get length"),
    "data_spool: no message where the closure failed")

  ok, message = pcall(runInPool, "no such pool", print)
  check(ok == false and message:find('"no such pool"', 1, true),
    "data_spool: an unknown pool was accepted")
end

function mod:validate_data_spool(msg, ac, vctx)
  fan_out(self, 4)
  errors()
  return core.VALIDATE_CONT
end

function mod:validate_data_spool_each_rcpt(msg, ac, vctx)
  local ok, address = runInPool("IO", function()
    return msg:rcptto()
  end)
  check(ok == true and address == msg:rcptto(), "each_rcpt: wrong recipient")
  return core.VALIDATE_CONT
end

-- A pool starts its jobs in order: what was begun earlier on CPU has started
-- before an empty closure is done.
local function drain(session)
  for _ = 1, 1000 do
    if (session.pending or 0) == 0 then
      return true
    end
    runInPool("CPU", function() end)
  end
  return false
end

function mod:validate_set_binding(msg)
  check(drain(self), "set_binding: a closure or completion never came")
  check(self.ehlo == self.ehlo_wanted, "ehlo: the closure did not run")
  check(self.sender_seen == true, "mailfrom: the completion function was wrong")
  check(self.recipients_seen == self.recipients,
    "rcptto: a completion function was wrong")
  check(_TLS.conn_id == self.conn_id, "set_binding: _TLS changed hands")
  return core.VALIDATE_CONT
end

-- Clean-up, of a session that ended early as well.
function mod:validate_dealloc()
  check(drain(self), "dealloc: a closure or completion never came")
  _TLS.conn_id = nil
  for key in pairs(self) do
    self[key] = nil
  end
end

msys.registerModule("mixed", mod)
