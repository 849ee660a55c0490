// operator new fails the n-th request, n rising until a call gets by: open, attach,
// and what is made at first use, by the plugin or by oneTBB.
#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>
#include <pthread.h>

#include <csignal>
#include <string>
#include <utility>

#include "failing_new.h"
#include "memory_host.h"

namespace msys::test {
namespace {

using Mode = FailingNew::Mode;

class CxxMemoryTest : public testing::Test {
 protected:
  CxxMemoryTest() {
    EXPECT_EQ(api_.open(&abi_, nullptr, &plugin_, nullptr), MSYS_OK);
  }

  std::string Run(const char* source) {
    return ExemptCall::Run(api_, host_, state_, source);
  }

  // With the n-th request failing; afterwards has_failed_ says whether it came so far.
  msys_status Attach(lua_State* L, long n) {
    msys_status status = MSYS_OK;
    FailingNew::Arm(n, Mode::kOnceAnywhere);
    const Exempt waiting;
    host_.On(0, [&] {
      const Exempt libraries;
      luaL_openlibs(L);
      const NotExempt guard;
      status = api_.attach(plugin_, L, 0, "memory", &state_, nullptr);
    });
    has_failed_ = FailingNew::Disarm();
    EXPECT_TRUE(status == MSYS_OK || status == MSYS_E_NOMEM) << status;
    EXPECT_EQ(status == MSYS_OK, state_ != nullptr);
    return status;
  }
  void Detach() {
    std::promise<void> gone;
    host_.On(0, [&] {
      api_.detach(
          std::exchange(state_, nullptr),
          [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); }, &gone);
    });
    gone.get_future().wait();
  }

  FakeHost host_;
  const msys_api& api_ = ExemptHostApi();
  const msys_host abi_ = host_.Abi();
  bool has_failed_ = false;
  msys_plugin* plugin_ = nullptr;
  msys_state* state_ = nullptr;
};

// Memory fails on the loop's side here: open, attach, run, submit.  What a
// worker needs is allocated by then or asked for without an exception.
TEST_F(CxxMemoryTest, EveryFailureIsAStatusOrAnErrorAndTheNextCallWorks) {
  // What becomes of a oneTBB that fails at its first use is the other test's.
  tbb::task_arena(1, 0).initialize();
  lua_State* L = nullptr;
  host_.On(0, [&] { L = luaL_newstate(); });
  long n = 0;
  for (; Attach(L, n) != MSYS_OK; ++n) {
    ASSERT_LT(n, 2000);
    ASSERT_TRUE(has_failed_);
  }
  ASSERT_FALSE(has_failed_) << "of a request that failed nothing came";
  EXPECT_GT(n, 0);

  constexpr const char* kForms[] = {
      "return msys.runInPool('CPU', function() return 1 end)",
      "local _, job = msys.runInPool('IO', function() return 1 end, "
      "function() end) return job:wait()",
      "msys.runInPool('SpoolIn', function() end, true) "
      "return msys.runInPool('SpoolIn', function() return 1 end)",
  };
  for (const char* form : kForms) {
    for (n = 0;; ++n) {
      ASSERT_LT(n, 2000) << form;
      FailingNew::Arm(n, Mode::kOnceAnywhere);
      const Exempt waiting;
      const std::string result = Run(form);
      const bool failed = FailingNew::Disarm();
      ASSERT_EQ(Run(form), "0 true 1") << form << ": after request " << n;
      if (!failed) {
        EXPECT_EQ(result, "0 true 1");
        break;
      }
    }
  }
  for (std::uint32_t i = 0; i < api_.pool_count(plugin_); ++i) {
    msys_pool_stats s{};
    s.struct_size = sizeof s;
    ASSERT_EQ(api_.pool_stats(plugin_, i, &s), MSYS_OK);
    EXPECT_EQ(s.queued + s.running + s.suspended, 0u) << s.name;
    EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused);
  }

  Detach();
  host_.On(0, [&] { lua_close(L); });
  EXPECT_EQ(api_.stop(plugin_, 1000, nullptr), MSYS_OK);
  EXPECT_EQ(api_.close(plugin_), MSYS_OK);
}

// The first script that sleeps starts the timer's thread.
TEST_F(CxxMemoryTest, ASleepWithoutMemoryForTheTimerIsAnErrorAndTheNextOneWorks) {
  constexpr const char* kSleep = "return select('#', pcall(msys.sleep, 0))";
  bool refused = false;
  bool failed = true;
  for (long n = 0; failed; ++n) {
    ASSERT_LT(n, 2000);
    lua_State* L = nullptr;
    msys_plugin* plugin = nullptr;
    ASSERT_EQ(api_.open(&abi_, nullptr, &plugin, nullptr), MSYS_OK);
    host_.On(0, [&] {
      L = luaL_newstate();
      luaL_openlibs(L);
      ASSERT_EQ(api_.attach(plugin, L, 0, "sleep", &state_, nullptr), MSYS_OK);
    });
    FailingNew::Arm(n, Mode::kOnceAnywhere);
    const Exempt waiting;
    const std::string result = Run(kSleep);
    failed = FailingNew::Disarm();
    refused = refused || result == "0 2";  // false and why
    sigset_t blocked;
    host_.On(0, [&] { pthread_sigmask(SIG_BLOCK, nullptr, &blocked); });
    EXPECT_FALSE(sigismember(&blocked, SIGTERM)) << "on the loop, from now on: " << n;
    EXPECT_EQ(Run(kSleep), "0 1") << n;

    Detach();
    host_.On(0, [&] { lua_close(L); });
    EXPECT_EQ(api_.stop(plugin, 1000, nullptr), MSYS_OK);
    EXPECT_EQ(api_.close(plugin), MSYS_OK);
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(api_.stop(plugin_, 0, nullptr), MSYS_OK);
  EXPECT_EQ(api_.close(plugin_), MSYS_OK);
}

TEST_F(CxxMemoryTest, OpenFailsCleanly) {
  long n = 0;
  for (;; ++n) {
    ASSERT_LT(n, 2000);
    msys_plugin* plugin = nullptr;
    msys_status status = MSYS_OK;
    FailingNew::Arm(n, Mode::kOnceAnywhere);
    {
      const NotExempt guard;
      status = api_.open(&abi_, nullptr, &plugin, nullptr);
    }
    const bool failed = FailingNew::Disarm();
    if (status == MSYS_OK) {
      EXPECT_EQ(api_.stop(plugin, 0, nullptr), MSYS_OK);
      EXPECT_EQ(api_.close(plugin), MSYS_OK);
      break;
    }
    ASSERT_TRUE(failed);
    ASSERT_EQ(status, MSYS_E_NOMEM);
    ASSERT_EQ(plugin, nullptr);
  }
  EXPECT_GT(n, 5);
  EXPECT_EQ(api_.stop(plugin_, 0, nullptr), MSYS_OK);
  EXPECT_EQ(api_.close(plugin_), MSYS_OK);
}

// What oneTBB leaves undone when it is first used and memory is missing, all later
// users wait for: the last test, for those who run all in one process.
TEST_F(CxxMemoryTest, WithoutMemoryForTbbThePluginHasItsOwnThreads) {
  lua_State* L = nullptr;
  host_.On(0, [&] { L = luaL_newstate(); });
  for (long n = 0;; ++n) {
    ASSERT_LT(n, 2000);
    const msys_status status = Attach(L, n);
    if (status == MSYS_OK && !has_failed_) break;
    if (status == MSYS_OK) Detach();
  }
  // None where oneTBB has another way to ask for memory.
  EXPECT_LE(host_.Logged({"oneTBB has failed: std::bad_alloc"}), 1u);
  for (int i = 0; i < 10; ++i) {
    // Whichever worker: the first may still be on its way out.
    ASSERT_EQ(Run("return (select(2, msys.runInPool('IO', msys.threadpool.current)))"),
              "0 IO");
  }
  Detach();
  host_.On(0, [&] { lua_close(L); });
  EXPECT_EQ(api_.stop(plugin_, 1000, nullptr), MSYS_OK);
  EXPECT_EQ(api_.close(plugin_), MSYS_OK);
}

}  // namespace
}  // namespace msys::test
