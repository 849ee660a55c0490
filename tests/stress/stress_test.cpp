// Random policies, cancelled callouts, sessions that go, changing pools, states and
// whole plugins that come and go, for as long as MSYS_STRESS_SECONDS says (5), from
// the seed MSYS_STRESS_SEED (the time).  A seed gives the same actions in the same
// order; how the threads get along with them is the machine's.
//
// In the end every job must have ended exactly once: by the trace of its life, by
// the pools' own statistics, and by the count that the policies keep themselves.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "fake_host.h"
#include "ledger.h"
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

Ledger ledger;

// The plugin, with a host that keeps no log, and keeps the trace in the ledger.
const msys_api& Api() {
  static const msys_api traced = [] {
    msys_api api = *msys_plugin_entry(MSYS_ABI_MAJOR);
    api.open = [](const msys_host* host, const msys_config* config,
                  msys_plugin** out, msys_error* error) {
      msys_host copy = *host;
      copy.log = [](void*, std::int32_t, const char*, const char*) {};
      copy.trace = [](void*, const msys_trace_event* event) { ledger.Note(*event); };
      return msys_plugin_entry(MSYS_ABI_MAJOR)->open(&copy, config, out, error);
    };
    return api;
  }();
  return traced;
}

// Blocks for a moment, in a region.
int Pause(lua_State* L) {
  msys_blocking region;
  Api().blocking_begin(L, &region);
  std::this_thread::yield();
  Api().blocking_end(&region);
  return 0;
}

using Counts = std::map<std::string, std::uint64_t>;

// Adds what the policies of a state have counted in a global; it is detached.
void AddCounts(lua_State* L, const char* table, Counts& to) {
  if (lua_getglobal(L, table) == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
      to[lua_tostring(L, -2)] += static_cast<std::uint64_t>(lua_tointeger(L, -1));
    }
  }
  lua_pop(L, 1);
}

struct Totals {
  Counts shadow, did, host;
  msys_pool_stats pools{};
};

// One plugin, from open() to close().
class Life {
 public:
  static constexpr std::size_t kStates = 4;

  Life(FakeHost& host, Totals& totals, const std::string& policy, int returns)
      : host_(host),
        totals_(totals),
        policy_(policy),
        plugin_(Api(), host, {{"CPU", 2}, {"IO", 4}, {"Small", 1, 5}}, returns) {
    for (std::size_t i = 0; i < kStates; ++i) NewState(i);
  }

  void Start(std::size_t i, const std::string& seed, bool in_session) {
    if (in_session && sessions_[i] == nullptr) {
      sessions_[i] = states_[i]->OpenSession();
    }
    calls_[i].push_back(states_[i]->Start("policy(" + seed + ", 3)",
                                          in_session ? sessions_[i] : nullptr));
    // Enough in flight: the oldest is waited for.
    if (calls_[i].size() > 20) {
      Count(*calls_[i].front());
      calls_[i].erase(calls_[i].begin());
    }
  }
  void CloseSession(std::size_t i) {
    if (sessions_[i] != nullptr) states_[i]->CloseSession(sessions_[i]);
    sessions_[i] = nullptr;
  }
  void Cancel(std::size_t i, std::size_t which) {
    if (calls_[i].empty()) return;
    // The youngest are the least likely to be over.
    calls_[i][calls_[i].size() - 1 - which % std::min<std::size_t>(calls_[i].size(), 4)]
        ->Cancel();
  }
  void Configure(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    plugin_.Configure({{"CPU", a % 5}, {"IO", 1 + b % 8}, {"Small", 1 + c % 2}});
  }
  void LookAround(std::size_t which) {
    constexpr const char* kCommands[] = {"threads busy",      "threads CPU queue",
                                         "threads stats",     "threads IO running",
                                         "threads CPU stats", "threads help"};
    plugin_.Console(kCommands[which % std::size(kCommands)]);
  }
  // Its jobs that still run, or are queued, end with it.
  void Replace(std::size_t i, bool wait) {
    EndState(i, wait);
    NewState(i);
  }
  // Out of the middle of everything, or in peace.
  void End(std::uint32_t deadline_ms, bool stop_first) {
    if (stop_first) {
      const msys_status status = plugin_.Stop(deadline_ms);
      EXPECT_TRUE(status == MSYS_E_BUSY || status == MSYS_OK) << status;
    }
    for (std::size_t i = 0; i < kStates; ++i) EndState(i, false);
    std::string text;
    msys_status status = MSYS_E_BUSY;
    while (status == MSYS_E_BUSY) status = plugin_.Stop(10'000, &text);
    EXPECT_EQ(status, MSYS_OK) << text;
    AddPools();
    ledger.Close();
    EXPECT_EQ(ledger.error(), "");
  }

 private:
  void NewState(std::size_t i) {
    states_[i] = std::make_unique<TestState>(
        plugin_, i % 2, "s" + std::to_string(i),
        [](lua_State* L) { lua_register(L, "pause", &Pause); });
    const Result loaded =
        states_[i]->Run("policy = (function() " + policy_ + " end)() return 1");
    ASSERT_EQ(loaded.text(), "OK 1");
  }

  void EndState(std::size_t i, bool wait) {
    TestState& state = *states_[i];
    if (wait) {
      for (auto& call : calls_[i]) call->Wait();
    }
    sessions_[i] = nullptr;  // detach() ends it
    state.Detach();
    state.AwaitDetached();
    for (auto& call : calls_[i]) Count(*call);
    calls_[i].clear();
    host_.On(static_cast<std::uint32_t>(i % 2), [&] {
      AddCounts(state.L, "shadow", totals_.shadow);
      AddCounts(state.L, "did", totals_.did);
    });
    states_[i].reset();
  }

  void Count(Running& call) {
    const msys_status status = call.Wait().status;
    ++totals_.host[status == MSYS_OK            ? "callouts done"
                   : status == MSYS_E_LUA       ? "callouts failed"
                   : status == MSYS_E_CANCELLED ? "callouts cancelled"
                                                : "callouts refused"];
  }

  void AddPools() {
    msys_pool_stats& sum = totals_.pools;
    for (const char* pool : {"CPU", "IO", "Small", "SpoolIn", "Close"}) {
      const msys_pool_stats s = plugin_.Stats(pool);
      EXPECT_EQ(s.queued + s.running + s.suspended, 0u) << pool;
      EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused) << pool;
      EXPECT_EQ(s.invocations, s.done + s.failed) << pool;
      EXPECT_EQ(s.wait.count, s.invocations) << pool;
      EXPECT_EQ(s.run.count, s.done + s.failed) << pool;
      sum.submitted += s.submitted;
      sum.invocations += s.invocations;
      sum.done += s.done;
      sum.failed += s.failed;
      sum.cancelled += s.cancelled;
      sum.refused += s.refused;
    }
  }

  FakeHost& host_;
  Totals& totals_;
  const std::string& policy_;
  TestPlugin plugin_;
  std::unique_ptr<TestState> states_[kStates];
  msys_session* sessions_[kStates] = {};
  std::vector<std::unique_ptr<Running>> calls_[kStates];
};

class Stress {
 public:
  explicit Stress(std::uint32_t seed) : random_(seed) { Begin(); }

  // What is done depends on the seed alone, so every number is drawn, used or not.
  void Step() {
    std::uint32_t r[6];
    for (std::uint32_t& number : r) number = static_cast<std::uint32_t>(random_());
    const std::size_t i = r[0] % Life::kStates;
    switch (r[1] % 60) {
      case 0:
        ++totals_.host["reconfigured"];
        return life_->Configure(r[2], r[3], r[4]);
      case 1:
        ++totals_.host["states replaced"];
        return life_->Replace(i, r[2] % 2 == 0);
      case 2:
      case 3:
      case 4:
        ++totals_.host["callouts told to go"];
        return life_->Cancel(i, r[2]);
      case 5:
        return life_->LookAround(r[2]);
      case 6:
        ++totals_.host["sessions closed"];
        return life_->CloseSession(i);
      case 7:
        if (r[2] % 4 != 0) return;
        ++totals_.host["plugins replaced"];
        life_->End(r[3] % 20, r[4] % 2 == 0);
        return Begin();
      default:
        ++totals_.host["callouts"];
        return life_->Start(i, std::to_string(r[2] % 1'000'000), r[3] % 3 == 0);
    }
  }

  void End() {
    life_->End(10'000, false);
    life_.reset();
    const msys_pool_stats& p = totals_.pools;
    EXPECT_EQ(p.invocations, totals_.shadow["started"]);
    EXPECT_EQ(p.submitted, totals_.shadow["submitted"]);
    // Those of runInInst are in no pool.
    EXPECT_GE(ledger.submitted(), p.submitted - p.refused);
    EXPECT_EQ(ledger.submitted(), ledger.ended(MSYS_OUTCOME_DONE) +
                                      ledger.ended(MSYS_OUTCOME_FAILED) +
                                      ledger.ended(MSYS_OUTCOME_CANCELLED));
    std::printf("jobs: %llu submitted, %llu done, %llu failed, %llu cancelled, %llu "
                "refused\n",
                Number(p.submitted), Number(p.done), Number(p.failed),
                Number(p.cancelled), Number(p.refused));
    Print("host", totals_.host);
    Print("policies", totals_.did);
    Print("count", totals_.shadow);
  }

 private:
  static unsigned long long Number(std::uint64_t n) { return n; }
  static void Print(const char* what, const Counts& counts) {
    for (const auto& [name, count] : counts) {
      std::printf("%s: %s %llu\n", what, name.c_str(), Number(count));
    }
  }
  void Begin() {
    life_.reset();
    life_ = std::make_unique<Life>(host_, totals_, policy_,
                                   ++lives_ % 3 == 0 ? MSYS_COMPLETION_RETURNS_RESULTS
                                                     : MSYS_COMPLETION_RETURNS_JOB);
  }

  const std::string policy_ = Policy();
  std::mt19937 random_;
  FakeHost host_{2};
  Totals totals_;
  int lives_ = 0;
  std::unique_ptr<Life> life_;
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
  while (std::chrono::steady_clock::now() < end && !testing::Test::HasFailure() &&
         ledger.error().empty()) {
    stress.Step();
  }
  stress.End();
}

}  // namespace
}  // namespace msys::test
