// A worker of a pool that sleeps in a blocking region, on its own stack.
//
// Threads: Sleep by the worker, without the turn; Cancel by the holder of the
// turn of its state, in whose list the sleeper is until the worker has the turn
// again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>

#include "sync.h"

namespace msys {

class Sleeper {
 public:
  // Null when the time has come; else why it ended early.
  const char* Sleep(std::uint64_t until_ns) EXCLUDES(mu_) {
    // Of the clock that NowNs() reads.
    const std::chrono::steady_clock::time_point until{
        std::chrono::nanoseconds(until_ns)};
    WaitableLock lock(mu_);
    while (why_ == nullptr && lock.WaitUntil(changed_, until)) {
    }
    return why_;
  }
  void Cancel(const char* why) EXCLUDES(mu_) {
    WaitableLock lock(mu_);
    why_ = why;
    changed_.notify_one();
  }

  // Of the state's list, by its turn.
  Sleeper* next = nullptr;
  Sleeper* prev = nullptr;

 private:
  WaitableMutex mu_;
  std::condition_variable changed_;
  const char* why_ GUARDED_BY(mu_) = nullptr;
};

}  // namespace msys
