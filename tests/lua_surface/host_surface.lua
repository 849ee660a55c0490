-- A policy of host-sim: the annotations and what policies see agree, in both
-- directions.  $ANNOTATIONS: the files, separated by colons; beside them stands
-- $READER, annotations.lua.
local read = dofile(os.getenv "READER")

local failures, count = 0, 0
local function fail(...)
  failures = failures + 1
  print("not ok - " .. string.format(...))
end

local declared, classes = {}, {}
for path in os.getenv "ANNOTATIONS":gmatch "[^:]+" do
  local names, members, problems = read(path)
  for name, value in pairs(names) do declared[name] = value end
  for name, value in pairs(members) do classes[name] = value end
  for _, problem in ipairs(problems) do fail("%s", problem) end
end

local function compare(what, there, here)
  for name in pairs(here) do
    count = count + 1
    if there[name] == nil then fail("%s %s is declared but not there", what, name) end
  end
  for name in pairs(there) do
    if here[name] == nil then fail("%s %s is there but not declared", what, name) end
  end
end

-- The tables, and the values of constants.
local function check_tables()
  local found = {}
  local function walk(path, value)
    local kind = type(value)
    found[path] = kind == "table" and "table" or kind == "function" and "function" or value
    if kind ~= "table" then return end
    for key, member in pairs(value) do walk(path .. "." .. key, member) end
  end
  walk("msys", msys)
  walk("thread", thread)
  found._TLS, found._OSTLS = "table", "table"
  compare("global", found, declared)
  for name, value in pairs(declared) do
    if found[name] ~= nil and found[name] ~= value then
      fail("%s is declared as %s but is %s", name, value, found[name])
    end
  end
end

-- The methods of an object, and the types of its declared fields; fields that are
-- made when they are read cannot be listed.
local function check_object(class, object)
  local index = debug.getmetatable(object).__index
  if type(index) == "function" then
    local _, methods = debug.getupvalue(index, 1)
    index = methods or {}
  end
  local found = {}
  for name in pairs(index) do found[name] = "method" end
  for name, kind in pairs(classes[class] or {}) do
    local value = kind ~= "method" and object[name]
    if value then
      found[name] = kind
      local is = math.type(value) or type(value)
      if is ~= kind:gsub("%?", "") then fail("%s.%s is a %s", class, name, is) end
    end
  end
  compare(class, found, classes[class] or {})
end

local asked = {}  -- what the host looks for in a module
local mod = setmetatable({}, { __index = function(_, name) asked[name] = true end })

function mod:validate_data(msg, ac, vctx)
  asked.validate_data = true
  check_tables()
  check_object("msys.ac", ac)
  check_object("msys.vctx", vctx)
  check_object("msys.msg", msg)
  check_object("msys.io", msys.core.io_wrapper_open("/dev/null", msys.core.O_RDONLY))
  for part in msg:parts() do
    if part.filename then check_object("msys.part", part) end
  end
  return msys.core.VALIDATE_CONT
end

function mod:validate_dealloc()
  asked.validate_dealloc = true
  compare("msys.module", asked, classes["msys.module"])
  if failures == 0 then print(string.format("ok - %d names agree", count)) end
end

msys.registerModule("host_surface", mod)
