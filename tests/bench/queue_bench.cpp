// Asynchronous calls that wait in a queue: what one costs in memory and in time
// when there are a hundred, and when there are a million.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <ctime>

#include "bench_host.h"

extern "C" {
#include <lua.h>
}

namespace {

// The last closure says that all have run: the pool is first in, first out.
constexpr char kPolicy[] = R"(
  local run, finished, used = msys.runInPool, finished, used
  local function empty() end
  function queue(n)
    local before = used()
    for i = 1, n - 1 do run("CPU", empty, true) end
    run("CPU", finished, true)
    return (used() - before) / n
  end
)";

// Bytes in use in the process: Lua's, the plugin's, TBB's.
int Used(lua_State* L) {
  const struct mallinfo2 info = mallinfo2();
  lua_pushinteger(L, static_cast<lua_Integer>(info.uordblks + info.hblkhd));
  return 1;
}

double ProcessCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

void Queued(benchmark::State& state) {
  const std::int64_t depth = state.range(0);
  const std::int64_t rounds = std::max<std::int64_t>(1, 1'000'000 / depth);
  bench::Host host({});
  lua_register(host.lua(0), "used", &Used);
  host.Load(kPolicy);
  double bytes = 0;
  double cpu = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < rounds; ++i) {
      const double begin = ProcessCpuNs();
      host.Expect(1);
      bytes = std::max(bytes, host.CallNow(0, "queue", depth));
      host.DrainExpected();
      cpu += ProcessCpuNs() - begin;
    }
  }
  const std::int64_t calls = state.iterations() * rounds * depth;
  state.SetItemsProcessed(calls);
  state.counters["cpu_ns_per_call"] = cpu / static_cast<double>(calls);
  state.counters["bytes_per_call"] = bytes;
}

BENCHMARK(Queued)
    ->ArgName("queued")
    ->Arg(100)
    ->Arg(1'000'000)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
