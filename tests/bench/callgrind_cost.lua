-- Sums what a callgrind profile says each shared object has spent itself:
-- cost(path) gives a table, object name -> instructions.

-- Names are written once and then referred to by number: "ob=(3) /path" and
-- later "ob=(3)".
local function cost(path)
  local file = assert(io.open(path))
  local names, object, spent, skip = {}, "?", {}, false
  for line in file:lines() do
    local key, id, name = line:match("^(c?ob)=%((%d+)%)%s*(.*)$")
    if key then
      if name ~= "" then names[id] = name:match("[^/]*$") end
      if key == "ob" then object = names[id] end
    elseif line:find("^calls=") then
      skip = true  -- the next line is the callee's cost
    elseif line:find("^[%d+*-]") then
      if not skip then
        local instructions = line:match("^%S+%s+(%d+)$")
        spent[object] = (spent[object] or 0) + (tonumber(instructions) or 0)
      end
      skip = false
    end
  end
  file:close()
  return spent
end

return cost
