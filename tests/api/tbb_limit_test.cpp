// A process in which somebody else limits TBB: a program of its own, since TBB's
// settings are the process's.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include <memory>
#include <thread>
#include <vector>

#include "gates.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

TEST(TbbLimitTest, FewerThreadsThanThePoolsAskForIsSaidAndWorks) {
  const tbb::global_control others(tbb::global_control::max_allowed_parallelism, 3);
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 8}});
  EXPECT_EQ(host.Logged({"limits TBB"}), 0u) << "nothing is claimed before attach";
  TestState state(plugin);
  EXPECT_EQ(host.Logged({"pool: the pools may use 83 threads, but another part of this "
                         "process limits TBB to 2: jobs will wait longer"}),
            1u);
  EXPECT_EQ(state.Run(R"(
    local done = 0
    for _ = 1, 50 do msys.runInPool('wide', function() done = done + 1 end, true) end
    while done < 50 do msys.sleep(0) end
    return done)").text(), "OK 50");
  ASSERT_EQ(plugin.Configure({{"wide", 9}}), MSYS_OK);
  EXPECT_EQ(host.Logged({"may use 84 threads"}), 1u) << "said once for each change";
}

// One thread for all pools, and it waits for the turn again and again: whoever
// waits with it must not be kept waiting for a second one, which does not come.
TEST(TbbLimitTest, NobodyWaitsForAThreadThatCannotCome) {
  const tbb::global_control others(tbb::global_control::max_allowed_parallelism, 2);
  FakeHost host;
  TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host);
  TestState state(plugin);
  state.Run("stop = false; ran = 0");
  std::vector<std::unique_ptr<Running>> scripts;
  for (int i = 0; i < 40; ++i) {
    scripts.push_back(state.Start(R"(
      while not stop do
        local sum = 0
        for i = 1, 3000 do sum = sum + i end
        msys.sleep(0)
      end)"));
  }
  auto job = state.Start(R"(
    return msys.runInPool('IO', function() while not stop do msys.sleep(0) end end)
  )");
  EXPECT_EQ(state.Run(R"(
    for _, pool in ipairs{'CPU', 'SwapOut', 'SwapIn', 'Unlink', 'Batch_Unlink', 'SpoolIn'} do
      msys.runInPool(pool, function() ran = ran + 1 end, true)
      msys.sleep(0.01)
    end
    for _ = 1, 200 do msys.sleep(0) end
    stop = true
    return 'the loop went on')").text(), "OK the loop went on");
  EXPECT_EQ(job->Wait().text(), "OK true");
  for (auto& script : scripts) EXPECT_EQ(script->Wait().text(), "OK");
  EXPECT_EQ(state.Run("while ran < 6 do msys.sleep(0) end return ran").text(), "OK 6");
}

TEST(TbbLimitTest, APoolThatShrinksGivesBackThreadsThatNobodyHas) {
  const auto allowed = [] {
    return tbb::global_control::active_value(
        tbb::global_control::max_allowed_parallelism);
  };
  FakeHost host;
  TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host, {{"wide", 100}});
  TestState state(plugin);
  const std::size_t before = allowed();
  ASSERT_EQ(plugin.Configure({{"wide", 1}}), MSYS_OK);
  EXPECT_EQ(allowed(), before - 99);
}

// Workers of a pool that was made smaller keep their threads until they leave; the
// other pools have theirs meanwhile.
TEST(TbbLimitTest, APoolThatShrinksTakesNoThreadsFromOthers) {
  const auto allowed = [] {
    return tbb::global_control::active_value(
        tbb::global_control::max_allowed_parallelism);
  };
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 100}});
  Gates gates(api);
  TestState state(plugin, 0, "s", std::ref(gates));
  const std::size_t before = allowed();
  std::vector<std::unique_ptr<Running>> running;
  for (int i = 0; i < 100; ++i) {
    running.push_back(state.Start("msys.runInPool('wide', function() block('all') end)"));
  }
  gates["all"].AwaitArrivals(100);
  ASSERT_EQ(plugin.Configure({{"wide", 1}}), MSYS_OK);
  // Were 100 of the allowed threads not free, this would wait for them.
  EXPECT_EQ(state.Run("return msys.runInPool('CPU', function() return 'ran' end)").text(),
            "OK true ran");
  gates["all"].Open();
  for (auto& r : running) r->Wait();
  while (plugin.Stats("wide").threads > 1) std::this_thread::yield();
  ASSERT_EQ(plugin.Configure({}), MSYS_OK);
  EXPECT_LT(allowed(), before) << "from the next change on";
}

}  // namespace
}  // namespace msys::test
