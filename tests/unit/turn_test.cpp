// The turn, with executors that only take notes: every interleaving is made by
// hand.  turn_torture_test.cpp tries the others.
#include "turn.h"

#include "pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace msys {
namespace {

class Notes final : public Executor {
 public:
  explicit Notes(bool is_loop) : Executor(is_loop) {}
  bool Wake(Lane& lane, Worker*) override {
    woken.push_back(&lane);
    return has_threads;
  }
  Lane* Next() {
    if (woken.empty()) return nullptr;
    Lane* lane = woken.front();
    woken.pop_front();
    return lane;
  }

  std::deque<Lane*> woken;
  bool has_threads = true;
};

class NoRunner final : public LaneRunner {
  void RunLane(Lane&, Worker*) override { FAIL() << "nothing runs lanes here"; }
};

class TurnTest : public testing::Test {
 protected:
  std::unique_ptr<Lane> NewLane(Notes& executor) {
    auto lane = std::make_unique<Lane>(turn, executor, runner);
    EXPECT_TRUE(lane->Push(&works.emplace_back()));
    return lane;
  }
  // Returns when the thread waits for the turn.
  std::jthread StartLeaving(std::atomic<bool>& has_it) {
    std::jthread thread([&] {
      turn.TakeWaiting();
      has_it = true;
    });
    while (!turn.urgent()) std::this_thread::yield();
    return thread;
  }

  // The thread waits, or will soon, with a place among those who do.
  std::jthread StartWaiting(std::atomic<bool>& has_it) {
    return std::jthread([&] {
      turn.TakeWaiting();
      has_it = true;
    });
  }
  // The same for a worker whose lane has been passed too often.
  std::jthread StartPassed(Lane& lane) {
    std::jthread thread([&] {
      Worker self{};
      EXPECT_TRUE(turn.TakeOrPark(lane, &self));
    });
    while (!turn.urgent()) std::this_thread::yield();
    return thread;
  }

  NoRunner runner;
  Notes pool{false};
  Notes loop{true};
  Turn turn;
  std::deque<Work> works;
};

TEST_F(TurnTest, T1_AHeldTurnIsNotGivenAgain) {
  ASSERT_TRUE(turn.TryTake());
  EXPECT_FALSE(turn.TryTake());
  auto lane = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*lane));
  turn.Release(nullptr);
  EXPECT_TRUE(turn.TryTake());
  turn.Release(nullptr);
}

TEST_F(TurnTest, T1_EverythingBeforeTheReleaseIsSeenByTheNextHolder) {
  int shadow = 0;  // not atomic: TSan would tell
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000;) {
        if (!turn.TryTake()) continue;
        ++shadow;
        ++i;
        turn.Release(nullptr);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(shadow, 40'000);
}

TEST_F(TurnTest, T2_TurnGoesOnlyToAThreadThatWaits) {
  // A lane is no thread: the turn is freed and its thread sent for.
  ASSERT_TRUE(turn.TryTake());
  auto lane = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*lane));
  turn.Release(nullptr);
  ASSERT_EQ(pool.Next(), lane.get());
  EXPECT_TRUE(turn.TryTake()) << "the turn was given to a lane";

  // A thread that leaves a region is one: it gets the turn itself.
  std::atomic<bool> has_it{false};
  auto thread = StartLeaving(has_it);
  EXPECT_FALSE(has_it);
  turn.Release(nullptr);
  thread.join();
  EXPECT_TRUE(has_it);
  EXPECT_FALSE(turn.TryTake());
  turn.Release(nullptr);
}

TEST_F(TurnTest, T3_ALoopDoesNotWaitAndIsPostedWhenTheTurnIsFree) {
  ASSERT_TRUE(turn.TryTake());
  auto lane = NewLane(loop);
  EXPECT_FALSE(turn.TakeOrPark(*lane));  // returns at once
  EXPECT_TRUE(turn.urgent());
  EXPECT_EQ(loop.Next(), nullptr);
  turn.Release(nullptr);
  ASSERT_EQ(loop.Next(), lane.get());
  EXPECT_TRUE(turn.TakeOrPark(*lane));
  EXPECT_FALSE(turn.urgent());
  turn.Release(nullptr);
  EXPECT_EQ(loop.Next(), nullptr);
}

TEST_F(TurnTest, T3_AwakeWorkersDoNotStealTheTurnFromALoop) {
  ASSERT_TRUE(turn.TryTake());
  auto home = NewLane(loop);
  auto lane = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*home));
  turn.Release(nullptr);  // the loop has been told to come
  EXPECT_FALSE(turn.TryTake());
  EXPECT_FALSE(turn.TakeOrPark(*lane));
  EXPECT_TRUE(turn.TakeOrPark(*home));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), lane.get());
}

TEST_F(TurnTest, T4_ABusyStatesLaneIsParkedAndItsPlaceKept) {
  ASSERT_TRUE(turn.TryTake());
  auto first = NewLane(pool);
  auto second = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*first));
  EXPECT_FALSE(turn.TakeOrPark(*second));
  EXPECT_TRUE(first->was_parked);
  turn.Release(nullptr);
  ASSERT_EQ(pool.Next(), first.get());
  ASSERT_TRUE(turn.TryTake());  // somebody comes first
  EXPECT_FALSE(turn.TakeOrPark(*first));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), first.get()) << "it has lost its place";
  EXPECT_TRUE(turn.TakeOrPark(*first));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), second.get());
}

TEST_F(TurnTest, T6_LeavingARegionGoesAheadOfParkedLanes) {
  ASSERT_TRUE(turn.TryTake());
  auto parked = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*parked));
  std::atomic<bool> has_it{false};
  auto thread = StartLeaving(has_it);
  turn.Release(nullptr);
  thread.join();
  EXPECT_TRUE(has_it);
  EXPECT_EQ(pool.Next(), nullptr);
  turn.Release(nullptr);  // on behalf of the thread
  EXPECT_EQ(pool.Next(), parked.get());
}

TEST_F(TurnTest, T7_ArrivalOrderAndOneWakeForEachRelease) {
  ASSERT_TRUE(turn.TryTake());
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < 10; ++i) {
    lanes.push_back(NewLane(pool));
    EXPECT_FALSE(turn.TakeOrPark(*lanes.back()));
  }
  turn.Release(nullptr);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(pool.woken.size(), 1u) << "exactly one at a time";
    ASSERT_EQ(pool.Next(), lanes[i].get());
    ASSERT_TRUE(turn.TakeOrPark(*lanes[i]));
    turn.Release(nullptr);
  }
  EXPECT_TRUE(pool.woken.empty());
}

TEST_F(TurnTest, T7_LoopsAndLeavingThreadsByArrival) {
  ASSERT_TRUE(turn.TryTake());
  auto home = NewLane(loop);
  EXPECT_FALSE(turn.TakeOrPark(*home));
  std::atomic<bool> has_it{false};
  std::jthread thread([&] {
    turn.TakeWaiting();
    has_it = true;
  });
  turn.Release(nullptr);
  // The thread may come before or after the release: the loop was first.
  ASSERT_EQ(loop.Next(), home.get());
  EXPECT_FALSE(has_it);
  ASSERT_TRUE(turn.TakeOrPark(*home));
  turn.Release(nullptr);
  thread.join();
  EXPECT_TRUE(has_it);
  turn.Release(nullptr);
}

TEST_F(TurnTest, T7_PoolLanesDoNotStarveBehindALoop) {
  ASSERT_TRUE(turn.TryTake());
  auto starving = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*starving));
  auto home = NewLane(loop);
  int rounds = 0;
  for (; pool.woken.empty() && rounds < 1000; ++rounds) {
    // The loop always wants the turn again before it is free.
    EXPECT_FALSE(turn.TakeOrPark(*home));
    turn.Release(nullptr);
    ASSERT_EQ(loop.Next(), home.get());
    ASSERT_TRUE(turn.TakeOrPark(*home));
  }
  EXPECT_LE(rounds, Turn::kMaxPassed);
  ASSERT_EQ(pool.Next(), starving.get());

  // Its thread finds the turn taken, and waits in line.
  std::jthread worker = StartPassed(*starving);
  EXPECT_FALSE(turn.TakeOrPark(*home));  // behind it
  turn.Release(nullptr);
  worker.join();
  EXPECT_EQ(loop.Next(), nullptr);
  turn.Release(nullptr);  // on behalf of the worker
  EXPECT_EQ(loop.Next(), home.get());
}

TEST_F(TurnTest, T7_ALaneThatIsAlwaysTooLateWaitsInLineAtLast) {
  ASSERT_TRUE(turn.TryTake());
  auto late = NewLane(pool);
  Worker self{};
  for (int i = 0; i < Turn::kMaxMisses; ++i) {
    EXPECT_FALSE(turn.TakeOrPark(*late, &self)) << i;
    turn.Release(nullptr);
    ASSERT_EQ(pool.Next(), late.get());
    ASSERT_TRUE(turn.TryTake());  // somebody comes first
  }
  std::jthread worker = StartPassed(*late);
  turn.Release(nullptr);
  worker.join();
  EXPECT_FALSE(turn.TryTake());
  EXPECT_EQ(late->misses, 0);
  turn.Release(nullptr);
}

TEST_F(TurnTest, I2_NobodyWhoWaitsDependsOnAThreadThatIsOnlySentFor) {
  ASSERT_TRUE(turn.TryTake());
  auto lane = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*lane));
  auto home = NewLane(loop);
  // However often: pool's thread never comes.
  for (int i = 0; i < 5 * Turn::kMaxPassed; ++i) {
    EXPECT_FALSE(turn.TakeOrPark(*home));
    std::atomic<bool> has_it{false};
    auto thread = StartWaiting(has_it);
    turn.Release(nullptr);
    ASSERT_EQ(loop.Next(), home.get()) << "round " << i;
    ASSERT_TRUE(turn.TakeOrPark(*home));
    turn.Release(nullptr);
    thread.join();
    ASSERT_TRUE(has_it);
  }
  turn.Release(nullptr);
}

TEST_F(TurnTest, T7_AHomeLoopThatRunsAPoolsLaneIsServedAsALoop) {
  ASSERT_TRUE(turn.TryTake());
  auto lane = NewLane(pool);
  lane->via = &loop;
  EXPECT_FALSE(turn.TakeOrPark(*lane));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), nullptr);
  ASSERT_EQ(loop.Next(), lane.get());
  EXPECT_FALSE(turn.TryTake()) << "it is due to the loop";
  ASSERT_TRUE(turn.TakeOrPark(*lane));
  EXPECT_EQ(lane->via, &pool);
  turn.Release(nullptr);
}

TEST_F(TurnTest, T7_APoolWithoutThreadsPassesTheWakeOn) {
  Notes full{false};
  full.has_threads = false;
  ASSERT_TRUE(turn.TryTake());
  auto waits_in_pool = NewLane(full);
  auto other = NewLane(pool);
  EXPECT_FALSE(turn.TakeOrPark(*waits_in_pool));
  EXPECT_FALSE(turn.TakeOrPark(*other));
  turn.Release(nullptr);
  EXPECT_EQ(full.Next(), waits_in_pool.get());
  EXPECT_EQ(pool.Next(), other.get()) << "a free state with a forgotten waiter";
}

TEST_F(TurnTest, ReadyLanesWaitUntilTheHolderReleases) {
  ASSERT_TRUE(turn.TryTake());
  auto a = NewLane(pool);
  auto b = NewLane(loop);
  turn.Ready(*a);
  turn.Ready(*b);
  EXPECT_TRUE(pool.woken.empty() && loop.woken.empty());
  turn.Release(nullptr);
  ASSERT_EQ(loop.Next(), b.get()) << "loops go first";
  ASSERT_TRUE(turn.TakeOrPark(*b));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), a.get());
}

TEST_F(TurnTest, SubmitSendsForAThreadOrParks) {
  auto a = NewLane(pool);
  turn.Submit(*a);
  EXPECT_EQ(pool.Next(), a.get());
  auto home = NewLane(loop);
  turn.Submit(*home);
  EXPECT_EQ(loop.Next(), home.get());
  EXPECT_FALSE(turn.TryTake()) << "it is due to the loop";
  EXPECT_FALSE(turn.TakeOrPark(*a));
  ASSERT_TRUE(turn.TakeOrPark(*home));
  auto b = NewLane(pool);
  turn.Submit(*b);  // held: it waits behind a
  turn.Release(nullptr);
  ASSERT_EQ(pool.Next(), a.get());
  ASSERT_TRUE(turn.TakeOrPark(*a));
  turn.Release(nullptr);
  EXPECT_EQ(pool.Next(), b.get());
}

// What it has been through is not held in its favour the next time.
TEST_F(TurnTest, ALaneThatNeedNotWaitForgetsItsPlaceAndItsMisses) {
  ASSERT_TRUE(turn.TryTake());
  const auto lane = NewLane(pool);
  Worker self{};
  ASSERT_FALSE(turn.TakeOrPark(*lane, &self));
  ASSERT_EQ(lane->misses, 1);
  EXPECT_TRUE(turn.Forget(*lane));
  EXPECT_EQ(lane->misses, 0);
  EXPECT_EQ(lane->ticket, 0u);
  EXPECT_FALSE(turn.Forget(*lane)) << "it is not here any more";
  turn.Release(nullptr);
  EXPECT_TRUE(pool.woken.empty());
}

}  // namespace
}  // namespace msys
