-- Reads annotations for editors: what a *.d.lua declares.
--
-- read(path) -> declared, classes, problems
--   declared: path -> "table", "function", or a constant's value
--   classes: class -> { member -> "method" or a field's type }
--   problems: lines, of what is not described or not understood

return function(path)
  local declared, classes, problems = {}, {}, {}
  local class_of = {}  -- name of a local -> class
  local class          -- whose lines are being read
  local comment = {}
  local number = 0

  local function fail(text, line)
    problems[#problems + 1] = string.format("%s:%d: %s: %s", path, number, text, line)
  end

  local function parameters(names, line)
    for name in names:gmatch("[%w_.]+") do
      if not comment["param " .. name] then fail("no @param " .. name, line) end
    end
    for key in pairs(comment) do
      local name = key:match("^param ([%w_.]+)$")
      if name and not ("," .. names:gsub("%s", "") .. ","):find("," .. name .. ",", 1, true) then
        fail("@param " .. name .. " is not a parameter", line)
      end
    end
    if not next(comment) then fail("not described", line) end
  end

  for line in io.lines(path) do
    number = number + 1
    local field, kind = line:match("^%-%-%-@field ([%w_]+)%?? (%S+)")
    local object, method, names = line:match("^function ([%w_]+):([%w_]+)%((.-)%) end$")
    if line:match("^%-%-%-@class ") then
      class = line:match("^%-%-%-@class ([%w_.]+)$")
      classes[class] = {}
    elseif field then
      classes[class][field] = kind
    elseif line:match("^%-%-%-") then
      local parameter = line:match("^%-%-%-@param ([%w_.]+)")
      comment[parameter and "param " .. parameter or "text"] = true
    elseif line:match("^local ") then
      class_of[line:match("^local ([%w_]+) = {}$")] = class
    elseif object then
      classes[class_of[object]][method] = "method"
      parameters(names, line)
    elseif line:match("^function ") then
      local name, list = line:match("^function ([%w_.]+)%((.-)%) end$")
      declared[name] = "function"
      parameters(list, line)
    elseif line:match("=") and not line:match("^%-%-") then
      local name, value = line:match("^([%w_.]+) = (%S+)$")
      if not name then fail("not understood", line)
      elseif value == "{}" then declared[name] = "table"
      else declared[name] = math.tointeger(value) end
    elseif line ~= "" and not line:match("^%-%-") then
      fail("not understood", line)
    end
    if not line:match("^%-%-%-") then comment = {} end
  end
  return declared, classes, problems
end
