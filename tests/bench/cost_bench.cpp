// What a call costs next to a plain pcall of the same closure (floor (b)), and
// that the cost does not depend on what the closure can reach.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <vector>

#include "bench_host.h"

extern "C" {
#include <lua.h>
}

namespace {

constexpr char kPolicy[] = R"(
  local run, pcall, finished = msys.runInPool, pcall, finished
  local function empty() end
  local function over(data)
    return function() local _ = data end
  end
  local entries = {}
  for i = 1, 10000 do entries[i] = { i } end
  local closures = {
    empty, over(string.rep("x", 1 << 20)), over(entries), over(message(10 << 20)),
  }

  function direct(n)
    for i = 1, n do pcall(empty) end
  end
  function one_at_a_time(n)
    for i = 1, n do run("CPU", empty) end
  end
  function use(which)
    current = closures[which]
  end
  function many(n)
    local closure = current
    for i = 1, n do run("CPU", closure) end
  end
)";

// Stands for a message object of a host.
int NewMessage(lua_State* L) {
  lua_newuserdatauv(L, static_cast<std::size_t>(lua_tointeger(L, 1)), 0);
  return 1;
}

std::unique_ptr<bench::Host> NewHost() {
  auto host = std::make_unique<bench::Host>(bench::Host::Options{});
  lua_register(host->lua(0), "message", &NewMessage);
  host->Load(kPolicy);
  return host;
}

constexpr std::int64_t kCalls = 4096;

void OneState(benchmark::State& state, const char* function) {
  auto host = NewHost();
  host->CallNow(0, function, kCalls);
  for (auto _ : state) host->CallNow(0, function, kCalls);
  state.SetItemsProcessed(state.iterations() * kCalls);
}

double ProcessCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

// Blocks with the empty closure and with the other one alternate; the figure is
// the median ratio of neighbours, in CPU time of the process, which other
// processes disturb less than the clock on the wall.
void Reach(benchmark::State& state, int which) {
  auto host = NewHost();
  const auto block = [&](int closure) {
    host->CallNow(0, "use", closure);
    const double begin = ProcessCpuNs();
    for (int script = 0; script < 64; ++script)
      host->Call(0, "many", kCalls / 64);
    host->Drain();
    return ProcessCpuNs() - begin;
  };
  block(1);
  block(which);
  std::vector<double> ratios;
  for (auto _ : state) {
    const double empty = block(1);
    ratios.push_back(block(which) / empty);
  }
  std::nth_element(ratios.begin(), ratios.begin() + ratios.size() / 2,
                   ratios.end());
  state.counters["ratio"] = ratios[ratios.size() / 2];
}

BENCHMARK_CAPTURE(OneState, direct_pcall, "direct")->UseRealTime();
BENCHMARK_CAPTURE(OneState, one_at_a_time, "one_at_a_time")->UseRealTime();
// 401 pairs of blocks, whatever --benchmark_min_time says: medians want many.
BENCHMARK_CAPTURE(Reach, empty, 1)->UseRealTime()->Iterations(401);
BENCHMARK_CAPTURE(Reach, string_1MiB, 2)->UseRealTime()->Iterations(401);
BENCHMARK_CAPTURE(Reach, table_10000, 3)->UseRealTime()->Iterations(401);
BENCHMARK_CAPTURE(Reach, message_10MiB, 4)->UseRealTime()->Iterations(401);

}  // namespace
