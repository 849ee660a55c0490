-- luacheck --config lua/.luacheckrc lua host-sim/corpus
std = "lua54"
max_line_length = 80

-- A callout has the arguments that its phase has, used or not.
unused_args = false

-- What the host and the plugin provide.  Named one by one, so that a
-- misspelled function is found.
read_globals = {
  msys = {
    fields = {
      "registerModule", "readfile", "execute",
      "runInPool", "runInInst", "sleep", "lock", "unlock",
      core = { other_fields = true },
      threadpool = { fields = { "count", "find", "stat", "current" } },
    },
  },
  thread = {
    fields = {
      "mutex", "MUTEX_NORMAL", "MUTEX_RECURSIVE", "MUTEX_ERRORCHECK",
    },
  },
}

-- For a policy to keep things in.
globals = { "_TLS", "_OSTLS" }
