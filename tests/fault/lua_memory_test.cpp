// Lua's allocator fails; see memory_forms.h.  After each failure the stacks, the jobs
// and what is kept for them are as before, and no byte is left behind.
#include "failing_allocator.h"
#include "memory_forms.h"

namespace msys::test {
namespace {

struct LuasAllocator {
  using Mode = FailingAllocator::Mode;
  static void Arm(MemoryHost& host, long n, Mode mode) { host.allocator.Arm(n, mode); }
  static bool Disarm(MemoryHost& host) { return host.allocator.Disarm(); }
  static auto Kept(MemoryHost& host) { return host.WhatIsKept(); }
  static void ExpectKept(MemoryHost& host, const test::Kept& before,
                         const std::string& when) {
    host.ExpectKept(before, when);
  }
};

using LuaMemoryTest = MemoryFormsTest<LuasAllocator>;

TEST_P(LuaMemoryTest, RequestsFail) { Run(); }

INSTANTIATE_TEST_SUITE_P(Forms, LuaMemoryTest, LuaMemoryTest::All(),
                         &LuaMemoryTest::Name);

}  // namespace
}  // namespace msys::test
