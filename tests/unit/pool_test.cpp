#include "pool.h"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "engine.h"
#include "fake_host.h"
#include "gate.h"
#include "pool_set.h"
#include "turn.h"

namespace msys {
namespace {

using test::FakeHost;
using test::Gate;

// A state whose jobs are functions.
class FakeState final : public LaneRunner {
 public:
  FakeState(Pool& pool, Loop& home) : lane_(turn_, pool, *this, home) {}

  void Submit(std::function<void()> f, std::uint64_t order = 0) {
    auto* job = new Job{std::move(f), {}};
    job->work.owner = job;
    job->work.order = order;
    if (lane_.Push(&job->work)) turn_.Submit(lane_);
  }
  void RunLane(Lane& lane, Worker* self) override {
    Work* work = nullptr;
    lane.ForEach([&](Work* w) {
      work = w;
      return false;
    });
    if (work != nullptr && lane.Remove(work)) {
      const std::unique_ptr<Job> job(&Work::OwnerOf<Job>(work));
      job->f();
    }
    if (lane.Settle()) turn_.Ready(lane);
    turn_.Release(self);
  }

  Turn& turn() { return turn_; }

 private:
  struct Job {
    std::function<void()> f;
    Work work;
  };
  Turn turn_;
  PoolLane lane_;
};

class PoolTest : public testing::Test {
 protected:
  ~PoolTest() override {
    for (auto& pool : pools_) AwaitRest(*pool);
    states_.clear();
  }
  Pool& NewPool(std::uint32_t concurrency, std::uint32_t backlog = 0) {
    pools_.push_back(std::make_unique<Pool>(host_, "IO", 1,
                                            Pool::Limits{concurrency, backlog, 0}));
    return *pools_.back();
  }
  FakeState& NewState(Pool& pool) {
    states_.push_back(std::make_unique<FakeState>(pool, home_));
    return *states_.back();
  }
  static void AwaitRest(Pool& pool) {
    while (!pool.AtRest()) std::this_thread::yield();
  }

  FakeHost fake_;
  Host host_{fake_.Abi()};
  Loop home_{host_, 0};
  tbb::global_control threads_{tbb::global_control::max_allowed_parallelism, 64};
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<std::unique_ptr<FakeState>> states_;
};

TEST_F(PoolTest, TenThousandJobsOfOneStateStartInOrder) {
  Pool& pool = NewPool(1);
  FakeState& state = NewState(pool);
  std::vector<int> order;
  Gate done;
  for (int i = 0; i < 10'000; ++i) {
    state.Submit([&, i] { order.push_back(i); });
  }
  state.Submit([&] { done.Pass(); });
  done.AwaitArrivals();
  done.Open();
  AwaitRest(pool);
  ASSERT_EQ(order.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(order[i], i);
}

TEST_F(PoolTest, TenThousandJobsOfTenThousandStatesStartInOrder) {
  Pool& pool = NewPool(1);
  Gate hold, done;
  NewState(pool).Submit([&] { hold.Pass(); });
  hold.AwaitArrivals();
  std::vector<int> order;
  for (int i = 0; i < 10'000; ++i) {
    NewState(pool).Submit([&, i] { order.push_back(i); },
                          static_cast<std::uint64_t>(i) + 1);
  }
  NewState(pool).Submit([&] { done.Pass(); }, 10'001);
  hold.Open();
  done.AwaitArrivals();
  done.Open();
  AwaitRest(pool);
  ASSERT_EQ(order.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(order[i], i);
}

// On one CPU nearly every job comes while the worker of the one before looks once more.
TEST_F(PoolTest, AWorkerThatLooksRunsWhatComesOnce) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  Pool& pool = NewPool(3);
  FakeState& state = NewState(pool);
  FakeState& other = NewState(pool);
  std::atomic<int> runs{0};
  for (int i = 0; i < 20'000; i += 2) {
    state.Submit([&] { ++runs; });
    while (runs <= i) sched_yield();
    EXPECT_EQ(runs, i + 1);
    other.Submit([&] { ++runs; });
    while (runs <= i + 1) sched_yield();
    EXPECT_LE(pool.active(), 3u);
    EXPECT_EQ(runs, i + 2);
  }
  AwaitRest(pool);
  EXPECT_EQ(runs, 20'000);
  EXPECT_EQ(pool.active(), 0u);
}

// stop() does not wait for ever for a worker whose last job is over.
TEST_F(PoolTest, StopNamesTheWorkersThatAreStillOnTheirWayOut) {
  Engine engine(fake_.Abi(), MSYS_COMPLETION_RETURNS_JOB);
  std::string error;
  ASSERT_TRUE(engine.pools().Configure(nullptr, error)) << error;
  Pool& pool = *engine.pools().Find("SwapOut");
  Gate hold;
  std::optional<FakeState> first(std::in_place, pool, home_);
  std::optional<FakeState> second(std::in_place, pool, home_);
  first->Submit([&] { hold.Pass(); });
  second->Submit([&] { hold.Pass(); });
  hold.AwaitArrivals(2);
  EXPECT_FALSE(engine.Closable());
  EXPECT_EQ(engine.Stop(0, error), MSYS_E_BUSY);
  EXPECT_EQ(error, "call it again; still on their way out of their pools are SwapOut/1 "
                   "SwapOut/2");
  EXPECT_EQ(fake_.Logged({"stop", error}), 1u);
  fake_.On(0, [&] { EXPECT_EQ(engine.Stop(0, error), MSYS_E_BUSY) << "at once"; });
  hold.Open();
  EXPECT_EQ(engine.Stop(0, error), MSYS_OK);
  first.reset();
  second.reset();
}

TEST_F(PoolTest, ALaneThatIsForgottenHasLostItsPlace) {
  Pool& pool = NewPool(1);
  Gate hold;
  NewState(pool).Submit([&] { hold.Pass(); });
  hold.AwaitArrivals();
  FakeState& state = NewState(pool);
  Work work;
  PoolLane lane(state.turn(), pool, state, home_);
  ASSERT_TRUE(lane.Push(&work));
  lane.ticket = 7;  // it has waited for the turn, and come too late
  lane.misses = 3;
  EXPECT_FALSE(pool.Wake(lane, nullptr)) << "all threads are busy";
  ASSERT_TRUE(lane.Remove(&work));
  pool.Forget(lane);
  EXPECT_TRUE(lane.idle());
  EXPECT_EQ(lane.ticket, 0u);
  EXPECT_EQ(lane.misses, 0);
  hold.Open();
  AwaitRest(pool);  // until then a worker is at the gate
}

TEST_F(PoolTest, WhoLooksAtItsFiguresHoldsUpNobody) {
  Pool& pool = NewPool(1);
  FakeState& state = NewState(pool);
  int visits = 0;
  pool.ForEachLane([&](PoolLane&) {
    ++visits;
    Gate done;
    state.Submit([&] { done.Pass(); });
    done.AwaitArrivals();
    done.Open();
    AwaitRest(pool);
  });
  EXPECT_EQ(visits, 1);
}

TEST_F(PoolTest, NoMoreThreadsThanItsConcurrency) {
  Pool& pool = NewPool(3);
  std::atomic<int> inside{0}, most{0}, runs{0};
  Gate first_three;
  for (int i = 0; i < 100; ++i) {
    NewState(pool).Submit([&, i] {
      const int now = ++inside;
      int seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {}
      if (i < 3) first_three.Pass();
      --inside;
      ++runs;
    });
  }
  first_three.AwaitArrivals(3);  // so many it does have
  first_three.Open();
  while (runs < 100) std::this_thread::yield();
  AwaitRest(pool);
  EXPECT_EQ(most, 3);
}

TEST_F(PoolTest, ConcurrencyUpWithJobsInFlight) {
  Pool& pool = NewPool(1);
  Gate gate;
  std::atomic<int> runs{0};
  for (int i = 0; i < 5; ++i) {
    NewState(pool).Submit([&] { gate.Pass(); ++runs; });
  }
  gate.AwaitArrivals(1);
  EXPECT_EQ(gate.arrived(), 1);
  pool.SetConcurrency(5);
  gate.AwaitArrivals(5);  // the waiting ones got threads at once
  gate.Open();
  while (runs < 5) std::this_thread::yield();
  AwaitRest(pool);
}

TEST_F(PoolTest, ConcurrencyDownWithJobsInFlight) {
  Pool& pool = NewPool(4);
  Gate four;
  std::atomic<int> inside{0}, runs{0}, most{0};
  for (int i = 0; i < 4; ++i) NewState(pool).Submit([&] { four.Pass(); });
  four.AwaitArrivals(4);
  pool.SetConcurrency(1);
  for (int i = 0; i < 100; ++i) {
    NewState(pool).Submit([&] {
      const int now = ++inside;
      int seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {}
      --inside;
      ++runs;
    });
  }
  EXPECT_EQ(runs, 0) << "the four still have their threads";
  four.Open();
  while (runs < 100) std::this_thread::yield();
  AwaitRest(pool);
  EXPECT_EQ(most, 1);
}

// Also the one that could go on at once, with the next job of its own state.
TEST_F(PoolTest, TheWorkerAboveALoweredLimitLeaves) {
  Pool& pool = NewPool(2);
  FakeState& below = NewState(pool);
  FakeState& above = NewState(pool);
  Gate first, second;
  std::atomic<int> number{0}, next{0};
  below.Submit([&] { first.Pass(); });
  first.AwaitArrivals();
  above.Submit([&] {
    number = Worker::current()->number;
    second.Pass();
  });
  above.Submit([&] { next = Worker::current()->number; });
  second.AwaitArrivals();
  pool.SetConcurrency(1);
  first.Open();
  while (pool.active() > 1) std::this_thread::yield();
  EXPECT_EQ(number, 2);
  second.Open();
  while (next == 0) std::this_thread::yield();
  EXPECT_EQ(next, 1);
  AwaitRest(pool);
}

TEST_F(PoolTest, ConcurrencyUpAndDownLosesAndRepeatsNothing) {
  Pool& pool = NewPool(2);
  constexpr int kStates = 20, kJobs = 500;
  std::vector<std::vector<int>> seen(kStates);
  std::atomic<int> runs{0};
  for (int s = 0; s < kStates; ++s) NewState(pool);
  std::jthread changes([&](const std::stop_token& stop) {
    const std::uint32_t values[] = {1, 7, 0, 3, 0, 5, 2};
    for (unsigned i = 0; !stop.stop_requested(); ++i) {
      pool.SetConcurrency(values[i % std::size(values)]);
      std::this_thread::yield();
    }
  });
  for (int j = 0; j < kJobs; ++j) {
    for (int s = 0; s < kStates; ++s) {
      states_[s]->Submit([&, s, j] {
        seen[s].push_back(j);  // only one thread at a time is in a state
        ++runs;
      });
    }
  }
  while (runs < kStates * kJobs) std::this_thread::yield();
  changes.request_stop();
  changes.join();
  AwaitRest(pool);
  for (const auto& jobs : seen) {
    ASSERT_EQ(jobs.size(), std::size_t{kJobs});
    for (int j = 0; j < kJobs; ++j) ASSERT_EQ(jobs[j], j);
  }
  fake_.On(0, [] {});
}

TEST_F(PoolTest, ConcurrencyZeroRunsOnTheHomeLoop) {
  Pool& pool = NewPool(0);
  std::atomic<int> loop{-2};
  NewState(pool).Submit([&] { loop = FakeHost::CurrentLoop(); });
  while (loop == -2) std::this_thread::yield();
  EXPECT_EQ(loop, 0);
  fake_.On(0, [] {});
}

TEST_F(PoolTest, WhatWaitsBehindALongJobRunsOnTheHomeLoopWhenConcurrencyIsSetToZero) {
  Pool& pool = NewPool(1);
  Gate held, ran;
  NewState(pool).Submit([&] { held.Pass(); });
  held.AwaitArrivals();
  std::atomic<int> on_loop{0};
  const auto job = [&] { on_loop += FakeHost::CurrentLoop() == 0; };
  NewState(pool).Submit(job);
  NewState(pool).Submit(job);
  pool.SetConcurrency(0);
  NewState(pool).Submit(job);
  NewState(pool).Submit([&] { ran.Pass(); });
  ran.Open();
  ran.AwaitArrivals();
  EXPECT_EQ(on_loop, 3);
  held.Open();
  AwaitRest(pool);
  fake_.On(0, [] {});
}

TEST_F(PoolTest, WorkersBearTheirNameAndTakeNoAsynchronousSignals) {
  Pool& pool = NewPool(3);
  Gate gate;
  std::mutex mu;
  std::set<std::string> names;
  std::vector<std::string> wrong;
  for (int i = 0; i < 3; ++i) {
    NewState(pool).Submit([&] {
      char name[16] = "";
      pthread_getname_np(pthread_self(), name, sizeof name);
      sigset_t blocked;
      pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      {
        const std::lock_guard lock(mu);
        names.insert(name);
        for (int s : {SIGTERM, SIGHUP, SIGINT, SIGCHLD, SIGALRM, SIGUSR1, SIGPIPE,
                      SIGPROF, SIGRTMIN, SIGRTMAX}) {
          if (!sigismember(&blocked, s)) wrong.push_back(strsignal(s));
        }
        for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
          if (sigismember(&blocked, s)) wrong.push_back(strsignal(s));
        }
        EXPECT_EQ(Worker::current()->pool, &pool);
        EXPECT_EQ(name, "IO/" + std::to_string(Worker::current()->number));
      }
      gate.Pass();
    });
  }
  gate.AwaitArrivals(3);
  gate.Open();
  AwaitRest(pool);
  EXPECT_EQ(names, (std::set<std::string>{"IO/1", "IO/2", "IO/3"}));
  EXPECT_TRUE(wrong.empty()) << wrong.front();
}

TEST_F(PoolTest, APoolThatNobodyUsesCostsNoThread) {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  fake_.On(0, [] {});
  const auto before = threads();
  PoolSet set(host_);
  std::string error;
  ASSERT_TRUE(set.Configure(nullptr, error)) << error;
  set.ClaimThreads();
  NewPool(50);
  EXPECT_EQ(threads(), before);
}

}  // namespace
}  // namespace msys
