// T8 to the letter: a child process is run step by step, and the instructions
// that lock the bus are counted.
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "turn.h"

namespace msys {
namespace {

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

Turn* turn = nullptr;

// An instruction with a LOCK prefix, or XCHG with memory, which needs none.
bool Locks(const unsigned char* code) {
  while (std::strchr("\x66\xf2\xf3\x2e\x3e\x64\x65", *code) != nullptr && *code) {
    ++code;
  }
  if (*code == 0xf0) return true;
  if ((*code & 0xf0) == 0x40) ++code;  // REX
  return (*code == 0x86 || *code == 0x87) && (code[1] & 0xc0) != 0xc0;
}

// Of f, in a child; -1: it cannot be traced.
int CountLockingInstructions(void (*f)()) {
  const pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    asm volatile("int3");
    f();
    asm volatile("int3");
    _exit(0);
  }
  int status = 0;
  int count = 0;
  waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return -1;
  for (;;) {
    ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return -1;
    user_regs_struct registers;
    ptrace(PTRACE_GETREGS, child, nullptr, &registers);
    unsigned char code[2 * sizeof(long)] = {};
    for (std::size_t i = 0; i < sizeof code; i += sizeof(long)) {
      errno = 0;
      const long word = ptrace(PTRACE_PEEKTEXT, child, registers.rip + i, nullptr);
      if (errno == 0) std::memcpy(code + i, &word, sizeof word);
    }
    if (code[0] == 0xcc) break;  // the second int3
    count += Locks(code);
  }
  ptrace(PTRACE_KILL, child, nullptr, nullptr);
  waitpid(child, &status, 0);
  return count;
}

TEST(TurnAtomicsTest, T8_OneAtomicOperationToTakeAndOneToRelease) {
  Turn mine;
  turn = &mine;
  const int both = CountLockingInstructions([] {
    if (!turn->TryTake()) _exit(1);
    turn->Release(nullptr);
  });
  if (both < 0) GTEST_SKIP() << "this process may not trace another";
  EXPECT_EQ(both, 2);
  EXPECT_EQ(CountLockingInstructions([] {
              if (!turn->TryTake()) _exit(1);
            }),
            1);
}

#endif

}  // namespace
}  // namespace msys
