-- lua5.4 surface_test.lua MSYS_D_LUA: the annotations and the plugin agree, in both
-- directions.  The plugin is found by LUA_CPATH.

-- The globals of stock Lua are not ours.
local stock = {}
for name in pairs(_G) do stock[name] = true end
require "msys"

local failures = 0
local function fail(...)
  failures = failures + 1
  print("not ok - " .. string.format(...))
end

local read = dofile((arg[0]:gsub("[^/]*$", "annotations.lua")))
local declared, classes, problems =
  read(assert(arg[1], "usage: surface_test.lua MSYS_D_LUA"))
for _, problem in ipairs(problems) do fail("%s", problem) end

-- ---- what there is ------------------------------------------------------------------

local found = {}
local function walk(path, value)
  if type(value) == "table" then
    found[path] = "table"
    for key, member in pairs(value) do walk(path .. "." .. key, member) end
  elseif type(value) == "function" then
    found[path] = "function"
  else
    found[path] = value
  end
end
for name, value in pairs(_G) do
  if not stock[name] then walk(name, value) end
end

local function kind_of(value) return math.type(value) or type(value) end

local function compare(what, there, here)
  for name, value in pairs(here) do
    if there[name] == nil then fail("%s %s is declared but not there", what, name)
    elseif there[name] ~= value then
      fail("%s %s is declared as %s but is %s", what, name, value, there[name])
    end
  end
  for name in pairs(there) do
    if here[name] == nil then fail("%s %s is there but not declared", what, name) end
  end
end
compare("global", found, declared)

-- Fields of the tables, with their types; methods of the objects.
local function fields_of(value)
  local fields = {}
  for name, field in pairs(value) do
    local kind = kind_of(field)
    fields[name] = kind == "float" and "number" or kind
  end
  return fields
end
local function methods_of(object)
  local methods = {}
  for name in pairs(debug.getmetatable(object).__index) do methods[name] = "method" end
  return methods
end

local _, job = msys.runInPool("CPU", function() end, function() end)
job:wait()
local real = {
  ["msys.job"] = methods_of(job),
  ["thread.mutex"] = methods_of(thread.mutex()),
  ["msys.threadpool.stat"] = fields_of(msys.threadpool.stat("CPU")),
  ["msys.threadpool.pool"] = fields_of(msys.threadpool.find("CPU")),
}
for class, members in pairs(classes) do
  if not real[class] then fail("class %s: nothing makes one", class)
  else compare(class, real[class], members) end
end
for class in pairs(real) do
  if not classes[class] then fail("class %s is not declared", class) end
end

local count = 0
for _ in pairs(declared) do count = count + 1 end
for _, members in pairs(classes) do
  for _ in pairs(members) do count = count + 1 end
end
if failures == 0 then print(string.format("ok - %d names agree", count)) end
os.exit(failures == 0 and count > 60, true)
