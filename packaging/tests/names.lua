-- A policy that prints every name policies can use, one a line, for
-- check-man.sh.  What a table or a metatable does not show is not here.

local function names(prefix, t)
  for key, value in pairs(t) do
    if type(key) == "string" and key:sub(1, 1) ~= "_" then
      if type(value) ~= "table" then
        print("NAME", prefix .. key)
      elseif value ~= msys then
        names(prefix .. key .. ".", value)
      end
    end
  end
end

local function methods(prefix, object)
  local index = debug.getmetatable(object).__index
  if type(index) == "function" then
    _, index = debug.getupvalue(index, 1)
  end
  names(prefix .. ":", index or {})
end

local mod = {}

function mod:validate_data(msg, ac, vctx)
  names("msys.", msys)
  names("thread.", thread)
  for _, name in ipairs { "_TLS", "_OSTLS" } do
    print("NAME", _G[name] and name)
  end

  methods("msg", msg)
  methods("ac", ac)
  methods("vctx", vctx)
  for part in msg:parts() do
    methods("part", part)
    break
  end
  local _, job = msys.runInPool("IO", function() end, function() end)
  methods("job", job)
  methods("handle", msys.core.io_wrapper_open("/dev/null", msys.core.O_RDONLY))
  if thread.mutex then
    methods("mutex", thread.mutex())
  end
  if msys.threadpool.stat then
    names("stat.", msys.threadpool.stat("IO"))
  end
  return msys.core.VALIDATE_CONT
end

msys.registerModule("names", mod)
