// The kernel gives no more threads: jobs wait for the threads there are, and run
// on the loop when there are none.  Nothing is lost and nothing runs twice, and when
// the limit is raised the pools get their threads.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "gates.h"
#include "fake_host.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

// In a process of its own: the limit is one of the user's, and root has none.
int RunWithLimit(unsigned threads_more) {
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 77;
  // The loop's thread first, so that only the pools' are missing.
  FakeHost host;
  rlimit before{};
  getrlimit(RLIMIT_NPROC, &before);
  // Processes of the same user count too; nobody runs little.
  const rlimit limit{2 + threads_more, before.rlim_max};
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) return 77;
  {
    TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host);
    Gates gates(plugin.api);
    TestState state(plugin, 0, "limited", std::ref(gates));
    for (int i = 0; i < 50; ++i) {
      const Result r = state.Run(
          "runs = (runs or 0) "
          "local jobs = {} "
          "for i = 1, 10 do "
          "  local _, job = msys.runInPool('IO', function() runs = runs + 1 "
          "    return i end, function() end) jobs[i] = job end "
          "local sum = 0 "
          "for i = 1, 10 do sum = sum + select(2, jobs[i]:wait()) end "
          "return sum, runs");
      if (r.text() != "OK 55 " + std::to_string((i + 1) * 10)) {
        std::fprintf(stderr, "round %d: %s\n", i, r.text().c_str());
        return 1;
      }
    }
    const msys_pool_stats s = plugin.Stats("IO");
    if (s.submitted != 500 || s.done != 500) {
      std::fprintf(stderr, "submitted %llu, done %llu\n",
                   static_cast<unsigned long long>(s.submitted),
                   static_cast<unsigned long long>(s.done));
      return 2;
    }
    if (threads_more == 0 && host.Logged({"no thread for another job"}) == 0) {
      std::fprintf(stderr, "nothing was said about the missing threads\n");
      return 3;
    }
    if (host.Logged({"no thread for another job"}) > 100) {
      std::fprintf(stderr, "the same was said for every job\n");
      return 4;
    }
    if (setrlimit(RLIMIT_NPROC, &before) != 0) return 5;
    // The loop does not do it any more.
    while (state.Run("return msys.runInPool('CPU', function()"
                     "  return (msys.threadpool.current()) end)").text() != "OK true CPU") {
    }
    state.Run("for i = 1, 8 do msys.runInPool('IO', block, true) end");
    while (gates["block"].arrived() < 8) {  // on as many threads
      state.Run("msys.runInPool('CPU', function() end)");
    }
    gates["block"].Open();
    while (plugin.Stats("IO").done < 508) std::this_thread::yield();
  }
  return 0;
}

class ThreadLimitTest : public testing::TestWithParam<unsigned> {};

TEST_P(ThreadLimitTest, JobsRunOnWhatThereIs) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) std::_Exit(RunWithLimit(GetParam()));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "this user cannot limit its threads; thread_creation_test does "
                    "so in another way";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(More, ThreadLimitTest, testing::Values(0u, 1u, 3u));

}  // namespace
}  // namespace msys::test
