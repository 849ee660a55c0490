// Lua's allocator fails the n-th request, n rising until a form of the call gets
// by; once only that request, once all from there on.  After each failure the
// stacks, the jobs and what is kept for them are as before, no byte is left
// behind, and the next call works.
#include <gtest/gtest.h>

#include <string>

#include "failing_allocator.h"
#include "fake_host.h"
#include "forms.h"
#include "memory_host.h"

namespace msys::test {
namespace {

using Mode = FailingAllocator::Mode;

class LuaMemoryTest : public testing::TestWithParam<Form> {
 protected:
  // What is made when it is first needed, and kept.
  void RunInFreshStates(Mode mode) {
    const Form& form = GetParam();
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 5000);
      MemoryHost host(form.returns);
      host.allocator.Arm(n, mode);
      const std::string result = host.Run(form.source);
      const bool failed = host.allocator.Disarm();
      host.AwaitRest();
      host.ExpectNothingLeft();
      ASSERT_EQ(host.Run(form.source), form.expected)
          << "after the failure of request " << n;
      if (HasNonfatalFailure()) return;
      if (!failed) {
        EXPECT_EQ(result, form.expected);
        std::printf("%s: each of %ld requests has failed\n", form.name, n);
        return;
      }
    }
  }

  void Run(Mode mode) {
    const Form& form = GetParam();
    MemoryHost host(form.returns);
    // Stacks and caches grow to the size that they keep.
    for (int i = 0; i < 8; ++i) ASSERT_EQ(host.Run(form.source), form.expected);
    const Kept before = host.WhatIsKept();
    long failures = 0;
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 5000) << "it never gets by";
      bool failed = false;
      std::string result;
      // Several times: what a failure leaves behind must add up to be seen.
      for (int i = 0; i < MemoryHost::kTimes; ++i) {
        host.allocator.Arm(n, mode);
        result = host.Run(form.source);
        failed |= host.allocator.Disarm();
        host.AwaitRest();
      }
      host.ExpectNothingLeft();
      ASSERT_EQ(host.Run(form.source), form.expected)
          << "after the failure of request " << n;
      host.ExpectKept(before, "after the failure of request " + std::to_string(n));
      if (HasFatalFailure() || HasNonfatalFailure()) return;
      if (!failed) {
        EXPECT_EQ(result, form.expected);
        break;
      }
      ++failures;
    }
    std::printf("%s: each of %ld requests has failed\n", form.name, failures);
  }
};

TEST_P(LuaMemoryTest, OneRequestFails) { Run(Mode::kOnce); }
TEST_P(LuaMemoryTest, AllRequestsFailFromThereOn) { Run(Mode::kFromThenOn); }
TEST_P(LuaMemoryTest, OneRequestFailsInAFreshState) {
  RunInFreshStates(Mode::kOnce);
}
TEST_P(LuaMemoryTest, AllRequestsFailFromThereOnInAFreshState) {
  RunInFreshStates(Mode::kFromThenOn);
}

INSTANTIATE_TEST_SUITE_P(Forms, LuaMemoryTest, testing::ValuesIn(kForms),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace msys::test
