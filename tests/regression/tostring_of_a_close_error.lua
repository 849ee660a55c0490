-- While the coroutines of a closure that yields are closed the turn is kept, also when
-- the error of a <close> variable is made text: other closures would find them half
-- closed.
local yield = coroutine.yield  -- before msys is there: it does not refuse
require "msys"
local slept
msys.runInPool("IO", function()
  local _ <close> = setmetatable({}, { __close = function()
    error(setmetatable({}, { __tostring = function()
      slept = table.pack(pcall(msys.sleep, 0))
      return "closed"
    end }))
  end })
  yield()
end)
assert(slept[1] == false and slept[2]:find "cannot wait here", slept[2])
-- But what a closure has raised is made text while nothing is closed: it may sleep.
slept = nil
msys.runInPool("IO", function()
  error(setmetatable({}, { __tostring = function()
    slept = table.pack(pcall(msys.sleep, 0))
    return "failed"
  end }))
end, true)
repeat msys.sleep(0) until slept
assert(slept[1], slept[2])
print "ok"
