// What all threads that work for pools have in common, whoever started them.
#pragma once

#include <csignal>

namespace msys {

// Of a thread that is in no pool now, as /proc and debuggers show it.
inline constexpr char kIdleName[] = "msys-idle";

// Those that workers keep blocked: all but faults, which must reach the thread that
// caused them.
inline sigset_t AsynchronousSignals() {
  sigset_t signals;
  sigfillset(&signals);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&signals, fault);
  }
  return signals;
}

}  // namespace msys
