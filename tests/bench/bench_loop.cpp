#include "bench_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

msys_task* Next(const msys_task* task) {
  return static_cast<msys_task*>(task->host[0]);
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(2);
}

// Edge-triggered: a counter that is never read back saves the read, for the
// floors and for the plugin alike.
void Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
}

}  // namespace

std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Loop::Loop(std::chrono::microseconds idle_poll)
    : idle_poll_(idle_poll),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      thread_(pthread_self()) {
  if (epoll_ < 0 || event_ < 0 || timer_ < 0) Die("loop");
  Watch(epoll_, event_);
  Watch(epoll_, timer_);
}

Loop::~Loop() {
  close(timer_);
  close(event_);
  close(epoll_);
}

bool Loop::on_this_thread() const { return pthread_self() == thread_; }

void Loop::Post(msys_task* task) {
  msys_task* newest = newest_.load(std::memory_order_relaxed);
  do {
    task->host[0] = newest == &asleep_ ? nullptr : newest;
    // release: pairs with the acquires where the tasks are taken.
  } while (!newest_.compare_exchange_weak(
      newest, task, std::memory_order_release, std::memory_order_relaxed));
  if (newest == &asleep_) Signal();
}

void Loop::Signal() const {
  const std::uint64_t one = 1;
  if (write(event_, &one, sizeof one) != sizeof one) Die("eventfd");
}

void Loop::WaitForSignal() const {
  epoll_event event;
  while (epoll_wait(epoll_, &event, 1, -1) != 1) {
  }
}

msys_task* Loop::Take(msys_task* newest) {
  msys_task* oldest = nullptr;
  while (newest != nullptr) {
    msys_task* older = Next(newest);
    newest->host[0] = oldest;
    oldest = newest;
    newest = older;
  }
  return oldest;
}

msys_task* Loop::TakeAny() {
  msys_task* newest = nullptr;
  if (newest_.load(std::memory_order_relaxed) == nullptr &&
      newest_.compare_exchange_strong(newest, &asleep_,
                                      std::memory_order_relaxed)) {
    return nullptr;
  }
  // acquire: pairs with the release in Post(); only this thread puts asleep_.
  return Take(newest_.exchange(nullptr, std::memory_order_acquire));
}

void Loop::Poll(int timeout_ms) {
  epoll_event events[2];
  const int count = epoll_wait(epoll_, events, 2, timeout_ms);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.fd != timer_) continue;
    const std::uint64_t now = NowNs();
    std::uint64_t expired = 0;
    if (read(timer_, &expired, sizeof expired) != sizeof expired) continue;
    // One that came while others were overdue counts from its own time.
    for (; expired > 0; --expired, due_ns_ += period_ns_) {
      on_timer_(timer_ctx_, now > due_ns_ ? now - due_ns_ : 0);
    }
  }
}

// Null: a timer has come, or what else there may be besides tasks.
msys_task* Loop::TakeOrSleep() {
  if (msys_task* task = TakeAny()) {
    if (period_ns_ != 0) Poll(0);  // a loop with timers looks at them in between
    return task;
  }
  Poll(-1);
  // Awake, whatever the reason.
  msys_task* newest = newest_.exchange(nullptr, std::memory_order_acquire);
  return Take(newest == &asleep_ ? nullptr : newest);
}

void Loop::RunOnce() {
  const auto anything = [this] {
    if (period_ns_ != 0) Poll(0);
    return newest_.load(std::memory_order_relaxed) != nullptr;
  };
  if (!idle_poll_.off() && !anything()) idle_poll_.Pause(anything);
  msys_task* task = TakeOrSleep();
  if (task != nullptr && idle_poll_.pausing())
    idle_poll_.GoesOn(hostsim::IdlePoll::Clock::now());
  while (task != nullptr) {
    msys_task* next = Next(task);  // the task may be freed by its run()
    task->run(task);
    task = next;
  }
}

void Loop::SetTimer(std::uint64_t period_ns,
                    void (*on_timer)(void*, std::uint64_t), void* ctx) {
  on_timer_ = on_timer;
  timer_ctx_ = ctx;
  period_ns_ = period_ns;
  due_ns_ = NowNs() + period_ns;
  const auto split = [](std::uint64_t ns) {
    return timespec{static_cast<time_t>(ns / 1'000'000'000),
                    static_cast<long>(ns % 1'000'000'000)};
  };
  const itimerspec spec{split(period_ns),
                        period_ns == 0 ? timespec{} : split(due_ns_)};
  if (timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr) != 0) {
    Die("timerfd_settime");
  }
}

}  // namespace bench
