#include "event_loop.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace hostsim {
namespace {

struct Numbered : msys_task {
  int number;
  std::vector<int>* out;
};

void Append(msys_task* task) {
  auto* self = static_cast<Numbered*>(task);
  self->out->push_back(self->number);
}

// With the longest time that it may look before it sleeps.
class EventLoopTest : public testing::TestWithParam<std::chrono::microseconds> {};

TEST_P(EventLoopTest, TasksRunInTheOrderOfPosting) {
  EventLoop loop(0, GetParam());
  constexpr int kTasks = 1000;  // many batches
  std::vector<int> out;
  std::vector<Numbered> tasks(kTasks);
  for (int i = 0; i < kTasks; ++i) {
    tasks[i].run = Append;
    tasks[i].number = i;
    tasks[i].out = &out;
    loop.Post(&tasks[i]);
  }
  loop.Start();
  loop.Stop();
  ASSERT_EQ(out.size(), tasks.size());
  for (int i = 0; i < kTasks; ++i) EXPECT_EQ(out[i], i);
}

TEST_P(EventLoopTest, PostAndDeferKeepOneOrder) {
  EventLoop loop(0, GetParam());
  std::vector<int> out;
  Numbered first{{Append, {}}, 1, &out}, third{{Append, {}}, 3, &out};
  loop.Post(&first);
  loop.Defer([&] { out.push_back(2); });
  loop.Post(&third);
  loop.Start();
  loop.Stop();
  EXPECT_EQ(out, (std::vector<int>{1, 2, 3}));
}

TEST_P(EventLoopTest, PostIsNeverRunInsideTheCall) {
  EventLoop loop(0, GetParam());
  loop.Start();
  std::promise<bool> inside;
  loop.Defer([&] {
    auto ran = std::make_shared<bool>(false);
    loop.Defer([ran] { *ran = true; });
    inside.set_value(*ran);
  });
  EXPECT_FALSE(inside.get_future().get());
  loop.Stop();
}

TEST_P(EventLoopTest, ASleepingLoopIsWokenEachTime) {
  EventLoop loop(0, GetParam());
  loop.Start();
  for (int i = 0; i < 200; ++i) {
    std::promise<void> ran;
    loop.Defer([&] { ran.set_value(); });
    ran.get_future().get();  // the loop has nothing left, and sleeps
  }
  loop.Stop();
}

// Per producer, and none lost.
TEST_P(EventLoopTest, ManyProducersKeepTheirOrder) {
  EventLoop loop(0, GetParam());
  loop.Start();
  constexpr int kProducers = 4, kEach = 5000;
  std::vector<std::vector<int>> out(kProducers);
  std::vector<std::vector<Numbered>> tasks(kProducers);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    tasks[p].resize(kEach);
    producers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        tasks[p][i].run = Append;
        tasks[p][i].number = i;
        tasks[p][i].out = &out[p];
        loop.Post(&tasks[p][i]);
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  loop.Stop();
  for (int p = 0; p < kProducers; ++p) {
    ASSERT_EQ(out[p].size(), static_cast<std::size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(out[p][i], i);
  }
}

TEST_P(EventLoopTest, ATaskMayBeFreedAndMayPostItselfAgain) {
  struct Again : msys_task {
    EventLoop* loop;
    int left;
    std::atomic<int>* runs;
  };
  EventLoop loop(0, GetParam());
  loop.Start();
  std::atomic<int> runs{0};
  auto* task = new Again;
  task->loop = &loop;
  task->left = 500;
  task->runs = &runs;
  task->run = [](msys_task* base) {
    auto* self = static_cast<Again*>(base);
    ++*self->runs;
    if (--self->left > 0)
      self->loop->Post(self);
    else
      delete self;
  };
  loop.Post(task);
  loop.Stop();
  EXPECT_EQ(runs, 500);
}

TEST_P(EventLoopTest, KnowsItsThread) {
  EventLoop a(0, GetParam()), b(1, GetParam());
  a.Start();
  b.Start();
  std::promise<std::pair<bool, bool>> seen;
  a.Defer([&] { seen.set_value({a.OnThread(), b.OnThread()}); });
  EXPECT_EQ(seen.get_future().get(), std::make_pair(true, false));
  EXPECT_FALSE(a.OnThread());
}

// What sockets and timers have to say comes between tasks that take long.
TEST_P(EventLoopTest, LongTasksDoNotHoldUpTimers) {
  EventLoop loop(0, GetParam());
  loop.Start();
  std::atomic<int> ran{0}, at_timer{-1};
  boost::asio::steady_timer timer(loop.io());
  loop.Defer([&] {
    timer.expires_after(std::chrono::milliseconds(1));
    timer.async_wait([&](const auto&) { at_timer = ran.load(); });
    for (int i = 0; i < 20; ++i)
      loop.Defer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ++ran;
      });
  });
  loop.Stop();
  EXPECT_EQ(ran, 20);
  EXPECT_GE(at_timer, 0);
  EXPECT_LT(at_timer, 10);
}

TEST_P(EventLoopTest, TheLongestHoldUpIsMeasured) {
  EventLoop loop(0, GetParam());
  loop.Start();
  loop.Defer([] {
    const auto until = EventLoop::Clock::now() + std::chrono::milliseconds(15);
    while (EventLoop::Clock::now() < until) {
    }
  });
  loop.Stop();
  EXPECT_GE(loop.longest_holdup_ns(), 15'000'000u);
}

TEST_P(EventLoopTest, AHoldUpIsSeenWhileItLasts) {
  EventLoop loop(0, GetParam());
  EXPECT_EQ(loop.holdup_ns(), 0u);
  loop.Start();
  std::atomic<bool> holds{false}, seen{false};
  loop.Defer([&] {
    holds = true;
    while (!seen) std::this_thread::yield();
  });
  while (!holds || loop.holdup_ns() < 5'000'000) std::this_thread::yield();
  EXPECT_GE(loop.longest_holdup_ns(), 5'000'000u);
  seen = true;
  loop.Stop();
  EXPECT_EQ(loop.holdup_ns(), 0u);
  EXPECT_GE(loop.longest_holdup_ns(), 5'000'000u);
}

TEST_P(EventLoopTest, TimerLatenessIsSampled) {
  EventLoop loop(0, GetParam());
  loop.Start();
  while (loop.timer_lateness().count() < 2) std::this_thread::yield();
  loop.Stop();
  EXPECT_GE(loop.timer_lateness().count(), 2u);
}

INSTANTIATE_TEST_SUITE_P(SleepsAtOnce, EventLoopTest,
                         testing::Values(std::chrono::microseconds(0)));
INSTANTIATE_TEST_SUITE_P(LooksFirst, EventLoopTest,
                         testing::Values(std::chrono::microseconds(10'000)));

// Each task is posted when the one before is over, so that pauses are short.
TEST(IdlePollTest, ALoopLooksBeforeItSleeps) {
  const auto run_one = [](EventLoop& loop) {
    std::promise<void> ran;
    loop.Defer([&] { ran.set_value(); });
    ran.get_future().get();
  };
  EventLoop looks(0, std::chrono::seconds(1)), sleeps(1);
  looks.Start();
  while (looks.idle_poll_ns() == 0) run_one(looks);
  sleeps.Start();
  for (int i = 0; i < 100; ++i) run_one(sleeps);
  EXPECT_EQ(sleeps.idle_poll_ns(), 0u);
}

// A pause is one in which nothing is ready: what follows at once has not ended any.  Nor
// has the loop's own tick, which comes in each of these.
TEST(IdlePollTest, ALoopDoesNotLookWhenWorkComesSlowly) {
  EventLoop loop(0, std::chrono::milliseconds(5));
  boost::asio::steady_timer timer(loop.io());
  std::promise<void> done;
  int left = 5;
  std::function<void()> again = [&] {
    timer.expires_after(std::chrono::milliseconds(25));
    timer.async_wait([&](const boost::system::error_code&) {
      const EventLoop::Hold hold(loop);
      loop.Defer([&] {
        if (--left > 0) again();
        else done.set_value();
      });
    });
  };
  loop.Defer(again);  // before it starts, so that it does not wait for this
  loop.Start();
  done.get_future().get();
  loop.Stop();
  EXPECT_EQ(loop.idle_poll_ns(), 0u);
}

// How often it looks when something comes at the n-th look, or never (0).
int Looks(IdlePoll& poll, int n) {
  int looks = 0;
  const bool found = poll.Pause([&] { return ++looks == n; });
  EXPECT_EQ(found, n > 0 && looks == n);
  return looks;
}

// It has a pause of that length, and does not look or finds nothing.
void Pause(IdlePoll& poll, IdlePoll::Clock::duration time) {
  const auto before = IdlePoll::Clock::now();
  poll.Pause([] { return false; });
  poll.GoesOn(before + time);
}

TEST(IdlePollTest, LooksOnlyInThePauseAfterAShortOne) {
  IdlePoll poll(std::chrono::seconds(10));
  Pause(poll, std::chrono::seconds(11));
  EXPECT_EQ(Looks(poll, 3), 0);
  poll.GoesOn(IdlePoll::Clock::now());  // this one was short
  EXPECT_EQ(Looks(poll, 3), 3);
  poll.GoesOn(IdlePoll::Clock::now());
  EXPECT_EQ(Looks(poll, 3), 3);
  EXPECT_EQ(Looks(poll, 2), 2);  // the same pause
  poll.GoesOn(IdlePoll::Clock::now() + std::chrono::seconds(11));
  EXPECT_EQ(Looks(poll, 3), 0);
}

TEST(IdlePollTest, ForNoLongerThanTheLimitInOnePause) {
  IdlePoll poll(std::chrono::microseconds(50));
  Pause(poll, std::chrono::microseconds(50));
  Looks(poll, 0);
  EXPECT_GE(poll.looked_ns(), 50'000u);
  EXPECT_TRUE(poll.pausing());
  EXPECT_EQ(Looks(poll, 0), 0);  // its time is over
}

// What is looked for may come from a thread that wants the same CPU.
TEST(IdlePollTest, GivesWayBetweenTwoLooks) {
  std::thread([] {
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; ++i)
      if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);  // those it starts, too
    IdlePoll poll(std::chrono::seconds(60));
    Pause(poll, std::chrono::seconds(0));
    std::atomic<bool> come{false};
    std::thread other([&] { come = true; });
    int looks = 0;
    EXPECT_TRUE(poll.Pause([&] { ++looks; return come.load(); }));
    other.join();
    EXPECT_LT(looks, 1000);  // in a slice of CPU time there are many more
  }).join();
}

TEST(IdlePollTest, NotWhileThereIsSomethingToDo) {
  IdlePoll poll(std::chrono::seconds(10));
  EXPECT_EQ(Looks(poll, 1), 0);
  const auto since = IdlePoll::Clock::now();
  poll.GoesOn(since);
  poll.GoesOn(since + std::chrono::seconds(30));  // no pause was between the two
  EXPECT_EQ(Looks(poll, 1), 1);
}

TEST(IdlePollTest, Zero) {
  IdlePoll poll(std::chrono::microseconds(0));
  EXPECT_TRUE(poll.off());
  Pause(poll, std::chrono::microseconds(0));
  EXPECT_EQ(Looks(poll, 1), 0);
}

}  // namespace
}  // namespace hostsim
