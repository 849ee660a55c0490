// The system gives no more threads: jobs wait for the threads there are, and run
// on the loop when there are none.  Nothing is lost and nothing runs twice.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "fake_host.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

// In a process of its own: the limit is one of the user's, and root has none.
int RunWithLimit(unsigned threads_more) {
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 77;
  // The loop's thread first, so that only the pools' are missing.
  FakeHost host;
  rlimit limit{2 + threads_more, 2 + threads_more};
  // Processes of the same user count too; nobody runs little.
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) return 77;
  {
    TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host);
    TestState state(plugin);
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
    std::puts("this user cannot limit its threads; nothing was tested");
    return;
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(More, ThreadLimitTest, testing::Values(0u, 1u, 3u));

}  // namespace
}  // namespace msys::test
