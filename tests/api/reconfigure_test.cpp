// Pools whose configuration changes while they work.
#include <gtest/gtest.h>

#include <set>

#include "gates.h"
#include "test_plugin.h"
#include "threads.h"

namespace msys::test {
namespace {

class ReconfigureTest : public testing::Test {
 protected:
  const msys_api& api_ = *msys_plugin_entry(MSYS_ABI_MAJOR);
  Gates gates_{api_};
  FakeHost host_{2};
  TestPlugin plugin_{api_, host_, {{"live", 4}}};

  std::unique_ptr<TestState> NewState(const std::string& name, std::uint32_t loop = 0) {
    return std::make_unique<TestState>(plugin_, loop, name,
                                       std::ref(gates_));
  }
  // `count` closures that stop at the gate, each in a blocking region.
  std::vector<std::unique_ptr<Running>> Block(TestState& state, int count,
                                              const std::string& gate) {
    std::vector<std::unique_ptr<Running>> running;
    for (int i = 0; i < count; ++i) {
      running.push_back(state.Start("return msys.runInPool('live', function() block('" +
                                    gate + "') return msys.threadpool.current() end)"));
    }
    return running;
  }
};

TEST_F(ReconfigureTest, ThreadsOfThePoolsNameFollowUpAndDown) {
  auto state = NewState("s");
  for (const std::uint32_t n : {4u, 7u, 2u, 5u, 1u, 6u}) {
    ASSERT_EQ(plugin_.Configure({{"live", n}}), MSYS_OK);
    const std::string gate = "names" + std::to_string(n);
    // More jobs than threads, so that all threads have one.
    const auto running = Block(*state, static_cast<int>(n) + 3, gate);
    gates_[gate].AwaitArrivals(static_cast<int>(n));
    // The loop may have yet to run the last of the callouts: the state was busy.
    while (plugin_.Stats("live").queued < 3) std::this_thread::yield();
    AwaitThreads("live/", n);
    EXPECT_EQ(plugin_.Stats("live").threads, n);
    EXPECT_EQ(plugin_.Stats("live").running, n);
    EXPECT_EQ(plugin_.Stats("live").queued, 3u);
    EXPECT_EQ(plugin_.Stats("live").concurrency, n);
    gates_[gate].Open();
    for (const auto& callout : running) {
      EXPECT_EQ(callout->Wait().values.at(0), "true");
      EXPECT_LE(std::stoul(callout->Wait().values.at(2)), n) << "worker's number";
    }
    // One that is still there may serve its last lane above the next limit.
    while (plugin_.Stats("live").threads > 0) std::this_thread::yield();
  }
  AwaitThreads("live/", 0);
}

TEST_F(ReconfigureTest, AWorkerAboveTheLimitLeavesAndOneBelowTakesOver) {
  auto state = NewState("s");
  auto running = Block(*state, 4, "all four");
  gates_["all four"].AwaitArrivals(4);
  ASSERT_EQ(plugin_.Configure({{"live", 2}}), MSYS_OK);
  auto queued = Block(*state, 40, "open");
  gates_["open"].Open();
  EXPECT_EQ(CountThreads("live/"), 4u) << "they keep their jobs";
  gates_["all four"].Open();
  for (auto& callout : running) EXPECT_EQ(callout->Wait().values.at(0), "true");
  std::set<std::string> workers;
  for (auto& callout : queued) workers.insert(callout->Wait().values.at(2));
  workers.erase("3");  // may have taken one before it left
  workers.erase("4");
  EXPECT_LE(workers.size(), 2u);
  auto after = Block(*state, 3, "after");
  gates_["after"].AwaitArrivals(2);
  AwaitThreads("live/", 2);
  gates_["after"].Open();
  for (auto& callout : after) {
    EXPECT_LE(std::stoul(callout->Wait().values.at(2)), 2u);
  }
}

// The last one that is left has the highest number.
TEST_F(ReconfigureTest, TheLowestNumberTakesOver) {
  ASSERT_EQ(plugin_.Configure({{"live", 3}}), MSYS_OK);
  std::vector<std::unique_ptr<TestState>> states;
  std::vector<std::unique_ptr<Running>> running;
  for (const char* name : {"1", "2", "3", "next"}) {
    states.push_back(NewState(name));
    running.push_back(states.back()->Start(
        "return msys.runInPool('live', function() block('" + std::string(name) +
        "') return msys.threadpool.current() end)"));
    if (running.size() <= 3) gates_[name].AwaitArrivals();
  }
  ASSERT_EQ(plugin_.Configure({{"live", 1}}), MSYS_OK);
  gates_["1"].Open();
  gates_["2"].Open();
  while (plugin_.Stats("live").threads > 1) std::this_thread::yield();
  gates_["3"].Open();
  gates_["next"].Open();
  for (const char* worker : {"1", "2", "3", "1"}) {
    EXPECT_EQ(running[0]->Wait().text(), "OK true live " + std::string(worker));
    running.erase(running.begin());
  }
}

TEST_F(ReconfigureTest, RaisingItStartsWhatWaits) {
  auto state = NewState("s");
  ASSERT_EQ(plugin_.Configure({{"live", 1}}), MSYS_OK);
  auto first = Block(*state, 1, "first");
  gates_["first"].AwaitArrivals();
  // Another state's, which the busy worker is not needed for.
  auto other = NewState("other");
  auto second = Block(*other, 1, "second");
  EXPECT_EQ(gates_["second"].arrived(), 0);
  ASSERT_EQ(plugin_.Configure({{"live", 2}}), MSYS_OK);
  gates_["second"].AwaitArrivals();
  gates_["first"].Open();
  gates_["second"].Open();
}

TEST_F(ReconfigureTest, ToZeroAndBack) {
  auto state = NewState("s");
  auto inside = Block(*state, 4, "inside");
  gates_["inside"].AwaitArrivals(4);
  auto queued = Block(*state, 3, "open");
  gates_["open"].Open();
  ASSERT_EQ(plugin_.Configure({{"live", 0}}), MSYS_OK);
  gates_["inside"].Open();
  for (auto& callout : inside) EXPECT_EQ(callout->Wait().values.at(0), "true");
  for (auto& callout : queued) EXPECT_EQ(callout->Wait().values.at(0), "true");
  AwaitThreads("live/", 0);
  EXPECT_EQ(state->Run("return msys.runInPool('live', msys.threadpool.current)").text(),
            "OK true nil");
  ASSERT_EQ(plugin_.Configure({{"live", 1}}), MSYS_OK);
  EXPECT_EQ(state->Run("return msys.runInPool('live', msys.threadpool.current)").text(),
            "OK true live 1");
}

TEST_F(ReconfigureTest, NothingIsLostOrRunTwice) {
  constexpr int kStates = 3;
  constexpr int kJobs = 10'000;
  std::vector<std::unique_ptr<TestState>> states;
  std::vector<std::unique_ptr<Running>> running;
  for (int i = 0; i < kStates; ++i) {
    states.push_back(NewState("s" + std::to_string(i), i % 2));
    running.push_back(states.back()->Start(R"(
      local ran, twice, ended = {}, 0, 0
      for i = 1, 10000 do
        local function work()
          if ran[i] then twice = twice + 1 end
          ran[i] = true
          if i % 5 == 0 then msys.sleep(0) end
          if i % 7 == 0 then msys.runInPool('live', function() end) end
          ended = ended + 1
        end
        if i % 3 == 0 then msys.runInPool('live', work)
        else msys.runInPool('live', work, true) end
      end
      msys.runInPool('SpoolIn', function() end)
      while msys.threadpool.stat('live').submitted == 0 do msys.sleep(0) end
      -- One that had only begun would have its own call refused by the detach.
      while ended < 10000 do msys.sleep(0) end
      return twice)"));
  }
  const std::uint32_t sizes[] = {1, 8, 0, 3, 0, 1, 16, 2};
  std::size_t step = 0;
  int made = 0;
  for (bool busy = true; busy; ++step) {
    ASSERT_EQ(plugin_.Configure({{"live", sizes[step % std::size(sizes)]}}), MSYS_OK);
    if (step % 16 == 0 && made < 30) {
      ASSERT_EQ(plugin_.Configure({{"new" + std::to_string(made++), 1}}), MSYS_OK);
    }
    std::this_thread::yield();
    busy = false;
    for (const auto& callout : running) busy = busy || !callout->done();
  }
  for (const auto& callout : running) EXPECT_EQ(callout->Wait().text(), "OK 0");
  EXPECT_GT(step, 10u);
  states.clear();  // waits for what is left
  const msys_pool_stats stats = plugin_.Stats("live");
  EXPECT_EQ(stats.done, stats.submitted);
  EXPECT_EQ(stats.submitted, kStates * (kJobs + kJobs / 7u));
  EXPECT_EQ(stats.failed + stats.cancelled + stats.refused, 0u);
  EXPECT_LE(stats.saturation, 1.0);
}

TEST_F(ReconfigureTest, ANewPoolIsThereForStatesThatAreAttached) {
  auto state = NewState("s");
  EXPECT_EQ(state->Run("return msys.threadpool.find('late')").text(), "OK nil");
  const std::string before = state->Run("return msys.threadpool.count()").text();
  ASSERT_EQ(plugin_.Configure({{"late", 2}}), MSYS_OK);
  EXPECT_EQ(state->Run("return msys.runInPool('LATE', msys.threadpool.current)").text(),
            "OK true late 1");
  EXPECT_EQ(state->Run("return msys.threadpool.find('late').id >= 10").text(), "OK true");
  EXPECT_NE(state->Run("return msys.threadpool.count()").text(), before);
}

TEST_F(ReconfigureTest, FiguresAreRightAfterwards) {
  auto state = NewState("s");
  ASSERT_EQ(plugin_.Configure({{"live", 2}}), MSYS_OK);
  EXPECT_EQ(state->Run(R"(
    for _ = 1, 10 do msys.runInPool('live', function() end) end
    local s = msys.threadpool.stat('live')
    return s.concurrency, s.invocations, s.saturation >= 0.5 and s.saturation <= 1)")
                .text(),
            "OK 2 10 true");
  ASSERT_EQ(plugin_.Configure({{"live", 100}}), MSYS_OK);
  EXPECT_EQ(state->Run(R"(
    for _ = 1, 990 do msys.runInPool('live', function() end) end
    local s = msys.threadpool.stat('live')
    return s.concurrency, s.invocations, s.saturation < 0.1)").text(),
            "OK 100 1000 true");
}

TEST_F(ReconfigureTest, ABadConfigurationChangesNothing) {
  auto state = NewState("s");
  EXPECT_NE(plugin_.Configure({{"live", 1}, {"other", 5000}}), MSYS_OK);
  EXPECT_NE(plugin_.Configure({{"live", 1}, {"no good", 1}}), MSYS_OK);
  EXPECT_NE(plugin_.Configure({{"live", 1}, {"LIVE", 2}}), MSYS_OK);
  EXPECT_EQ(plugin_.Stats("live").concurrency, 4u);
  EXPECT_EQ(state->Run("return msys.threadpool.find('other')").text(), "OK nil");
}

TEST_F(ReconfigureTest, WhatIsFixedWhileItRunsIsSaid) {
  auto state = NewState("s");
  ASSERT_EQ(plugin_.Configure({{"live", 4, 10}}), MSYS_OK);
  EXPECT_EQ(host_.Logged({"pool: live: its backlog stays 0"}), 1u);
  const msys_pool_config pool{sizeof pool, 4, "live", MSYS_UNSET, 4096};
  const msys_config config{sizeof config, 1, &pool, 0};
  ASSERT_EQ(api_.configure(plugin_.handle, &config, nullptr), MSYS_OK);
  EXPECT_EQ(host_.Logged({"pool: live: stack size 4096 KiB", "restart"}), 1u);
}

}  // namespace
}  // namespace msys::test
