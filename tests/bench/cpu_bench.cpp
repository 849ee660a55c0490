// Closures that compute: two states use two cores, and Lua in a pool is as fast
// as Lua anywhere.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "bench_host.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace {

// Arithmetic, table and string work, and garbage, as policies make them.
constexpr char kWork[] = R"(
  function work(n)
    local words, sum = {}, 0
    for i = 1, n do
      sum = (sum * 31 + i) % 1000003
      words[i % 64 + 1] = "word" .. sum
      if i % 64 == 0 then sum = sum + #table.concat(words, " ") end
    end
    return sum
  end
)";
constexpr char kPolicy[] = R"(
  local run, work, clock = msys.runInPool, work, thread_cpu
  function in_pool(n)
    local ok, spent = run("CPU", function()
      local begin = clock()
      work(n)
      return clock() - begin
    end)
    assert(ok, spent)
    return spent
  end
)";

constexpr std::int64_t kSteps = 100000;  // about 20 ms

double ThreadCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

int ThreadCpu(lua_State* L) {
  lua_pushnumber(L, ThreadCpuNs());
  return 1;
}

std::unique_ptr<bench::Host> NewHost(int states) {
  auto host = std::make_unique<bench::Host>(
      bench::Host::Options{.states = states, .cpu = 2});
  for (int i = 0; i < states; ++i) {
    lua_register(host->lua(static_cast<std::size_t>(i)), "thread_cpu",
                 &ThreadCpu);
  }
  host->Load(kWork);
  host->Load(kPolicy);
  return host;
}

double Median(std::vector<double>& of) {
  std::nth_element(of.begin(), of.begin() + of.size() / 2, of.end());
  return of[of.size() / 2];
}

// The same with plain threads, each with an interpreter of its own: what the
// machine has to give at that moment.
double PlainSpeedup(lua_State* (&plain)[2]) {
  const auto work = [](lua_State* L) {
    lua_getglobal(L, "work");
    lua_pushinteger(L, kSteps);
    lua_call(L, 1, 0);
  };
  const std::uint64_t begin = bench::NowNs();
  work(plain[0]);
  work(plain[1]);
  const std::uint64_t between = bench::NowNs();
  std::thread first(work, plain[0]);
  std::thread second(work, plain[1]);
  first.join();
  second.join();
  return static_cast<double>(between - begin) /
         static_cast<double>(bench::NowNs() - between);
}

lua_State* NewPlain() {
  lua_State* L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dostring(L, kWork) != LUA_OK) std::abort();
  return L;
}

// How many times faster two closures of two states end when they run at once.
void TwoStates(benchmark::State& state) {
  auto host = NewHost(2);
  host->CallNow(0, "in_pool", kSteps);
  host->CallNow(1, "in_pool", kSteps);
  lua_State* plain[2] = {NewPlain(), NewPlain()};
  std::vector<double> speedups, plain_speedups;
  for (auto _ : state) {
    plain_speedups.push_back(PlainSpeedup(plain));
    const std::uint64_t begin = bench::NowNs();
    host->CallNow(0, "in_pool", kSteps);
    host->CallNow(1, "in_pool", kSteps);
    const std::uint64_t between = bench::NowNs();
    host->Call(0, "in_pool", kSteps);
    host->Call(1, "in_pool", kSteps);
    host->Drain();
    const std::uint64_t end = bench::NowNs();
    speedups.push_back(static_cast<double>(between - begin) /
                       static_cast<double>(end - between));
  }
  for (lua_State* L : plain) lua_close(L);
  state.counters["threads"] = Median(plain_speedups);
  state.counters["best"] = *std::max_element(speedups.begin(), speedups.end());
  state.counters["speedup"] = Median(speedups);
}

// CPU time of the same work in an interpreter of its own on this thread, over
// that in a closure: 1 is the same speed, less is slower.
void LuaSpeed(benchmark::State& state) {
  auto host = NewHost(1);
  lua_State* plain = NewPlain();
  std::vector<double> speeds;
  for (auto _ : state) {
    lua_getglobal(plain, "work");
    lua_pushinteger(plain, kSteps);
    const double begin = ThreadCpuNs();
    lua_call(plain, 1, 0);
    const double spent = ThreadCpuNs() - begin;
    speeds.push_back(spent / host->CallNow(0, "in_pool", kSteps));
  }
  lua_close(plain);
  state.counters["speed"] = Median(speeds);
}

BENCHMARK(TwoStates)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(15);
BENCHMARK(LuaSpeed)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(31);

}  // namespace
