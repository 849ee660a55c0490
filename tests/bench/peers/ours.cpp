// The plugin's part of the comparison with other systems:
//   peer_ours one <calls>                       p50 and p99 of a call, in us
//   peer_ours many|completion|completion_sched <in flight> <calls> <states>
//   <threads>
//                                               calls a second
// Each call computes x + 1 of an upvalue, and its result is checked.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench_host.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace {

constexpr char kPolicy[] = R"(
  local run, sched = msys.runInPool, msys.core.ECTP_COMPLETE_CALLBACK_SCHED
  local finished, now, sample = finished, now, sample
  local function check(x, ok, result)
    if not ok or result ~= x + 1 then error("wrong result: " .. tostring(result)) end
  end
  function one(n)
    local x = 0
    local function f() return x + 1 end
    for i = 1, n do
      x = i
      local begin = now()
      local ok, result = run("CPU", f)
      sample(now() - begin)
      check(x, ok, result)
    end
  end
  function many(n)
    local x = 0
    local function f() return x + 1 end
    for i = 1, n do
      x = i
      check(x, run("CPU", f))
    end
    finished()
  end
  local function chain(n, ...)
    local mode = ...
    local x = 0
    local function f() return x + 1 end
    local function done(ok, result)
      check(x, ok, result)
      x = x + 1
      if x < n then run("CPU", f, done, mode) else finished() end
    end
    run("CPU", f, done, mode)
  end
  function completion(n) chain(n) end
  function completion_sched(n) chain(n, sched) end
)";

std::vector<std::int64_t> samples;

int Now(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(bench::NowNs()));
  return 1;
}

int Sample(lua_State* L) {
  samples.push_back(lua_tointeger(L, 1));
  return 0;
}

void Load(bench::Host& host) {
  for (std::size_t i = 0; i < host.states(); ++i) {
    lua_register(host.lua(i), "now", &Now);
    lua_register(host.lua(i), "sample", &Sample);
  }
  host.Load(kPolicy);
}

double QuantileUs(double fraction) {
  std::sort(samples.begin(), samples.end());
  return static_cast<double>(samples[static_cast<std::size_t>(
             fraction * static_cast<double>(samples.size() - 1))]) /
         1000;
}

int One(std::int64_t calls) {
  bench::Host host({});
  Load(host);
  host.CallNow(0, "one", calls / 10);  // warms up
  samples.clear();
  host.CallNow(0, "one", calls);
  std::printf("p50_us %.2f\np99_us %.2f\n", QuantileUs(0.5), QuantileUs(0.99));
  return 0;
}

int Many(const char* form, std::int64_t in_flight, std::int64_t calls,
         int states, int threads) {
  bench::Host host(
      {.states = states, .cpu = static_cast<std::uint32_t>(threads)});
  Load(host);
  double seconds = 0;
  for (const std::int64_t each :
       {calls / in_flight / 10 + 1, calls / in_flight}) {
    const std::uint64_t begin = bench::NowNs();
    host.Expect(in_flight);
    for (std::int64_t i = 0; i < in_flight; ++i) {
      host.Call(static_cast<std::size_t>(i % states), form, each);
    }
    host.DrainExpected();
    seconds = static_cast<double>(bench::NowNs() - begin) * 1e-9;
  }
  std::printf("per_s %.0f\n",
              static_cast<double>(calls / in_flight * in_flight) / seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string form = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return i < argc ? std::atoll(argv[i]) : 0; };
  if (form == "one" && number(2) >= 10) return One(number(2));
  const bool many =
      form == "many" || form == "completion" || form == "completion_sched";
  if (many && number(2) > 0 && number(3) >= number(2) && number(4) > 0 &&
      number(5) > 0) {
    return Many(argv[1], number(2), number(3), static_cast<int>(number(4)),
                static_cast<int>(number(5)));
  }
  std::fprintf(stderr,
               "usage: %s one <calls> | many|completion|completion_sched "
               "<in flight> <calls> <states> <threads>\n",
               argv[0]);
  return 2;
}
