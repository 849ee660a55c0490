// Many scripts in flight, each calling an empty closure in a pool again and
// again: calls a second, against floor (c).
#include <benchmark/benchmark.h>

#include "bench_host.h"
#include "floors.h"

namespace {

constexpr char kPolicy[] = R"(
  local run, sched = msys.runInPool, msys.core.ECTP_COMPLETE_CALLBACK_SCHED
  local finished = finished
  local function empty() end

  -- Waits for each of its calls.
  function sync(n)
    for i = 1, n do run("CPU", empty) end
    finished()
  end

  -- Never waits: the completion function makes the next call.
  function completion(n)
    local function done()
      n = n - 1
      if n > 0 then run("CPU", empty, done) else finished() end
    end
    run("CPU", empty, done)
  end

  -- The same with the completion function on the loop.
  function completion_sched(n)
    local function done()
      n = n - 1
      if n > 0 then run("CPU", empty, done, sched) else finished() end
    end
    run("CPU", empty, done, sched)
  end
)";

// Enough that starting and ending the scripts does not count.
constexpr std::int64_t kCallsInRound = 65536;

void Floor(benchmark::State& state) {
  const auto scripts = static_cast<std::size_t>(state.range(0));
  bench::Loop loop;
  bench::ManyHops hops(loop, scripts);
  const auto rounds = static_cast<std::uint64_t>(kCallsInRound) / scripts;
  hops.Go(rounds);
  for (auto _ : state) hops.Go(rounds);
  state.SetItemsProcessed(state.iterations() * kCallsInRound);
}

void Calls(benchmark::State& state, const char* function) {
  const std::int64_t scripts = state.range(0);
  const auto states = static_cast<std::size_t>(state.range(1));
  bench::Host host({.states = static_cast<int>(states),
                    .cpu = static_cast<std::uint32_t>(state.range(2))});
  host.Load(kPolicy);
  const auto round = [&] {
    host.Expect(scripts);
    for (std::int64_t i = 0; i < scripts; ++i) {
      host.Call(static_cast<std::size_t>(i) % states, function,
                kCallsInRound / scripts);
    }
    host.DrainExpected();
  };
  round();
  for (auto _ : state) round();
  state.SetItemsProcessed(state.iterations() * kCallsInRound);
}

// Scripts, states, threads of the pool.
void Shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"scripts", "states", "threads"})
      ->UseRealTime()
      ->MeasureProcessCPUTime();
  for (const int scripts : {64, 1024}) {
    for (const int states : {1, 4, 16}) b->Args({scripts, states, 1});
  }
  b->Args({1024, 16, 2});
}

BENCHMARK(Floor)
    ->ArgName("scripts")
    ->Arg(64)
    ->Arg(1024)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(Calls, sync, "sync")->Apply(Shapes);
BENCHMARK_CAPTURE(Calls, completion, "completion")->Apply(Shapes);
BENCHMARK_CAPTURE(Calls, completion_sched, "completion_sched")->Apply(Shapes);

}  // namespace
