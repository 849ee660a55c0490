-- msys.threadpool
-- pool: api-slow concurrency=1
-- pool: api-one concurrency=1 backlog=7
-- pool: api-four concurrency=4

local threadpool = msys.threadpool

local function wrong(pattern, f, ...)
  local ok, message = pcall(f, ...)
  test.equal(false, ok)
  test.matches(pattern, message)
end

test.case("require answers with the same table", function()
  test.equal(threadpool, require("msys.threadpool"))
  test.equal(thread, require("thread"))
end)

test.case("count: the predefined pools and the host's own", function()
  test.equal(8 + 4, threadpool.count())  -- test-wait is the runner's
end)

test.case("find by name and by id", function()
  for id, name in pairs { [0] = "CPU", "IO", "SwapOut", "SwapIn", "Close", "Unlink",
      "Batch_Unlink", "SpoolIn" } do
    for _, key in ipairs { name, name:upper(), name:lower(), id } do
      local pool = threadpool.find(key)
      test.equal(name, pool.name)
      test.equal(id, pool.id)
    end
  end
  local own = threadpool.find("API-one")
  test.equal("api-one", own.name)
  assert(own.id >= 10)
  test.equal("api-one", threadpool.find(own.id).name)
end)

test.case("unknown pools are nil, other things errors", function()
  for _, f in ipairs { threadpool.find, threadpool.stat } do
    for _, key in ipairs { "nowhere", "", "CPU\0", -1, 99, math.maxinteger, 1.5 } do
      test.returns({ nil, n = 1 }, f(key))
    end
    wrong("thread pool name or id expected, got no value", f)
    wrong("thread pool name or id expected, got nil", f, nil)
    wrong("thread pool name or id expected, got table", f, {})
    wrong("thread pool name or id expected, got boolean", f, true)
  end
end)

test.case("current: the pool and the worker; nil on a loop", function()
  test.returns({ nil, n = 1 }, threadpool.current())
  test.returns({ true, "api-one", 1 }, msys.runInPool("API-ONE", function()
    local name, worker = threadpool.current()
    local _, known = test.thread()
    assert(known == name .. "/" .. worker, known)
    return name, worker
  end))
  test.returns({ true, nil, n = 2 }, msys.runInInst(1, function()
    return threadpool.current()
  end))
  test.returns({ true, nil, n = 2 }, msys.runInPool("Close", function()
    return threadpool.current()
  end))
end)

local fields = {
  name = "string", id = "integer", invocations = "integer", avg_concurrency = "float",
  saturation = "float", avg_wallclock_time_per_op = "float", queue_sz = "integer",
  num_threads = "integer", num_active_threads = "integer", num_inactive_threads = "integer",
  job_num_queued = "integer", job_num_running = "integer", job_num_suspended = "integer",
  job_num_completing = "integer",
  submitted = "integer", done = "integer", failed = "integer", cancelled = "integer",
  refused = "integer", parked = "integer", concurrency = "integer", backlog = "integer",
  wait_p50 = "float", wait_p99 = "float", wait_max = "float",
  run_p50 = "float", run_p99 = "float", run_max = "float",
}

test.case("stat has exactly these fields", function()
  local stat = threadpool.stat("api-one")
  for field, kind in pairs(fields) do
    test.equal(kind, math.type(stat[field]) or type(stat[field]), field)
  end
  for field in pairs(stat) do assert(fields[field], field) end
  test.equal(1, stat.concurrency)
  test.equal(7, stat.backlog)
end)

test.case("stat counts what happened", function()
  local before = threadpool.stat("api-four")
  test.equal(0, before.invocations)
  test.equal(0.0, before.avg_wallclock_time_per_op)
  for _ = 1, 3 do msys.runInPool("api-four", function() end) end
  msys.runInPool("api-four", function() error("no") end)
  local stat = threadpool.stat("API-FOUR")
  test.equal(4, stat.invocations)
  test.equal(4, stat.submitted)
  test.equal(3, stat.done)
  test.equal(1, stat.failed)
  test.equal(0, stat.cancelled)
  test.equal(0, stat.job_num_queued)
  test.equal(0, stat.job_num_running)
  assert(stat.avg_concurrency >= 1 and stat.avg_concurrency <= 4)
  assert(stat.saturation >= 0.25 and stat.saturation <= 1)
  assert(stat.avg_wallclock_time_per_op > 0)
  assert(stat.run_p50 > 0 and stat.run_p50 <= stat.run_p99)
  assert(stat.run_p99 <= stat.run_max)
  assert(stat.wait_p50 > 0 and stat.wait_p50 <= stat.wait_p99)
  assert(stat.wait_p99 <= stat.wait_max)
  test.equal(0, before.invocations, "an earlier stat keeps its figures")
end)

test.case("of 99 of 100 jobs the slowest", function()
  for i = 1, 100 do
    msys.runInPool("api-slow", i % 20 == 0 and function() msys.sleep(0.02) end
                               or function() end)
  end
  local stat = threadpool.stat("api-slow")
  assert(stat.run_p99 >= 0.02, stat.run_p99)
  assert(stat.run_p50 < stat.run_p99)
end)

test.case("stat while jobs are queued, running, suspended and cancelled", function()
  local handles = {}
  for i = 1, 3 do
    handles[i] = test.start(function()
      msys.runInPool("api-one", function() test.block("t" .. i) end)
    end)
  end
  test.await_blocked("t1")
  local _, job = msys.runInPool("api-one", function() end, function() end)
  msys.runInPool(test.waits, function() end)  -- the slice ends: it is dispatched
  local stat = threadpool.stat("api-one")
  test.equal(3, stat.job_num_queued)
  test.equal(3, stat.queue_sz)
  test.equal(1, stat.job_num_running)
  test.equal(1, stat.num_threads)
  test.equal(1, stat.num_active_threads)
  test.equal(0, stat.num_inactive_threads)
  test.equal(true, job:cancel())
  stat = threadpool.stat("api-one")
  test.equal(2, stat.queue_sz)
  test.equal(1, stat.cancelled)
  for i = 1, 3 do test.release("t" .. i) end
  for i = 1, 3 do test.wait(handles[i]) end

  local waiting = test.start(function()
    msys.runInPool("api-one", function() msys.sleep(0); msys.lock("t"); msys.unlock("t") end)
  end)
  msys.lock("t")
  while threadpool.stat("api-one").job_num_suspended == 0 do msys.sleep(0) end
  stat = threadpool.stat("api-one")
  test.equal(0, stat.job_num_running)
  test.equal(stat.done + stat.failed + stat.cancelled + stat.refused + 1, stat.submitted)
  msys.unlock("t")
  test.wait(waiting)
end)

test.case("tostring is the operators' layout", function()
  local stat = threadpool.stat("api-four")
  local text = tostring(stat)
  for _, line in ipairs {
    "^api%-four thread pool: concurrency 4\n",
    "\n    Total invocations: 4\n",
    "\n    Observed average concurrency: %d%.%d%d\n",
    "\n    Thread pool saturation: %d+%.%d %%\n",
    "\n    Average wallclock time per op: %d%.%d+ s\n",
    "\n    Threads: %d+, active %d+\n",
    "\n    Jobs: queued 0, running 0, suspended 0, completing 0\n",
    "\n    Ended: done 3, failed 1, cancelled 0, refused 0\n",
    "\n    Queue wait: p50 [%d.]+ s, p99 [%d.]+ s, max [%d.]+ s\n",
    "\n    Run time: p50 [%d.]+ s, p99 [%d.]+ s, max [%d.]+ s\n",
  } do
    test.matches(line, text)
  end
  msys.runInPool("api-four", function() end)
  test.equal(text, tostring(stat), "of the time of the call")
end)
