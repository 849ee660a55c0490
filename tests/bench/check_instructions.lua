-- Counts the instructions of each form of call, and compares them with the ones
-- of baseline.txt.
--   lua5.4 check_instructions.lua check|update <directory of the programs>
--          [baseline file [form...]]
-- `check` fails when a count differs by more than 5 %, up or down: a gain is
-- worth writing down too.  `update` writes the baseline.
--
-- Counted are the plugin and Lua: instructions of TBB and of the C library
-- depend on how long threads look for work before they sleep.  Each count is
-- the difference of two runs, so that start and end do not matter, and the
-- lowest of three such differences.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local cost = require "callgrind_cost"

local kCalls, kRounds, kTolerance = 5000, 3, 0.05
local kCounted = { "^runinpool%.so", "^liblua5%.4" }

local mode, directory, baseline_path = arg[1], arg[2], arg[3]
if (mode ~= "check" and mode ~= "update") or not directory then
  io.stderr:write("usage: check_instructions.lua check|update <directory of ",
                  "the programs> [baseline file [form...]]\n")
  os.exit(2)
end
baseline_path = baseline_path or arg[0]:gsub("[^/]*$", "") .. "baseline.txt"

local function read_all(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return text, pipe:close()
end

if not select(2, read_all("valgrind --version 2>&1")) then
  print("skipped: valgrind is not installed")
  os.exit(77)
end

local function count(form, calls)
  local profile = os.tmpname()
  -- Bound at the start: looking up symbols is not part of a call.
  local said, ok = read_all(string.format(
    "LD_BIND_NOW=1 timeout 120 valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file=%s "
    .. "'%s/call_forms' %s %d 2>&1", profile, directory, form, calls))
  if not ok then error(form .. " failed:\n" .. said, 0) end
  local sum = 0
  for object, instructions in pairs(cost(profile)) do
    for _, pattern in ipairs(kCounted) do
      if object:find(pattern) then sum = sum + instructions end
    end
  end
  os.remove(profile)
  return sum
end

local function per_call(form)
  local lowest = math.huge
  for _ = 1, kRounds do
    local once, twice = count(form, kCalls), count(form, 2 * kCalls)
    lowest = math.min(lowest, (twice - once) / kCalls)
  end
  return math.floor(lowest + 0.5)
end

local forms = table.move(arg, 4, #arg, 1, {})
if #forms == 0 then
  for form in read_all("'" .. directory .. "/call_forms'"):gmatch("%S+") do
    -- Batches are bounded by time, of which valgrind takes fifty times as much.
    if not form:find("_scripts$") then forms[#forms + 1] = form end
  end
end

if mode == "update" then
  local compiler = read_all("c++ -dumpfullversion"):gsub("%s+", "")
  local lua = read_all("pkg-config --modversion lua5.4"):gsub("%s+", "")
  local lines = {
    "# Instructions a call, plugin and Lua together; see check_instructions.lua.",
    ("# Release build, GCC %s, Lua %s."):format(compiler, lua),
  }
  for _, form in ipairs(forms) do
    lines[#lines + 1] = ("%-18s %6d"):format(form, per_call(form))
    print(lines[#lines])
  end
  local file = assert(io.open(baseline_path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
  os.exit(0)
end

local baseline = {}
for line in assert(io.lines(baseline_path)) do
  local form, instructions = line:match("^([%w_]+)%s+(%d+)$")
  if form then baseline[form] = tonumber(instructions) end
end
local failed = false
for _, form in ipairs(forms) do
  local now, before = per_call(form), baseline[form]
  local change = before and now / before - 1
  local verdict = not before and "no baseline: run update"
      or math.abs(change) <= kTolerance and "ok"
      or "more than 5 %: find out why, then run update"
  failed = failed or verdict ~= "ok"
  print(("%-18s %6d, baseline %6s, %+.1f %%  %s"):format(
    form, now, before or "-", (change or 0) * 100, verdict))
end
os.exit(not failed)
