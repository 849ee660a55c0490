// pthread_create fails: each call in turn, once or from there on.  Every form of a
// call ends, and when threads are to be had again the pools have all of theirs.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "gates.h"
#include "forms.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

std::atomic<long> threads_left{-1};  // that will be made; negative: all
std::atomic<bool> once{false};
std::atomic<bool> has_failed{false};

bool MayCreate() {
  if (threads_left < 0) return true;
  if (threads_left > 0 && threads_left-- > 0) return true;
  has_failed = true;
  if (once) threads_left = -1;
  return false;
}

}  // namespace
}  // namespace msys::test

// Before glibc's, for everybody in this process; oneTBB too.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) {
  static const auto real = reinterpret_cast<decltype(&pthread_create)>(
      dlsym(RTLD_NEXT, "pthread_create"));
  if (!msys::test::MayCreate()) return EAGAIN;
  return real(thread, attributes, start, argument);
}

namespace msys::test {
namespace {

class ThreadCreationTest : public testing::TestWithParam<Form> {
 protected:
  // In hosts of their own, since threads are kept.
  void Run(bool only_once) {
    const Form& form = GetParam();
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 100);
      FakeHost host(2);
      TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host,
                        {{"CPU", 2}, {"tiny", 1, 1}, {"wide", 5}}, form.returns);
      Gates gates(plugin.api);
      TestState state(plugin, 0, "threads", [&](lua_State* L) {
        gates(L);
        OpenForForms(L);
      });
      const Result prepared = state.Run("form = function() " +
                                        std::string(form.source) + " end");
      once = only_once;
      has_failed = false;
      threads_left = n;
      const Result result = state.Run("return form()");
      threads_left = -1;
      const bool failed = has_failed;
      // The timer is the one thing that says so to scripts.
      if (result.status != MSYS_OK) {
        EXPECT_NE(result.text().find("no thread for the timer"), std::string::npos)
            << result.text();
      }
      // Until the next try, jobs run on the loop, which must not wait in a gate.
      while (state.Run("return select(2, msys.runInPool('CPU', function() "
                       "return msys.threadpool.current() ~= nil end))").text() !=
             "OK true") {
      }
      EXPECT_EQ("0" + state.Run("return form()").text().substr(2), form.expected);
      // All that a pool may have, at once.
      ASSERT_EQ(state.Run("for i = 1, 5 do msys.runInPool('wide', block, true) end"
                          ).text(), "OK");
      while (gates["block"].arrived() < 5) {  // somebody asks for threads again
        state.Run("msys.runInPool('CPU', function() end)");
      }
      gates["block"].Open();
      while (plugin.Stats("wide").done < 5) std::this_thread::yield();
      if (!failed) break;
    }
  }
};

TEST_P(ThreadCreationTest, OneFails) { Run(true); }
TEST_P(ThreadCreationTest, AllFailFromThereOn) { Run(false); }

INSTANTIATE_TEST_SUITE_P(Forms, ThreadCreationTest, testing::ValuesIn(kForms),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace msys::test
