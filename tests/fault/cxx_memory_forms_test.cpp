// operator new fails inside the plugin; see memory_forms.h.
#include "failing_new.h"
#include "memory_forms.h"

namespace msys::test {
namespace {

struct OperatorNew {
  using Mode = FailingNew::Mode;
  static void Arm(MemoryHost&, long n, Mode mode) { FailingNew::Arm(n, mode); }
  static bool Disarm(MemoryHost&) { return FailingNew::Disarm(); }
  struct What {
    long blocks;
    std::size_t anchors;
  };
  static What Kept(MemoryHost& host) {
    return {FailingNew::blocks(), host.WhatIsKept().anchors};
  }
  static void ExpectKept(MemoryHost& host, const What& before, const std::string& when) {
    EXPECT_LE(FailingNew::blocks(), before.blocks + kSlack) << when;
    EXPECT_EQ(host.WhatIsKept().anchors, before.anchors) << when;
  }

  // The records of jobs and scripts are kept for the next, as many as there were
  // at a time.
  static constexpr long kSlack = MemoryHost::kTimes - 2;
};

using CxxMemoryFormsTest = MemoryFormsTest<OperatorNew>;

TEST_P(CxxMemoryFormsTest, RequestsFail) { Run(); }

INSTANTIATE_TEST_SUITE_P(Forms, CxxMemoryFormsTest, CxxMemoryFormsTest::All(),
                         &CxxMemoryFormsTest::Name);

}  // namespace
}  // namespace msys::test
