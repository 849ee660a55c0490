// Random policies, cancelled callouts, changing pools and states that come and go,
// for as long as MSYS_STRESS_SECONDS says (5), from the seed MSYS_STRESS_SEED (the
// time).  In the end every job must have ended exactly once, by the pools' own
// statistics and by the count that the policies keep themselves.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "fake_host.h"
#include "test_plugin.h"

extern "C" {
#include <lua.h>
}

namespace msys::test {
namespace {

long FromEnvironment(const char* name, long otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atol(value);
}

std::string Policy() {
  std::ifstream file(MSYS_STRESS_POLICY);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What the policies of a state have counted; it is detached.
std::uint64_t Count(lua_State* L, const char* name) {
  std::uint64_t count = 0;
  if (lua_getglobal(L, "shadow") == LUA_TTABLE) {
    lua_getfield(L, -1, name);
    count = static_cast<std::uint64_t>(lua_tointeger(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return count;
}

struct Shadow {
  std::uint64_t submitted = 0, started = 0;
};

class Stress {
 public:
  explicit Stress(std::uint32_t seed) : random_(seed) {
    for (std::size_t i = 0; i < kStates; ++i) NewState(i);
  }

  void Step() {
    const std::size_t i = Any(kStates);
    switch (Any(40)) {
      case 0:
        plugin_.Configure({{"CPU", static_cast<std::uint32_t>(Any(5))},
                           {"IO", static_cast<std::uint32_t>(1 + Any(8))},
                           {"Small", static_cast<std::uint32_t>(1 + Any(2))}});
        break;
      case 1:
        EndState(i);
        NewState(i);
        break;
      case 2:
      case 3:
        if (!calls_[i].empty()) calls_[i][Any(calls_[i].size())]->Cancel();
        break;
      case 4:
        plugin_.Console("threads busy");
        plugin_.Console("threads CPU queue");
        plugin_.Console("threads stats");
        break;
      default:
        Start(i);
    }
    std::erase_if(calls_[i], [](const auto& call) { return call->done(); });
    // Enough in flight: the oldest is waited for.
    if (calls_[i].size() > 20) calls_[i].erase(calls_[i].begin());
  }

  void End() {
    for (std::size_t i = 0; i < kStates; ++i) EndState(i);
    std::string text;
    EXPECT_EQ(plugin_.Stop(10'000, &text), MSYS_OK) << text;
    msys_pool_stats sum{};
    for (const char* pool : {"CPU", "IO", "Small", "SpoolIn", "Close"}) {
      const msys_pool_stats s = plugin_.Stats(pool);
      EXPECT_EQ(s.queued + s.running + s.suspended, 0u) << pool;
      EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused) << pool;
      EXPECT_EQ(s.invocations, s.done + s.failed) << pool;
      EXPECT_EQ(s.wait.count, s.invocations) << pool;
      EXPECT_EQ(s.run.count, s.done + s.failed) << pool;
      sum.submitted += s.submitted;
      sum.invocations += s.invocations;
    }
    EXPECT_EQ(sum.invocations, shadow_.started);
    EXPECT_EQ(sum.submitted, shadow_.submitted);
    std::printf("%llu jobs submitted, %llu started\n",
                static_cast<unsigned long long>(sum.submitted),
                static_cast<unsigned long long>(sum.invocations));
  }

 private:
  static constexpr std::size_t kStates = 4;

  std::size_t Any(std::size_t n) { return random_() % n; }

  void NewState(std::size_t i) {
    states_[i] = std::make_unique<TestState>(plugin_, i % 2, "s" + std::to_string(i));
    const Result loaded =
        states_[i]->Run("policy = (function() " + policy_ + " end)() return 1");
    ASSERT_EQ(loaded.text(), "OK 1");
  }

  void Start(std::size_t i) {
    const std::string seed = std::to_string(random_() % 1'000'000);
    calls_[i].push_back(states_[i]->Start("policy(" + seed + ", 3)"));
  }

  // Its jobs that still run, or are queued, end with it: afterwards the counts
  // that its policies kept are final.
  void EndState(std::size_t i) {
    TestState& state = *states_[i];
    if (Any(2) == 0) {
      for (auto& call : calls_[i]) call->Wait();
    }
    state.Detach();
    state.AwaitDetached();
    calls_[i].clear();
    host_.On(static_cast<std::uint32_t>(i % 2), [&] {
      shadow_.submitted += Count(state.L, "submitted");
      shadow_.started += Count(state.L, "started");
    });
    states_[i].reset();
  }

  const std::string policy_ = Policy();
  std::mt19937 random_;
  FakeHost host_{2};
  TestPlugin plugin_{*msys_plugin_entry(MSYS_ABI_MAJOR),
                     host_,
                     {{"CPU", 2}, {"IO", 4}, {"Small", 1, 5}}};
  Shadow shadow_;
  std::unique_ptr<TestState> states_[kStates];
  std::vector<std::unique_ptr<Running>> calls_[kStates];
};

TEST(StressTest, EveryJobEndsExactlyOnce) {
  const long seconds = FromEnvironment("MSYS_STRESS_SECONDS", 5);
  const auto seed = static_cast<std::uint32_t>(
      FromEnvironment("MSYS_STRESS_SEED", std::time(nullptr)));
  std::printf("MSYS_STRESS_SEED=%u\n", seed);
  std::fflush(stdout);
  Stress stress(seed);
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end && !testing::Test::HasFailure()) {
    stress.Step();
  }
  stress.End();
}

}  // namespace
}  // namespace msys::test
