// Runs calls of one form, for a profiler: `call_forms <form> <calls>`.  Under
// callgrind the difference of two runs is what the calls themselves cost;
// check_instructions.lua does that.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench_host.h"

namespace {

constexpr char kPolicy[] = R"(
  local run, sched = msys.runInPool, msys.core.ECTP_COMPLETE_CALLBACK_SCHED
  local finished = finished
  local function empty() end
  local function fail() error("no", 0) end
  local function three() return 1, 2, 3 end

  function sync(n)
    for i = 1, n do run("CPU", empty) end
    finished()
  end
  function sync_by_id(n)
    for i = 1, n do run(0, empty) end
    finished()
  end
  function sync_results(n)
    for i = 1, n do run("CPU", three) end
    finished()
  end
  function sync_error(n)
    for i = 1, n do run("CPU", fail) end
    finished()
  end
  function nested(n)
    run("CPU", function() for i = 1, n do run("CPU", empty) end end)
    finished()
  end
  function async(n)
    local function last() finished() end
    for i = 1, n - 1 do run("CPU", empty, true) end
    run("CPU", last, true)
  end
  function completion(n)
    local function done()
      n = n - 1
      if n > 0 then run("CPU", empty, done) else finished() end
    end
    run("CPU", empty, done)
  end
  function completion_sched(n)
    local function done()
      n = n - 1
      if n > 0 then run("CPU", empty, done, sched) else finished() end
    end
    run("CPU", empty, done, sched)
  end
  function wrapped(n)
    local step = coroutine.wrap(function()
      for i = 1, n do run("CPU", empty) end
    end)
    step()
    finished()
  end
)";

struct Form {
  const char* name;
  const char* function;
  int scripts;
};
constexpr Form kForms[] = {
    {"sync", "sync", 1},
    {"sync_by_id", "sync_by_id", 1},
    {"sync_results", "sync_results", 1},
    {"sync_error", "sync_error", 1},
    {"sync_in_wrap", "wrapped", 1},
    {"sync_64_scripts", "sync", 64},
    {"nested", "nested", 1},
    {"async", "async", 1},
    {"completion", "completion", 1},
    {"completion_sched", "completion_sched", 1},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const Form& form : kForms) std::puts(form.name);
    return 0;
  }
  const std::int64_t calls = argc == 3 ? std::atoll(argv[2]) : 0;
  for (const Form& form : kForms) {
    if (std::strcmp(form.name, argv[1]) != 0 || calls < form.scripts) continue;
    bench::Host host({.states = 1, .cpu = 1});
    host.Load(kPolicy);
    host.Expect(form.scripts);
    for (int i = 0; i < form.scripts; ++i) {
      host.Call(0, form.function, calls / form.scripts);
    }
    host.DrainExpected();
    return 0;
  }
  std::fprintf(stderr,
               "usage: %s [form calls]\nwithout arguments: lists the forms; "
               "calls: at least one for each script\n",
               argv[0]);
  return 2;
}
