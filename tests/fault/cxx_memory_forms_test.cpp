// operator new fails the n-th request made inside the plugin, n rising until a form
// of the call gets by; once only that request, once all from there on.
#include <gtest/gtest.h>

#include <string>

#include "failing_new.h"
#include "forms.h"
#include "memory_host.h"

namespace msys::test {
namespace {

using Mode = FailingNew::Mode;

class CxxMemoryFormsTest : public testing::TestWithParam<Form> {
 protected:
  // The records of jobs and scripts are kept for the next, as many as there were
  // at a time.
  static constexpr long kSlack = MemoryHost::kTimes - 2;

  // What is made when it is first needed, and kept.
  void RunInFreshStates(Mode mode) {
    const Form& form = GetParam();
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 2000);
      MemoryHost host(form.returns);
      FailingNew::Arm(n, mode);
      const std::string result = host.Run(form.source);
      const bool failed = FailingNew::Disarm();
      host.AwaitRest();
      host.ExpectNothingLeft();
      ASSERT_EQ(host.Run(form.source), form.expected) << "after request " << n;
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
    for (int i = 0; i < 8; ++i) ASSERT_EQ(host.Run(form.source), form.expected);
    host.AwaitRest();
    const long before = FailingNew::blocks();
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 2000);
      bool failed = false;
      std::string result;
      for (int i = 0; i < MemoryHost::kTimes; ++i) {
        FailingNew::Arm(n, mode);
        result = host.Run(form.source);
        failed |= FailingNew::Disarm();
        host.AwaitRest();
      }
      host.ExpectNothingLeft();
      ASSERT_EQ(host.Run(form.source), form.expected) << "after request " << n;
      host.AwaitRest();
      EXPECT_LE(FailingNew::blocks(), before + kSlack) << "after request " << n;
      if (HasNonfatalFailure()) return;
      if (!failed) {
        EXPECT_EQ(result, form.expected);
        std::printf("%s: each of %ld requests has failed\n", form.name, n);
        return;
      }
    }
  }
};

TEST_P(CxxMemoryFormsTest, OneRequestFails) { Run(Mode::kOnce); }
TEST_P(CxxMemoryFormsTest, AllRequestsFailFromThereOn) { Run(Mode::kFromThenOn); }
TEST_P(CxxMemoryFormsTest, OneRequestFailsInAFreshState) {
  RunInFreshStates(Mode::kOnce);
}
TEST_P(CxxMemoryFormsTest, AllRequestsFailFromThereOnInAFreshState) {
  RunInFreshStates(Mode::kFromThenOn);
}

INSTANTIATE_TEST_SUITE_P(Forms, CxxMemoryFormsTest, testing::ValuesIn(kForms),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace msys::test
