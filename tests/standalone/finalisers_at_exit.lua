-- What finalisers submit while the state closes runs, as long as jobs are drained,
-- and is refused aloud afterwards.
local msys = require "msys"
local function say(...) io.stdout:write(..., "\n") end
local function finally(f) return setmetatable({}, { __gc = f }) end
local function later(text)
  return finally(function() msys.runInPool("CPU", function() say(text) end, true) end)
end
local oldest = later "too late"
local too_old = finally(function() msys.runInInst(0, print) end)
local old = finally(function()
  package.loaded.msys = nil
  say(select(2, pcall(require, "msys")))
end)
msys.runInPool("CPU", function() assert(oldest and too_old and old) end, true)
local young = { later "third", later "second", later "first" }
say("main is over ", #young)
