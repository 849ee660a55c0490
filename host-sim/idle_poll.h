// Whether a loop that has nothing to do looks for more before it sleeps.
//
// To wake a thread that sleeps takes microseconds, in a virtual machine tens of
// them, for which the caller of a short closure waits each time.  To look takes a
// CPU's time instead.  So it is done only while it pays: in a pause that follows one
// no longer than the limit, and for no longer than that.
//
// Between two looks others get the CPU: what the loop looks for may come from a
// thread that has none, and a thread that is woken does not take it from one that
// runs.
//
// Threads: the loop's; looked_ns() from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace hostsim {

class IdlePoll {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: it never looks.
  explicit IdlePoll(std::chrono::microseconds most) : most_(most) {}

  bool off() const { return most_ == Clock::duration(0); }
  bool pausing() const { return pausing_; }

  // There is nothing to do.  Calls look() until it is true, something has come, or it
  // no longer pays.  Once more in the same pause, it goes on where it was.
  template <typename Look>
  bool Pause(Look look) {
    const Clock::time_point begin = Clock::now();
    if (!pausing_) since_ = begin;
    pausing_ = true;
    if (last_ > most_) return false;
    Clock::time_point now = begin;
    bool found = false;
    while (!found) {
      std::this_thread::yield();
      now = Clock::now();
      if (now - since_ >= most_) break;
      found = look();  // and does what there is to do
    }
    looked_.fetch_add(
        static_cast<std::uint64_t>(std::chrono::nanoseconds(now - begin).count()),
        std::memory_order_relaxed);
    return found;
  }

  // There is something to do, since `now`.
  void GoesOn(Clock::time_point now) {
    if (pausing_) last_ = now - since_;
    pausing_ = false;
  }

  // For how long it has looked, with what others did meanwhile on its CPU.
  std::uint64_t looked_ns() const {
    return looked_.load(std::memory_order_relaxed);
  }

 private:
  const Clock::duration most_;
  bool pausing_ = false;
  Clock::time_point since_;                        // of this pause
  Clock::duration last_ = Clock::duration::max();  // of the one before
  std::atomic<std::uint64_t> looked_{0};  // relaxed: a statistic
};

}  // namespace hostsim
