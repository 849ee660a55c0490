-- coroutine.* behaves as stock Lua's for everybody who does not call msys: the
-- same snippets give the same transcripts in a Lua without the plugin.

local frame = [[
local out = {}
local function say(...)
  local t = table.pack(...)
  for i = 1, t.n do
    t[i] = type(t[i]) == "table" and "table" or type(t[i]) == "thread" and "thread"
      or type(t[i]) == "function" and "function" or tostring(t[i])
  end
  out[#out + 1] = table.concat(t, " ")
end
local co = coroutine.create(function() %s end)
while coroutine.status(co) ~= "dead" do say("main", coroutine.resume(co)) end
return table.concat(out, "\n")
]]

local snippets = {
  status = [[
    local co = coroutine.create(function(self)
      say(coroutine.status(self))
      local inner = coroutine.create(function() say(coroutine.status(self)) end)
      coroutine.resume(inner)
      coroutine.yield()
    end)
    say(coroutine.status(co)) coroutine.resume(co, co) say(coroutine.status(co))
    coroutine.resume(co) say(coroutine.status(co))
    say(coroutine.status((coroutine.running())))
    say(pcall(coroutine.status)) say(pcall(coroutine.status, 1))]],
  values = [[
    local co = coroutine.create(function(...)
      say("in", ...) say("back", coroutine.yield(1, nil, 3)) say(coroutine.yield())
      return nil, "end", nil
    end)
    say(coroutine.resume(co, "a", nil)) say(coroutine.resume(co, nil, nil))
    say(coroutine.resume(co)) say(coroutine.resume(co))]],
  errors = [[
    for _, value in ipairs { "text", 1, true, {} } do
      say(coroutine.resume(coroutine.create(function() error(value) end)))
      say(pcall(coroutine.wrap(function() error(value) end)))
      say(pcall(coroutine.wrap(function() error(value, 0) end)))
    end
    say(coroutine.resume(coroutine.create(function() error() end)))
    say(pcall(coroutine.wrap(function() error() end)))
    say(coroutine.resume(coroutine.create(function() local x; x() end)))
    say(pcall(coroutine.wrap(function() local x; x() end)))]],
  dead = [[
    local co = coroutine.create(function() end)
    coroutine.resume(co) say(coroutine.resume(co)) say(coroutine.status(co))
    local f = coroutine.wrap(function() end) f() say(pcall(f))]],
  self_resume = [[
    local co co = coroutine.create(function() return coroutine.resume(co) end)
    say(coroutine.resume(co))
    local f f = coroutine.wrap(function() return f() end) say(pcall(f))
    say(coroutine.resume((coroutine.running())))]],
  wrong_arguments = [[
    for _, name in ipairs { "resume", "wrap", "create", "close", "status", "isyieldable" } do
      say(name, pcall(coroutine[name])) say(name, pcall(coroutine[name], 42))
      say(name, pcall(coroutine[name], {}))
    end
    say(coroutine.resume(coroutine.create(print), nil) and 1)]],
  wrap_for = [[
    for a, b in coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i, i * i) end
    end) do say(a, b) end
    local w = coroutine.wrap(function() return pcall(coroutine.yield, 1) end)
    say(w()) say(w(2, 3))]],
  close = [[
    local function guarded(fail)
      return coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function(_, e)
          say("closing", e) if fail then error(fail, 0) end end })
        coroutine.yield()
      end)
    end
    local co = guarded() coroutine.resume(co) say(coroutine.close(co)) say(coroutine.status(co))
    say(coroutine.close(co))
    co = guarded("in close") coroutine.resume(co) say(coroutine.close(co)) say(coroutine.status(co))
    say(coroutine.close(coroutine.create(print)))
    co = coroutine.create(function() error("x", 0) end) coroutine.resume(co)
    say(coroutine.close(co)) say(coroutine.close(co))
    say(pcall(coroutine.close, (coroutine.running())))
    co = coroutine.create(function(self)
      local i = coroutine.create(function() say(pcall(coroutine.close, self)) end)
      coroutine.resume(i)
    end)
    coroutine.resume(co, co)]],
  close_on_error = [[
    local w = coroutine.wrap(function()
      local x <close> = setmetatable({}, { __close = function(_, e) say("closing", e) end })
      error("inside", 0)
    end)
    say(pcall(w))
    w = coroutine.wrap(function()
      local x <close> = setmetatable({}, { __close = function() error("closer", 0) end })
      error("inside", 0)
    end)
    say(pcall(w))]],
  running = [[
    local a, main = coroutine.running() say(type(a), main)
    coroutine.wrap(function()
      local b, inner_main = coroutine.running() say(a == b, inner_main)
    end)()
    say(coroutine.isyieldable())
    say(coroutine.isyieldable(coroutine.create(print)))]],
  yield_across = [[
    say(pcall(table.sort, { 2, 1 }, function() coroutine.yield() end))
    say(pcall(string.gsub, "a", "a", function() coroutine.yield() end))]],
  yields_outwards = [[
    say("got", coroutine.yield("from inside"))
    for i = 1, 3 do say(coroutine.yield(i)) end]],
  deep = [[
    local function nest(n) if n == 0 then return "bottom" end
      return coroutine.wrap(function() return nest(n - 1) end)() end
    say(nest(100))
    local ok, m = pcall(nest, 250)
    say(ok, (tostring(m):gsub(".*: ", "")))]],
  many_values = [[
    local t = {} for i = 1, 5000 do t[i] = i end
    local co = coroutine.create(function(...) return select("#", coroutine.yield(...)) end)
    say(select("#", coroutine.resume(co, table.unpack(t))))
    say(coroutine.resume(co, table.unpack(t)))]],
  too_many_values = [[
    local t = {} for i = 1, 600000 do t[i] = false end
    local co = coroutine.create(function(...) coroutine.yield() return ... end)
    say(coroutine.resume(co, table.unpack(t)))
    say(coroutine.resume(co, table.unpack(t)))
    collectgarbage() -- else Lua 5.4.9 has co's stack ready for an error, and another text
    local function full(...) return coroutine.resume(co) end
    say(full(table.unpack(t)))
    local w = coroutine.wrap(function() coroutine.yield() return table.unpack(t) end) w()
    local function full_wrap(...) return w() end
    say(pcall(full_wrap, table.unpack(t)))]],
  in_metamethods = [[
    local t = setmetatable({}, { __index = function(_, k) return coroutine.yield(k) end,
      __add = function(a, b) return coroutine.yield(b) end })
    local co = coroutine.wrap(function() say(t.key) say(t + 4) return "end" end)
    say(co()) say(co("v1")) say(co("v2"))]],
  traceback = [[
    local co = coroutine.create(function() local x = 1 coroutine.yield() end)
    coroutine.resume(co) say(debug.traceback(co)) say(debug.traceback(co, "m", 1))
    co = coroutine.create(function() error("e") end)
    coroutine.resume(co) say(debug.traceback(co))]],
  garbage = [[
    for i = 1, 1000 do local w = coroutine.wrap(function() coroutine.yield(i) end) w() end
    collectgarbage() say("collected")]],
}

for name, snippet in pairs(snippets) do
  local source = frame:format(snippet)
  test.case(name .. ", in a callout", function()
    test.equal(test.stock(source), assert(load(source, source))())
  end)
  test.case(name .. ", in a closure", function()
    test.returns({ true, test.stock(source) },
      msys.runInPool("CPU", assert(load(source, source))))
  end)
end

test.case("the library has all of the stock one's functions, and no more", function()
  local names = "local t = {} for k, v in pairs(coroutine) do t[#t + 1] = k .. type(v) " ..
    "end table.sort(t) return table.concat(t, ' ')"
  test.equal(test.stock(names), load(names)())
end)
