// Debian's Lua leaves a coroutine that yields by __longjmp_chk, and ThreadSanitizer
// knows longjmp only.  It would go on to believe that what has been left still runs: each
// yield would cost more than the one before, reports would have wrong stacks, and at
// 65,536 such functions it would end the program.
#include <setjmp.h>

extern "C" [[noreturn]] void __longjmp_chk(jmp_buf place, int value) {  // NOLINT
  longjmp(place, value);
}
