// Every form of a call while requests for memory fail: the n-th, n rising until the
// form gets by; once only that request, once all from there on; in a state that has
// run it before, and in a fresh one, where things are made that are kept.  After each
// failure nothing is left behind and the next call works.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <tuple>

#include "forms.h"
#include "memory_host.h"

namespace msys::test {

// Whose requests fail is said by a Source:
//   enum class Mode { kOnce, kFromThenOn };
//   static void Arm(MemoryHost&, long n, Mode);
//   static bool Disarm(MemoryHost&);                     true: one has failed
//   static What Kept(MemoryHost&);                       what is in use at rest
//   static void ExpectKept(MemoryHost&, const What& before, const std::string& when);
template <typename Source>
class MemoryFormsTest
    : public testing::TestWithParam<
          std::tuple<Form, typename Source::Mode, bool /*fresh*/>> {
 public:
  using Mode = typename Source::Mode;

  static auto All() {
    return testing::Combine(testing::ValuesIn(kForms),
                            testing::Values(Mode::kOnce, Mode::kFromThenOn),
                            testing::Bool());
  }
  static std::string Name(
      const testing::TestParamInfo<typename MemoryFormsTest::ParamType>& info) {
    const auto& [form, mode, fresh] = info.param;
    return std::string(form.name) + (mode == Mode::kOnce ? "_once" : "_from_then_on") +
           (fresh ? "_fresh" : "");
  }

 protected:
  void Run() {
    const auto& [form, mode, fresh] = this->GetParam();
    fresh ? RunInFreshStates(form, mode) : RunInOneState(form, mode);
  }

 private:
  // More than any form makes.
  static constexpr long kMost = 5000;

  void RunInFreshStates(const Form& form, Mode mode) {
    for (long n = 0;; ++n) {
      ASSERT_LT(n, kMost) << "it never gets by";
      MemoryHost host(form.returns);
      Source::Arm(host, n, mode);
      const std::string result = host.Run(form.source);
      const bool failed = Source::Disarm(host);
      host.AwaitRest();
      if (ExpectOver(host, form, n, failed, result)) return;
    }
  }

  void RunInOneState(const Form& form, Mode mode) {
    MemoryHost host(form.returns);
    // Stacks and caches grow to the size that they keep.
    for (int i = 0; i < 8; ++i) ASSERT_EQ(host.Run(form.source), form.expected);
    host.AwaitRest();
    const auto before = Source::Kept(host);
    for (long n = 0;; ++n) {
      ASSERT_LT(n, kMost) << "it never gets by";
      bool failed = false;
      std::string result;
      // Several times: what a failure leaves behind must add up to be seen.
      for (int i = 0; i < MemoryHost::kTimes; ++i) {
        Source::Arm(host, n, mode);
        result = host.Run(form.source);
        failed |= Source::Disarm(host);
        host.AwaitRest();
      }
      const bool over = ExpectOver(host, form, n, failed, result);
      host.AwaitRest();
      Source::ExpectKept(host, before, After(n));
      if (over || this->HasFailure()) return;
    }
  }

  static std::string After(long n) {
    return "after the failure of request " + std::to_string(n);
  }

  // True: the form has got by, or the test has failed.
  bool ExpectOver(MemoryHost& host, const Form& form, long n, bool failed,
                  const std::string& result) {
    host.ExpectNothingLeft();
    EXPECT_EQ(host.Run(form.source), form.expected) << After(n);
    if (failed) return this->HasFailure();
    EXPECT_EQ(result, form.expected);
    std::printf("%s: each of %ld requests has failed\n", form.name, n);
    return true;
  }
};

}  // namespace msys::test
