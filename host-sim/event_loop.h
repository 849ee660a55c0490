// One scheduler thread: a Boost.Asio io_context and the tasks posted to it.
//
// Tasks (msys_task) are linked through themselves, so that Post() needs no
// memory.  At most one Drain() is queued in the io_context at any time, which
// is also why a sleeping loop is woken only by the task that makes the queue
// non-empty.
//
// Threads: Start, Stop by the owner.  Post, Defer, OnThread and the figures
// from any.  io() is for handlers that run on the loop: sockets and timers.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "idle_poll.h"
#include "msys/plugin.h"
#include "stats.h"
#include "sync.h"

namespace hostsim {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;

  // `idle_poll`: how long it may look for work before it sleeps.
  explicit EventLoop(std::uint32_t index, std::chrono::microseconds idle_poll = {});
  ~EventLoop();  // Stop()
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();
  // Runs what was posted before, ends the thread and joins it.  Idempotent.
  void Stop();

  // Calls task->run(task) on the loop, after everything posted before.  Never
  // blocks, fails, or runs it here.  Do not touch the task afterwards.
  void Post(msys_task* task);
  // The same, in the same order, for host code that can afford to allocate.
  void Defer(std::function<void()> function);

  bool OnThread() const;
  std::uint32_t index() const { return index_; }
  boost::asio::io_context& io() { return io_; }
  PhaseStats& phase_stats() { return phase_stats_; }  // recorded on the loop

  // For how long it has been serving one batch and nothing else; 0: it is not.
  std::uint64_t holdup_ns() const;
  // The longest such time, the one under way included.
  std::uint64_t longest_holdup_ns() const;
  // For how long it has looked for work instead of sleeping.
  std::uint64_t idle_poll_ns() const { return idle_poll_.looked_ns(); }
  // How late a timer of the loop fired, sampled every kTick.
  const LatencyHistogram& timer_lateness() const { return timer_lateness_; }

  // Times one handler: while it runs, nothing else of the loop does.
  // Every handler put on io() opens one.
  class Hold {
   public:
    explicit Hold(EventLoop& loop) : loop_(loop), begin_(Clock::now()) {
      loop_.idle_poll_.GoesOn(begin_);
      loop_.held_since_.store(begin_, std::memory_order_relaxed);
    }
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    Clock::time_point begin() const { return begin_; }

   private:
    EventLoop& loop_;
    const Clock::time_point begin_;
  };

 private:
  static constexpr std::chrono::milliseconds kTick{10};
  // A batch ends after this many tasks or this long, so that sockets and
  // timers get their share.
  static constexpr int kBatchTasks = 64;
  static constexpr std::chrono::milliseconds kBatchTime{1};

  struct Queue {
    msys_task* head = nullptr;
    msys_task* tail = nullptr;
  };
  struct DrainHandler;
  template <typename T>
  struct SlotAllocator;

  void Run();
  void Drain();
  msys_task* Next();  // nullptr: none, and no drain is scheduled any more
  void ScheduleDrain();
  void StartTick();

  const std::uint32_t index_;
  boost::asio::io_context io_{1};
  std::optional<
      boost::asio::executor_work_guard<boost::asio::io_context::executor_type>>
      work_;
  boost::asio::steady_timer tick_{io_};
  IdlePoll idle_poll_;
  std::thread thread_;

  Mutex mutex_;
  Queue posted_ GUARDED_BY(mutex_);
  bool drain_scheduled_ GUARDED_BY(mutex_) = false;
  msys_task* ready_ = nullptr;  // the loop's: taken from posted_, not yet run

  // Where the one queued DrainHandler lives inside Asio.
  alignas(std::max_align_t) std::byte slot_[160];

  // relaxed: statistics.
  std::atomic<std::uint64_t> longest_holdup_{0};
  std::atomic<Clock::time_point> held_since_{Clock::time_point::max()};
  LatencyHistogram timer_lateness_;
  PhaseStats phase_stats_;
};

}  // namespace hostsim
