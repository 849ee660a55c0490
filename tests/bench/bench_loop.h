// The event loop of the benchmarks: epoll and an eventfd, nothing else, so that
// what is measured is the plugin and not a host.  The C++ floors sleep and are
// woken by the same loop, so that they pay what the plugin pays.
#pragma once

#include <msys/plugin.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "idle_poll.h"

namespace bench {

std::uint64_t NowNs();

// Threads: Post and Signal from any; the rest by the loop's thread, which is
// the one that made it.
class Loop {
 public:
  // Looks for work before it sleeps, as host-sim's loops do, if that is wanted.
  explicit Loop(std::chrono::microseconds idle_poll = {});
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Appends a task.  The eventfd is written only when the queue was empty and
  // the loop sleeps: a busy loop costs no system call.
  void Post(msys_task* task);

  // Writes the eventfd, whatever the loop does.
  void Signal() const;
  // Sleeps until the eventfd is written.
  void WaitForSignal() const;

  // Runs what is queued; sleeps first when nothing is.
  void RunOnce();

  // Calls on_timer(lateness in ns) every `period_ns` from now on; 0: no more.
  void SetTimer(std::uint64_t period_ns, void (*on_timer)(void*, std::uint64_t),
                void* ctx);

  bool on_this_thread() const;

 private:
  // What is queued, in order.  Nothing: null, and the next Post() writes the
  // eventfd.
  msys_task* TakeAny();
  msys_task* TakeOrSleep();
  msys_task* Take(msys_task* newest);
  void Poll(int timeout_ms);

  hostsim::IdlePoll idle_poll_;
  const int epoll_;
  const int event_;
  const int timer_;
  const unsigned long thread_;
  void (*on_timer_)(void*, std::uint64_t) = nullptr;
  void* timer_ctx_ = nullptr;
  std::uint64_t period_ns_ = 0;
  std::uint64_t due_ns_ = 0;

  // The newest task, linked to older ones; &asleep_: nothing, and the loop
  // sleeps.
  std::atomic<msys_task*> newest_{nullptr};
  msys_task asleep_{};
};

}  // namespace bench
