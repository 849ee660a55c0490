-- Runs inside nginx as the content of one request; the arguments are the
-- query's: form, in_flight, calls.
local ffi = require "ffi"
ffi.cdef [[
  typedef struct { long sec, nsec; } bench_timespec;
  int clock_gettime(int, bench_timespec *);
]]
local time = ffi.new("bench_timespec")
local function now()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.sec) + tonumber(time.nsec) * 1e-9
end

local form, calls = ngx.var.arg_form, tonumber(ngx.var.arg_calls)
local in_flight = tonumber(ngx.var.arg_in_flight)
local run = ngx.run_worker_thread
local samples

local function call(x)
  local ok, result = run("bench", "nginx_work", "add_one", x)
  if not ok or result ~= x + 1 then error("wrong result: " .. tostring(result)) end
end

local function round(n)
  samples = {}
  local begin = now()
  if form == "one" then
    for i = 1, n do
      local began = now()
      call(i)
      samples[i] = now() - began
    end
    return now() - begin
  end
  local threads = {}
  for t = 1, in_flight do
    threads[t] = ngx.thread.spawn(function()
      for i = 1, n / in_flight do call(i) end
    end)
  end
  for t = 1, in_flight do
    local ok, why = ngx.thread.wait(threads[t])
    if not ok then error(why) end
  end
  return now() - begin
end

round(math.max(in_flight, math.floor(calls / 10)))  -- warms up
local seconds = round(calls)
if form == "one" then
  table.sort(samples)
  local function at(q) return samples[1 + math.floor(q * (#samples - 1))] * 1e6 end
  ngx.say(("p50_us %.2f\np99_us %.2f"):format(at(0.5), at(0.99)))
else
  ngx.say(("per_s %.0f"):format(math.floor(calls / in_flight) * in_flight / seconds))
end
