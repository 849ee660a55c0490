// Whether a loop that has nothing to do looks for more before it sleeps.
//
// To wake a thread that sleeps takes microseconds, in a virtual machine tens of
// them, for which the caller of a short closure waits each time.  To look takes a
// CPU's time instead.  So it is done only while it pays: after a pause that was no
// longer than the limit.  When nothing comes within the limit the loop sleeps, and
// looks again only after the next short pause.
//
// Threads: the loop's; looked_ns() from any.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace hostsim {

class IdlePoll {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: it never looks.
  explicit IdlePoll(std::chrono::microseconds most) : most_(most) {}

  bool off() const { return most_ == Clock::duration(0); }

  // How long the loop had nothing to do, whether it looked or slept.
  void Paused(Clock::duration time) { last_ = time; }

  // Calls look() until it is true, something has come, or it no longer pays.
  template <typename Look>
  bool Poll(Look look) {
    if (off() || last_ > most_) return false;
    const Clock::time_point begin = Clock::now();
    Clock::time_point now = begin;
    bool found = look();
    while (!found && (now = Clock::now()) - begin < most_) found = look();
    looked_.fetch_add(
        static_cast<std::uint64_t>(std::chrono::nanoseconds(now - begin).count()),
        std::memory_order_relaxed);
    if (!found) last_ = Clock::duration::max();
    return found;
  }

  // For how long it has looked, what was found not included.
  std::uint64_t looked_ns() const {
    return looked_.load(std::memory_order_relaxed);
  }

  // The calling thread may use one CPU only: while it looks, nobody can give it
  // anything.
  static bool OneCpu() {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 &&
           CPU_COUNT(&allowed) == 1;
  }

 private:
  const Clock::duration most_;
  Clock::duration last_ = Clock::duration::max();
  std::atomic<std::uint64_t> looked_{0};  // relaxed: a statistic
};

}  // namespace hostsim
