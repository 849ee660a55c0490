-- lua5.4 mutations_test.lua SURFACE_TEST MSYS_D_LUA: the surface test sees each
-- declaration that is missing, and each that is too many or wrong.
local surface, annotations = arg[1], arg[2]
local interpreter = arg[-1]

local lines = {}
for line in io.lines(annotations) do lines[#lines + 1] = line end

local path = os.tmpname()
local function passes(text)
  local file = assert(io.open(path, "w"))
  file:write(table.concat(text, "\n"), "\n")
  file:close()
  return (os.execute(string.format("'%s' '%s' %s > %s.out 2>&1", interpreter, surface,
    path, path))) == true
end

local function without(i)
  local text = table.move(lines, 1, #lines, 1, {})
  table.remove(text, i)
  return text
end
local function with(...)
  local text = table.move(lines, 1, #lines, 1, {})
  for _, line in ipairs { ... } do text[#text + 1] = line end
  return text
end

local failures, tried = 0, 0
local function expect(wanted, text, what)
  tried = tried + 1
  if passes(text) ~= wanted then
    failures = failures + 1
    print("not ok - " .. what)
  end
end

expect(true, lines, "the annotations as they are")
for i, line in ipairs(lines) do
  if line:match("^function ") or line:match("^%-%-%-@field ") or
      line:match("^%-%-%-@param ") or line:match("^[%w_.]+ = ") then
    expect(false, without(i), "not missed without: " .. line)
  end
end
expect(false, with("---Extra.", "function msys.extra() end"), "a function too many")
expect(false, with("msys.core.EXTRA = 1"), "a constant too many")
expect(false, with("---@class msys.extra", "---@field x integer"), "a class too many")
local changed = table.move(lines, 1, #lines, 1, {})
for i, line in ipairs(changed) do
  changed[i] = line:gsub("ECTP_CLASS_IO = 1$", "ECTP_CLASS_IO = 2")
end
expect(false, changed, "a wrong value")
for i, line in ipairs(lines) do
  changed[i] = line:gsub("@field saturation number", "@field saturation integer")
end
expect(false, changed, "a wrong type")

os.remove(path)
os.remove(path .. ".out")
if failures == 0 then print(string.format("ok - %d variants", tried)) end
os.exit(failures == 0 and tried > 60)
