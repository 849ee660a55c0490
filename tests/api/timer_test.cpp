#include "timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <vector>

#include "clock.h"
#include "gate.h"
#include "threads.h"

namespace msys {
namespace {

using test::CountThreads;

struct Entry : Timer::Entry {
  std::atomic<int> fired{0};
  std::uint64_t order = 0;
  std::atomic<std::uint64_t>* clock = nullptr;
  test::Gate* gate = nullptr;

  static void Fire(Timer::Entry* entry) {
    auto& self = *static_cast<Entry*>(entry);
    if (self.clock != nullptr) self.order = ++*self.clock;
    ++self.fired;
    if (self.gate != nullptr) self.gate->Open();
  }
  Entry() { fire = &Fire; }
};

bool Arm(Timer& timer, Entry& entry, std::uint64_t deadline_ns) {
  char error[64];
  entry.deadline_ns = deadline_ns;
  return timer.Arm(entry, error);
}

TEST(TimerTest, HasNoThreadBeforeItIsNeeded) {
  Timer timer;
  Entry entry;
  EXPECT_EQ(CountThreads("msys-timer"), 0u);
  EXPECT_FALSE(timer.Cancel(entry));
  EXPECT_EQ(CountThreads("msys-timer"), 0u);
}

TEST(TimerTest, FiresOnceAndIsJoined) {
  {
    Timer timer;
    Entry entry;
    test::Gate gate;
    entry.gate = &gate;
    ASSERT_TRUE(Arm(timer, entry, NowNs()));
    gate.Pass();
    EXPECT_FALSE(timer.Cancel(entry));
    EXPECT_EQ(entry.fired, 1);
    test::AwaitThreads("msys-timer", 1);
  }
  EXPECT_EQ(CountThreads("msys-timer"), 0u);
}

TEST(TimerTest, ASignalNeverGoesToItsThread) {
  Timer timer;
  Entry entry;
  test::Gate gate;
  entry.gate = &gate;
  ASSERT_TRUE(Arm(timer, entry, NowNs()));
  gate.Pass();
  test::AwaitThreads("msys-timer", 1);
  for (const test::ThreadInfo& thread : test::Threads()) {
    if (thread.name != "msys-timer") continue;
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGALRM}) {
      EXPECT_TRUE(test::Blocked(thread, signal)) << signal;
    }
  }
}

TEST(TimerTest, AnEarlierOneWakesIt) {
  Timer timer;
  Entry late;
  Entry early;
  test::Gate gate;
  early.gate = &gate;
  ASSERT_TRUE(Arm(timer, late, NowNs() + 3'600'000'000'000));
  ASSERT_TRUE(Arm(timer, early, NowNs()));
  gate.Pass();
  EXPECT_EQ(late.fired, 0);
  EXPECT_TRUE(timer.Cancel(late));
}

TEST(TimerTest, FiresInTheOrderOfDeadlinesWhateverIsCancelled) {
  Timer timer;
  std::mt19937 random(20260731);
  std::atomic<std::uint64_t> clock{0};
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<bool> cancelled;
  // All are armed before the first is due.
  const std::uint64_t base = NowNs() + 1'000'000'000;
  int wrong = 0;
  for (int i = 0; i < 5000; ++i) {
    entries.push_back(std::make_unique<Entry>());
    entries.back()->clock = &clock;
    ASSERT_TRUE(Arm(timer, *entries.back(), base + random() % 20'000'000));
    cancelled.push_back(false);
    if (random() % 3 == 0) {
      const std::size_t which = random() % entries.size();
      wrong += timer.Cancel(*entries[which]) == cancelled[which];
      cancelled[which] = true;
    }
  }
  if (NowNs() >= base) {
    for (auto& entry : entries) timer.Cancel(*entry);
    GTEST_SKIP() << "too slow a machine to arm them in time";
  }
  EXPECT_EQ(wrong, 0);
  Entry last;
  test::Gate gate;
  last.gate = &gate;
  ASSERT_TRUE(Arm(timer, last, base + 21'000'000));
  gate.Pass();
  std::vector<const Entry*> fired;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i]->fired, cancelled[i] ? 0 : 1);
    if (!cancelled[i]) fired.push_back(entries[i].get());
  }
  std::sort(fired.begin(), fired.end(),
            [](const Entry* a, const Entry* b) { return a->order < b->order; });
  for (std::size_t i = 1; i < fired.size(); ++i) {
    EXPECT_LE(fired[i - 1]->deadline_ns, fired[i]->deadline_ns);
  }
}

TEST(TimerTest, ArmedAndCancelledFromManyThreads) {
  Timer timer;
  std::atomic<int> ended{0};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 3000; ++i) {
        Entry entry;
        ASSERT_TRUE(Arm(timer, entry, NowNs() + random() % 50'000));
        if (random() % 2 == 0) std::this_thread::yield();
        // Exactly one of the two has it; false means that fire() is over.
        const bool withdrawn = timer.Cancel(entry);
        EXPECT_EQ(entry.fired, withdrawn ? 0 : 1);
        ++ended;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(ended, 4 * 3000);
}

}  // namespace
}  // namespace msys
