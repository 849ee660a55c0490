// A worker of a pool that sleeps in a blocking region, on its own stack.
//
// Threads: Sleep by the worker, without the turn; Cancel by the holder of the
// turn of its state, in whose list the sleeper is until the worker has the turn
// again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>


namespace msys {

class Sleeper {
 public:
  // Null when the time has come; else why it ended early.
  const char* Sleep(std::uint64_t until_ns) {
    // Of the clock that NowNs() reads.
    const std::chrono::steady_clock::time_point until{
        std::chrono::nanoseconds(until_ns)};
    std::unique_lock lock(mu_);
    while (why_ == nullptr && changed_.wait_until(lock, until) == std::cv_status::no_timeout) {
    }
    return why_;
  }
  void Cancel(const char* why) {
    std::unique_lock lock(mu_);
    why_ = why;
    changed_.notify_one();
  }

  // Of the state's list, by its turn.
  Sleeper* next = nullptr;
  Sleeper* prev = nullptr;

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  const char* why_ = nullptr;
};

}  // namespace msys
