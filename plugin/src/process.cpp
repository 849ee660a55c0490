#include "process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "pool.h"

namespace msys::process {
namespace {

std::atomic<bool> threads_started{false};
std::atomic<bool> is_fork{false};

void InChild() {
  // relaxed: a fork has one thread.
  if (threads_started.load(std::memory_order_relaxed)) {
    is_fork.store(true, std::memory_order_relaxed);
  }
}

// oneTBB's own handler comes after this one, and must not run
//   - on a pool's thread, on which a C function that a closure called has called
//     exit() (os.exit does it on another): it takes every thread for one of the
//     host's, and crashes on one of its own;
//   - in a fork that has none of oneTBB's threads: it waits for locks, one of which
//     may have been locked by such a thread at that moment.
// So there the process ends here, with the buffers of the standard streams written,
// and without handlers and destructors that are older than the plugin.
void OnExit(int status, void*) {
  if (Worker::current() == nullptr && !IsFork()) return;
  try {
    for (std::ostream* out : {&std::cout, &std::clog}) out->flush();
    for (std::wostream* out : {&std::wcout, &std::wclog}) out->flush();
  } catch (...) {  // the host has asked for that, and is not there any more
  }
  fcloseall();  // as exit() does: waits for no thread that is in a stream
  _exit(status);
}

}  // namespace

void Watch() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, &InChild);
    on_exit(&OnExit, nullptr);
  });
}

void ThreadsStart() { threads_started.store(true, std::memory_order_relaxed); }

bool IsFork() { return is_fork.load(std::memory_order_relaxed); }

}  // namespace msys::process
