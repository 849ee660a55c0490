-- lua5.4 readme_test.lua README MSYS_D_LUA HOST_SIM_D_LUA: the table of the README has
-- every name of the plugin, and no name that nobody has.
--
-- In a row, `.find` and `:lock` go on from the name before, `_NORMAL` too; `*` stands
-- for the rest of a name.  Of host-sim's names only the functions are there.
local read = dofile((arg[0]:gsub("[^/]*$", "annotations.lua")))
local failures = 0
local function fail(...)
  failures = failures + 1
  print("not ok - " .. string.format(...))
end

local ours, known = {}, { self = true }
for i, path in ipairs { arg[2], arg[3] } do
  local declared, classes = read(path)
  for name, value in pairs(declared) do
    known[name] = true
    if value == "function" or i == 1 and value ~= "table" or name:match("^_") then
      ours[name] = true
    end
  end
  for class, members in pairs(classes) do
    for member, kind in pairs(members) do
      if kind == "method" then
        local name = class:match("[^.]+$") .. ":" .. member
        known[name] = true
        if i == 1 then ours[name] = true end
      end
    end
  end
end

local listed, patterns, count = {}, {}, 0
for row in io.lines(arg[1]) do
  local before
  for span in (row:match("^| (`.*)$") or ""):gmatch("`([^`]+)`") do
    local name = span:match("^[%w_.:]+%*?")
    if name and before then
      if name:match("^:") then name = before:match("^[^:(]+") .. name
      elseif name:match("^%.") then name = before:match("^(.*)%.") .. name
      elseif name:match("^_[A-Z]+$") and before:match("_[A-Z]+$") then
        name = before:gsub("_[A-Z]+$", name)
      end
    end
    -- The rest are words, values and options.
    if name and (known[name] or name:match("^msys%.") or name:match("^thread%.") or
        name:match("^[%w.]+:%w")) then
      listed[name], before, count = true, name, count + 1
    end
  end
end

for name in pairs(listed) do
  if name:match("%*$") then
    patterns[#patterns + 1] = "^" .. name:sub(1, -2):gsub("%p", "%%%0")
  elseif not known[name] and not known[(name:gsub("^.*:", "io:"))] then
    fail("%s is in the README, but nowhere else", name)
  end
end
for name in pairs(ours) do
  local there = listed[name]
  for _, pattern in ipairs(patterns) do there = there or name:match(pattern) end
  if not there then fail("%s is not in the README", name) end
end
for _, pattern in ipairs(patterns) do
  local used = false
  for name in pairs(known) do used = used or name:match(pattern) end
  if not used then fail("%s* is in the README, but nowhere else", pattern) end
end
if failures == 0 then print(string.format("ok - %d names", count)) end
os.exit(failures == 0 and count > 20)
