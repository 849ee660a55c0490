-- luv's new_work: a function runs in libuv's thread pool, in an interpreter of
-- its own that the thread keeps; a callback on the loop gets the results.
--   lua5.4 luv_bench.lua one <calls> | many <in flight> <calls>
-- UV_THREADPOOL_SIZE says how many threads.  With IDLE_POLL the loop never sleeps.
local uv = require "luv"
local form, in_flight, calls = arg[1], tonumber(arg[2]), tonumber(arg[3])
if form == "one" then in_flight, calls = 1, in_flight end

local left, pending, began, samples, work
local function queue()
  left = left - 1
  began = form == "one" and uv.hrtime()
  work:queue(left)
end
work = uv.new_work(function(x) return x, x + 1 end, function(x, result)
  if began then samples[#samples + 1] = uv.hrtime() - began end
  if result ~= x + 1 then error("wrong result: " .. tostring(result)) end
  pending = pending - 1
  if left > 0 then queue() end
end)

local function round(n)
  left, pending, samples = n, n, {}
  for _ = 1, in_flight do queue() end
  local begin = uv.hrtime()
  if os.getenv "IDLE_POLL" then
    while uv.run("nowait") do end
  else
    uv.run()
  end
  if pending ~= 0 then error(pending .. " results are missing") end
  return (uv.hrtime() - begin) * 1e-9
end
round(math.max(in_flight, calls // 10))  -- warms up
local seconds = round(calls)

if form == "one" then
  table.sort(samples)
  local function at(q) return samples[1 + math.floor(q * (#samples - 1))] / 1000 end
  print(("p50_us %.2f\np99_us %.2f"):format(at(0.5), at(0.99)))
else
  print(("per_s %.0f"):format(calls / seconds))
end
