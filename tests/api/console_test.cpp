// The operators' commands.
#include <gtest/gtest.h>
#include <regex.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "gates.h"
#include "test_plugin.h"
#include "threads.h"

namespace msys::test {
namespace {

class ConsoleTest : public testing::Test {
 protected:
  const msys_api& api_ = *msys_plugin_entry(MSYS_ABI_MAJOR);
  Gates gates_{api_};
  FakeHost host_{2};
  TestPlugin plugin_{api_, host_, {{"one", 1}}};
  TestState state_{plugin_, 0, "policies", std::ref(gates_)};

  msys_status Ask(const std::string& command, std::string& answer) {
    answer.clear();
    return api_.console(
        plugin_.handle, command.c_str(),
        [](void* ctx, const char* text, std::size_t length) {
          static_cast<std::string*>(ctx)->append(text, length);
        },
        &answer);
  }
  std::string Ask(const std::string& command) {
    std::string answer;
    EXPECT_EQ(Ask(command, answer), MSYS_OK) << command << "\n" << answer;
    return answer;
  }
};

// Not std::regex, of which gcc 12 says things when it is built with a sanitizer.
void ExpectMatch(const std::string& text, const char* pattern) {
  regex_t expression;
  ASSERT_EQ(regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB), 0) << pattern;
  EXPECT_EQ(regexec(&expression, text.c_str(), 0, nullptr, 0), 0)
      << text << "does not match " << pattern;
  regfree(&expression);
}

TEST_F(ConsoleTest, AnIdlePlugin) {
  EXPECT_EQ(Ask("threads stats"), "no pool has been used yet\n");
  EXPECT_EQ(Ask("threads busy"), "nothing runs\n");
  EXPECT_EQ(Ask("threads CPU queue"), "nothing is queued\n");
  EXPECT_EQ(Ask("threads cpu running"), "nothing runs\n");
  ExpectMatch(Ask("threads cpu stats"), "^CPU thread pool: concurrency 4\n");
  ExpectMatch(Ask("help"), "threads POOL queue");
}

TEST_F(ConsoleTest, WhatRunsAndWhatWaits) {
  auto first = state_.Start(
      "msys.runInPool('one', function()\n block('first') end)");
  gates_["first"].AwaitArrivals();
  // In another state, so that they are queued for the pool and not for the turn.
  TestState other(plugin_, 1, "others", std::ref(gates_));
  auto second = other.Start(
      "msys.runInPool('one', function() end, true)\n"
      "msys.runInPool('one',\n function() end)");
  auto loop = state_.Start(
      "msys.runInInst(1, function() msys.runInPool('IO', block, true) "
      "msys.lock('x') msys.sleep(3600) end)");

  ExpectMatch(Ask("threads one running"), "^one  policies  test:1  [0-9]+\\.[0-9]{3} s\n$");
  ExpectMatch(Ask("threads one queue"),
              "^one  others  test:1  [0-9]+\\.[0-9]{3} s\n"
              "one  others  test:3  [0-9]+\\.[0-9]{3} s\n$");
  while (Ask("threads busy").find("loop  policies  test:1") == std::string::npos) {
    std::this_thread::yield();
  }
  ExpectMatch(Ask("threads busy"), "one  policies  test:1  ");
  ExpectMatch(Ask("threads one stats"), "Jobs: queued 2, running 1, suspended 0, completing 0\n");
  ExpectMatch(Ask("threads stats"), "one thread pool: concurrency 1\n");
  loop->Cancel();
  gates_["first"].Open();
  gates_["block"].Open();
  second->Wait();
  EXPECT_EQ(Ask("threads one queue"), "nothing is queued\n");
  state_.Detach();  // ends the sleep
}

// A list is short, and complete in what it counts, however much there is.
TEST_F(ConsoleTest, AListOfMoreThanAThousandSaysHowManyMore) {
  auto first = state_.Start("msys.runInPool('one', function() block('first') end)");
  gates_["first"].AwaitArrivals();
  TestState other(plugin_, 1, "others", std::ref(gates_));
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  ASSERT_EQ(other.Run("for _ = 1, 1000 do msys.runInPool('one', function() end, true) "
                      "end").text(), "OK");
  EXPECT_EQ(lines(Ask("threads one queue")), 1000);
  ExpectMatch(Ask("threads one queue"), "test:1  [0-9.]+ s\n$");
  ASSERT_EQ(other.Run("for _ = 1, 234 do msys.runInPool('one', function() end, true) "
                      "end").text(), "OK");
  Ask("threads reset");  // does not change what is queued
  EXPECT_EQ(lines(Ask("threads one queue")), 1001);
  ExpectMatch(Ask("threads one queue"), "test:1  [0-9.]+ s\nand 234 more\n$");

  ASSERT_EQ(other.Run("begun = 0 for _ = 1, 1005 do msys.runInPool('IO', function() "
                      "begun = begun + 1 msys.runInPool('one', function() end) end, "
                      "true) end while begun < 1005 do msys.sleep(0) end").text(), "OK");
  EXPECT_EQ(lines(Ask("threads IO running")), 1001);
  ExpectMatch(Ask("threads IO running"), "and 5 more\n$");
  ExpectMatch(Ask("threads busy"), "and 6 more\n$");
  gates_["first"].Open();
}

TEST_F(ConsoleTest, AQueueSaysWhoWaitsForRoom) {
  TestPlugin plugin(api_, host_, {{"small", 1, 2}});
  TestState state(plugin, 0, "s", std::ref(gates_));
  std::vector<std::unique_ptr<Running>> running;
  for (int i = 0; i < 8; ++i) {
    running.push_back(state.Start("msys.runInPool('small', block)"));
  }
  gates_["block"].AwaitArrivals();
  while (plugin.Stats("small").queued < 7) std::this_thread::yield();
  // The one that has got the place of the first is on its way into the queue.
  std::string answer;
  while (std::ranges::count(answer, '\n') < 3) {
    answer = plugin.Console("threads small queue");
  }
  ExpectMatch(answer, "^small  s .*\nsmall  s .*\n5 more wait, with their scripts, for "
                      "room in the backlog of 2\n$");
  gates_["block"].Open();
  for (auto& one : running) one->Wait();
}

// To the script it has waited all the time.
TEST_F(ConsoleTest, TheAgeOfOneThatWaitedForRoomBeginsWhenItWasCalled) {
  using std::chrono::steady_clock;
  TestPlugin plugin(api_, host_, {{"small", 1, 1}});
  TestState a(plugin, 0, "a", std::ref(gates_)), b(plugin, 0, "b", std::ref(gates_)),
      c(plugin, 0, "c", std::ref(gates_));
  auto runs = a.Start("msys.runInPool('small', function() block('runs') end)");
  gates_["runs"].AwaitArrivals();
  auto queued = b.Start("msys.runInPool('small', function() block('queued') end)");
  auto waits = c.Start("msys.runInPool('small', function() end)");
  const auto called = steady_clock::now();
  const auto waited = std::chrono::milliseconds(50);
  while (steady_clock::now() - called < waited) std::this_thread::yield();
  gates_["runs"].Open();
  gates_["queued"].AwaitArrivals();
  std::string queue;
  while (!queue.starts_with("small  c")) queue = plugin.Console("threads small queue");
  double age = 0;
  ASSERT_EQ(std::sscanf(queue.c_str(), "small c test:1 %lf s", &age), 1) << queue;
  EXPECT_GE(age, 0.050);
  gates_["queued"].Open();
}

// A closure that goes on is not one that has yet to start.
TEST_F(ConsoleTest, AQueueBehindAClosureThatGoesOn) {
  auto goes_on = state_.Start(
      "msys.runInPool('one', function() msys.runInPool('IO', block) end)");
  gates_["block"].AwaitArrivals();
  TestState other(plugin_, 1, "others", std::ref(gates_));
  auto busy = other.Start("msys.runInPool('one', function() block('busy') end)");
  gates_["busy"].AwaitArrivals();
  gates_["block"].Open();
  while (plugin_.Stats("IO").done < 1) std::this_thread::yield();
  state_.Run("msys.runInPool('one', function() end, true)");
  ExpectMatch(Ask("threads one queue"), "^one  policies  test:1  [0-9.]+ s\n$");
  gates_["busy"].Open();
  goes_on->Wait();
}

// Its thread is busy, but not with a closure.
TEST_F(ConsoleTest, ACompletionFunctionIsNoClosureThatRuns) {
  state_.Run("msys.runInPool('one', function() end, function() hold() end)");
  gates_["hold"].AwaitArrivals();
  const msys_pool_stats stats = plugin_.Stats("one");
  EXPECT_EQ(stats.running, 0u);
  EXPECT_EQ(stats.completing, 1u);
  EXPECT_EQ(stats.threads_active, 1u);
  EXPECT_EQ(stats.threads, 1u);
  gates_["hold"].Open();
}

// Monitoring takes a counter that goes down for a restart.
TEST_F(ConsoleTest, CountersOnlyGrow) {
  TestState other(plugin_, 1, "others", std::ref(gates_));
  for (int reset = 0; reset < 2; ++reset) {
    std::vector<std::unique_ptr<Running>> running;
    for (TestState* state : {&state_, &other}) {
      running.push_back(state->Start(
          "for _ = 1, 20000 do msys.runInPool('CPU', function() end) end"));
    }
    std::uint64_t submitted = 0, started = 0;
    while (!running[0]->done() || !running[1]->done()) {
      const msys_pool_stats stats = plugin_.Stats("CPU");
      ASSERT_LE(submitted, stats.submitted);
      ASSERT_LE(started, stats.invocations);
      ASSERT_LE(stats.done, stats.invocations);
      submitted = stats.submitted;
      started = stats.invocations;
    }
    Ask("threads reset");
  }
}

TEST_F(ConsoleTest, AFailedClosureHasRunToo) {
  state_.Run("msys.runInPool('one', error)");
  const msys_pool_stats stats = plugin_.Stats("one");
  EXPECT_EQ(stats.failed, 1u);
  EXPECT_EQ(stats.run.count, 1u);
  EXPECT_EQ(stats.wait.count, 1u);
}

TEST_F(ConsoleTest, AResetForgetsStatesThatAreGone) {
  {
    TestState gone(plugin_, 1, "gone", std::ref(gates_));
    // Two pools want the state's turn; sooner or later one has to wait for it.
    while (plugin_.Stats("one").parked == 0) {
      gone.Run("for _ = 1, 20 do for _, pool in ipairs{'one', 'IO'} do "
               "msys.runInPool(pool, function() end, true) end end "
               "msys.runInPool('one', function() end)");
    }
  }
  EXPECT_GT(plugin_.Stats("one").run.max_ns, 0u);
  Ask("threads reset");
  const msys_pool_stats stats = plugin_.Stats("one");
  EXPECT_EQ(stats.submitted + stats.done + stats.failed + stats.cancelled, 0u);
  EXPECT_EQ(stats.parked, 0u);
  EXPECT_EQ(stats.run.count + stats.run.max_ns + stats.run.sum_ns, 0u);
  EXPECT_EQ(stats.wait.count + stats.wait.max_ns + stats.wait.sum_ns, 0u);
}

// Also of a pool that has refused all it was asked for.
TEST_F(ConsoleTest, StatsOfAPoolThatRanNothing) {
  auto running = state_.Start(
      "msys.runInPool('one', block) return msys.runInPool('SwapIn', function() end)");
  gates_["block"].AwaitArrivals();
  state_.Detach();
  gates_["block"].Open();
  EXPECT_EQ(running->Wait().text(),
            "OK false cancelled: the Lua state is being detached");
  ExpectMatch(Ask("threads stats"), "SwapIn thread pool: ");
}

TEST_F(ConsoleTest, ALongQueueAndWhoWaitsForRoomBehindIt) {
  TestPlugin plugin(api_, host_, {{"deep", 1, 1005}});
  TestState state(plugin, 0, "s", std::ref(gates_));
  state.Run("msys.runInPool('deep', block, true)");
  gates_["block"].AwaitArrivals();
  state.Run("for _ = 1, 1005 do msys.runInPool('deep', function() end, true) end");
  std::vector<std::unique_ptr<Running>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(state.Start("msys.runInPool('deep', function() end)"));
  }
  ExpectMatch(plugin.Console("threads deep queue"),
              "test:1  [0-9.]+ s\nand 5 more\n3 more wait, with their scripts, for room "
              "in the backlog of 1005\n$");
  gates_["block"].Open();
}

// What runs meanwhile has started since, as what is queued has been submitted since.
TEST_F(ConsoleTest, AResetWhileAClosureRuns) {
  auto running = state_.Start("msys.runInPool('one', block)");
  gates_["block"].AwaitArrivals();
  Ask("threads reset");
  EXPECT_EQ(plugin_.Stats("one").invocations, 1u);
  gates_["block"].Open();
  running->Wait();
  const msys_pool_stats stats = plugin_.Stats("one");
  EXPECT_EQ(stats.submitted, 1u);
  EXPECT_EQ(stats.invocations, 1u);
  EXPECT_EQ(stats.done, 1u);
  Ask("threads reset");
  EXPECT_EQ(plugin_.Stats("one").invocations, 0u);
}

TEST_F(ConsoleTest, ResetStartsAgainFromZero) {
  state_.Run("for _ = 1, 5 do msys.runInPool('one', function() end) end");
  ExpectMatch(Ask("threads one stats"), "Total invocations: 5\n");
  ExpectMatch(Ask("threads reset"), "zero");
  ExpectMatch(Ask("threads one stats"), "Total invocations: 0\n");
  EXPECT_EQ(state_.Run("local s = msys.threadpool.stat('one') "
                       "return s.invocations, s.submitted, s.run_max")
                .text(),
            "OK 0 0 0.0");
  state_.Run("msys.runInPool('one', function() end)");
  ExpectMatch(Ask("threads one stats"), "Total invocations: 1\n");
}

TEST_F(ConsoleTest, WrongCommandsGetALineThatSaysWhatIsRight) {
  std::string answer;
  for (const char* command :
       {"", " ", "thread stats", "threads", "threads nonsense", "threads one",
        "threads one nonsense", "threads one stats now", "help me", "\n", "\xff\xfe"}) {
    EXPECT_EQ(Ask(command, answer), MSYS_E_NOT_FOUND) << command;
    EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n'), 1) << answer;
  }
  EXPECT_EQ(Ask("threads dns stats", answer), MSYS_E_NOT_FOUND);
  EXPECT_EQ(answer,
            "no thread pool named \"dns\"; pools: CPU, IO, SwapOut, SwapIn, Close, "
            "Unlink, Batch_Unlink, SpoolIn, one\n");
  EXPECT_EQ(Ask("threads stats one", answer), MSYS_E_NOT_FOUND);
  EXPECT_NE(answer.find("the pool's name comes first, as in threads IO stats; try help\n"),
            std::string::npos) << answer;
  EXPECT_EQ(Ask(std::string(1'000'000, 'x'), answer), MSYS_E_NOT_FOUND);
  EXPECT_LT(answer.size(), 500u);
  EXPECT_EQ(Ask("threads " + std::string(100'000, 'y') + " stats", answer),
            MSYS_E_NOT_FOUND);
}

TEST_F(ConsoleTest, LettersCaseAndSpacesDoNotMatter) {
  state_.Run("msys.runInPool('one', function() end)");
  EXPECT_EQ(Ask("  THREADS \t One   Queue "), "nothing is queued\n");
}

TEST_F(ConsoleTest, ManyAskWhileJobsComeAndGo) {
  auto running = state_.Start(R"(
    for i = 1, 3000 do
      -- A closure that nobody keeps, of a file that nobody keeps.
      msys.runInPool('one', load('local f = ... return f', '@gone' .. i .. '.lua'), true)
      if i % 100 == 0 then msys.runInPool('one', function() end) end
    end)");
  std::vector<std::jthread> operators;
  for (int i = 0; i < 3; ++i) {
    operators.emplace_back([&] {
      while (!running->done()) {
        for (const char* command : {"threads stats", "threads busy", "threads one queue",
                                    "threads one running", "threads reset"}) {
          std::string answer;
          EXPECT_EQ(Ask(command, answer), MSYS_OK);
        }
      }
    });
  }
  EXPECT_EQ(running->Wait().text(), "OK");
}

TEST_F(ConsoleTest, WorkersTakeNoAsynchronousSignals) {
  auto running = state_.Start("msys.runInPool('one', function() block('signals') end)");
  gates_["signals"].AwaitArrivals();
  int workers = 0;
  for (const ThreadInfo& thread : Threads()) {
    if (thread.name != "one/1") continue;
    ++workers;
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGALRM}) {
      EXPECT_TRUE(Blocked(thread, signal)) << signal;
    }
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE}) {
      EXPECT_FALSE(Blocked(thread, fault)) << fault;
    }
  }
  EXPECT_EQ(workers, 1);
  gates_["signals"].Open();
}

}  // namespace
}  // namespace msys::test
