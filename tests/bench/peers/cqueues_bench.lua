-- cqueues threads: a thread runs a function in an interpreter of its own, and
-- talks by a socket.  Best set-up: the threads are kept, requests are lines, and
-- both sides write what they have only when they have nothing more to read.
--   lua5.4 cqueues_bench.lua one <calls> | many <in flight> <calls> <threads>
local cqueues = require "cqueues"
local thread = require "cqueues.thread"
local form, in_flight, calls, threads =
  arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])
if form == "one" then in_flight, calls, threads = 1, in_flight, 1 end

local function serve(socket)
  socket:setmode("bn", "bf")
  for line in socket:lines("*l") do
    socket:write(math.tointeger(line) + 1, "\n")
    if socket:pending() == 0 then socket:flush() end
  end
end

local workers = {}
for i = 1, threads do
  local _, socket = thread.start(serve)
  socket:setmode("bn", "bf")
  workers[i] = socket
end

local samples = {}
local function client(socket, n, window)
  local sent, got = 0, 0
  while got < n do
    while sent < n and sent - got < window do
      sent = sent + 1
      socket:write(sent, "\n")
    end
    local began = cqueues.monotime()
    socket:flush()
    repeat
      local result = math.tointeger(socket:read("*l"))
      got = got + 1
      if result ~= got + 1 then error("wrong result: " .. tostring(result)) end
    until socket:pending() == 0 or got == n
    if form == "one" then samples[#samples + 1] = cqueues.monotime() - began end
  end
end

local function round(n)
  samples = {}
  local controller = cqueues.new()
  local begin = cqueues.monotime()
  for _, socket in ipairs(workers) do
    controller:wrap(client, socket, n // threads, math.max(1, in_flight // threads))
  end
  assert(controller:loop())
  return cqueues.monotime() - begin
end
round(math.max(in_flight, calls // 10))  -- warms up
local seconds = round(calls)

if form == "one" then
  table.sort(samples)
  local function at(q) return samples[1 + math.floor(q * (#samples - 1))] * 1e6 end
  print(("p50_us %.2f\np99_us %.2f"):format(at(0.5), at(0.99)))
else
  print(("per_s %.0f"):format(calls // threads * threads / seconds))
end
