// One call at a time: a script on the loop calls an empty closure in the pool
// and waits for it, against floor (a).  Where the kernel places the two threads
// dominates both, so blocks of floor and subject alternate, and
// one_at_a_time.sh takes several processes.  Before each block TBB's thread has gone
// to sleep, so that the same one serves both, and is placed anew.  Without that the
// floor's thread and the pool's each kept a place of their own for as long as the
// process lived, and the ratio was that of the places: 0.3 to 4 without pinning.
//
// Prints one line: p50 and p99 of the floor, of the call, and their ratios.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "bench_host.h"
#include "floors.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace {

using bench::NowNs;

std::vector<std::uint64_t> calls;
std::uint64_t last = 0;

int Start(lua_State*) {
  last = NowNs();
  return 0;
}

int Sample(lua_State*) {
  const std::uint64_t now = NowNs();
  calls.push_back(now - last);
  last = NowNs();
  return 0;
}

constexpr char kPolicy[] = R"(
  local run, start, sample = msys.runInPool, start, sample
  local function empty() end
  function calls(n)
    start()
    for i = 1, n do
      run("CPU", empty)
      sample()
    end
  end
)";

// A thread of TBB's that has nothing to do looks for work for much less than this.
void LetThreadsSleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

double Quantile(std::vector<std::uint64_t>& of, double fraction) {
  const auto at = static_cast<std::ptrdiff_t>(
      fraction * static_cast<double>(of.size() - 1));
  std::nth_element(of.begin(), of.begin() + at, of.end());
  return static_cast<double>(of[static_cast<std::size_t>(at)]) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  const int blocks = argc > 1 ? std::atoi(argv[1]) : 40;
  const int block = argc > 2 ? std::atoi(argv[2]) : 500;
  if (blocks < 1 || block < 1) {
    std::fprintf(stderr, "usage: %s [blocks [calls in a block]]\n", argv[0]);
    return 2;
  }
  bench::Host host({.states = 1, .cpu = 1});
  lua_register(host.lua(0), "start", &Start);
  lua_register(host.lua(0), "sample", &Sample);
  host.Load(kPolicy);
  bench::OneHop hop(host.loop());

  std::vector<std::uint64_t> hops;
  for (int i = -2; i < blocks; ++i) {
    if (i == 0) {  // the first two only warm up
      hops.clear();
      calls.clear();
    }
    LetThreadsSleep();
    for (int n = 0; n < block; ++n) {
      const std::uint64_t begin = NowNs();
      hop.Go();
      hops.push_back(NowNs() - begin);
    }
    LetThreadsSleep();
    host.Call(0, "calls", block);
    host.Drain();
  }
  const double a50 = Quantile(hops, 0.5), a99 = Quantile(hops, 0.99);
  const double b50 = Quantile(calls, 0.5), b99 = Quantile(calls, 0.99);
  std::printf(
      "hop_p50_us %.2f call_p50_us %.2f ratio_p50 %.3f "
      "hop_p99_us %.2f call_p99_us %.2f ratio_p99 %.3f\n",
      a50, b50, b50 / a50, a99, b99, b99 / a99);
  return 0;
}
