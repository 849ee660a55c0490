#include "thread_check.h"

#include <gtest/gtest.h>

#include <thread>

#include "event_loop.h"

namespace hostsim {
namespace {

void OnThread(void (*function)()) { std::thread(function).join(); }

TEST(ThreadCheckDeathTest, MainOnAnotherThreadAborts) {
  EXPECT_DEATH(OnThread([] { CheckMain("stop"); }),
               "stop\\(\\) is \\[main\\], but was called on a thread that is "
               "neither main nor a loop");
}

TEST(ThreadCheckDeathTest, LoopOnAnotherLoopAborts) {
  EXPECT_DEATH(OnThread([] {
                 SetThreadIsLoop(1);
                 CheckLoop("run", 0);
               }),
               "run\\(\\) is \\[loop 0\\], but was called on loop 1");
}

TEST(ThreadCheckDeathTest, LoopOnMainAborts) {
  EXPECT_DEATH(
      {
        SetThreadIsMain();
        CheckLoop("attach", 2);
      },
      "attach\\(\\) is \\[loop 2\\], but was called on the main thread");
}

TEST(ThreadCheckDeathTest, StateOutsideOfATurnAborts) {
  EXPECT_DEATH(
      {
        TurnMark mark("lua/3");
        mark.CheckInside("session_push_self");
      },
      "session_push_self\\(\\) is \\[state\\] of \"lua/3\"");
}

// T1: at most one thread holds a state's turn.
TEST(ThreadCheckDeathTest, T1TwoThreadsInsideOneStateAbort) {
  EXPECT_DEATH(
      {
        TurnMark mark("lua/0");
        const TurnScope scope(&mark, "msg:header");
        std::thread([&] { const TurnScope other(&mark, "msg:text"); }).join();
      },
      "T1: msg:text\\(\\) on .*while another thread is inside "
      "msg:header\\(\\) of the same Lua state \"lua/0\"");
}

TEST(ThreadCheckTest, RightThreadsPass) {
  OnThread([] {
    SetThreadIsMain();
    CheckMain("open");
    SetThreadIsLoop(4);
    CheckLoop("run", 4);
  });
}

TEST(ThreadCheckTest, TurnMayBeNestedAndMayMove) {
  TurnMark mark("lua/0");
  {
    const TurnScope outer(&mark, "finish");
    const TurnScope inner(&mark, "msg:header");
    mark.CheckInside("session_push_self");
  }
  std::thread([&] { const TurnScope scope(&mark, "msg:text"); }).join();
}

TEST(ThreadCheckTest, LoopThreadsAreKnown) {
  EventLoop loop(3);
  loop.Start();
  std::uint32_t seen = 0;
  loop.Defer([&] {
    CheckLoop("task", 3);
    seen = ThreadLoop();
  });
  loop.Stop();
  EXPECT_EQ(seen, 3u);
  EXPECT_EQ(ThreadLoop(), kNoLoop);
}

}  // namespace
}  // namespace hostsim
