// A host that has used oneTBB before it loads the plugin: oneTBB has decided by
// then how many threads are enough for the host, which is not what pools need.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <string>
#include <thread>

#include "gates.h"

namespace msys::test {
namespace {

// Needs threads, and leaves them in oneTBB's hands.
void UseTbb() {
  std::atomic<int> sum{0};
  tbb::parallel_for(0, 1000, [&](int i) { sum += i; });
  tbb::task_arena own(4);
  own.execute([&] { tbb::parallel_for(0, 1000, [&](int i) { sum += i; }); });
  ASSERT_EQ(sum, 999'000);
}

// `at_once` of `count` closures run at a time, and all of them in the end.
void ExpectAtOnce(TestPlugin& plugin, TestState& state, Gates& gates, int count,
                  int at_once) {
  const std::string many = std::to_string(count);
  ASSERT_EQ(state.Run("for i = 1, " + many + " do"
                      "  msys.runInPool('wide', block, true) end").text(), "OK");
  gates["block"].AwaitArrivals(at_once);
  gates["block"].Open();
  while (plugin.Stats("wide").done < static_cast<std::uint64_t>(count)) {
    std::this_thread::yield();
  }
}

// First of all, as long as oneTBB has not been used in this process.
TEST(TbbBeforeTest, MoreThanTbbWouldHaveWhenThePluginIsFirst) {
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 10}});
  Gates gates(api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(plugin.Configure({{"wide", 400}}), MSYS_OK);
  ExpectAtOnce(plugin, state, gates, 400, 400);
}

TEST(TbbBeforeTest, ThePoolsGetTheirThreadsNevertheless) {
  UseTbb();
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 40}});
  Gates gates(api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ExpectAtOnce(plugin, state, gates, 40, 40);
  UseTbb();
}

// oneTBB has decided by then that it will never have more than 256 threads: jobs
// wait for those there are.
TEST(TbbBeforeTest, MoreThanTbbWillEverHave) {
  UseTbb();
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 400}});
  Gates gates(api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ExpectAtOnce(plugin, state, gates, 400, 250);
}

// Where oneTBB would use more threads than the pools need, it goes on doing so.
TEST(TbbBeforeTest, TheHostKeepsItsThreads) {
  const tbb::global_control hosts(tbb::global_control::max_allowed_parallelism, 200);
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host);
  TestState state(plugin);
  const auto allowed = [] {
    return tbb::global_control::active_value(
        tbb::global_control::max_allowed_parallelism);
  };
  EXPECT_EQ(allowed(), 200u);
  ASSERT_EQ(plugin.Configure({{"IO", 1}}), MSYS_OK);
  EXPECT_EQ(allowed(), 200u);
}

// By the thread that has entered an arena.  One of oneTBB's own must not wait there
// (plugin.h): when nothing of its arena is left to do oneTBB counts it as free, and
// sends nobody else for the job.
TEST(TbbBeforeTest, ACallFromInsideOfTbb) {
  UseTbb();
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host);
  TestState state(plugin);
  tbb::task_arena arena(2);
  arena.execute([&] {
    tbb::parallel_for(0, 100, [](int) {});
    EXPECT_EQ(state.Run("return msys.runInPool('CPU', function() return 1 end)").text(),
              "OK true 1");
    tbb::parallel_for(0, 100, [](int) {});
  });
}

}  // namespace
}  // namespace msys::test
