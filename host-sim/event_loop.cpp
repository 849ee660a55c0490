#include "event_loop.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cassert>
#include <memory>
#include <string>

#include "log.h"
#include "signal_mask.h"
#include "thread_check.h"

namespace hostsim {
namespace {

thread_local const EventLoop* this_loop = nullptr;

struct FunctionTask : msys_task {
  std::function<void()> function;
};

msys_task*& NextOf(msys_task* task) {
  return reinterpret_cast<msys_task*&>(task->host[0]);
}

}  // namespace

// Hands out the loop's slot.  Asio frees it before it calls the handler, and
// the next DrainHandler is made by that call at the earliest.
template <typename T>
struct EventLoop::SlotAllocator {
  using value_type = T;
  EventLoop* loop;

  explicit SlotAllocator(EventLoop* l) : loop(l) {}
  template <typename U>
  SlotAllocator(const SlotAllocator<U>& other) : loop(other.loop) {}

  T* allocate(std::size_t n) {
    static_assert(sizeof(T) <= sizeof(slot_));
    assert(n == 1);
    (void)n;
    return reinterpret_cast<T*>(loop->slot_);
  }
  void deallocate(T*, std::size_t) {}
  template <typename U>
  bool operator==(const SlotAllocator<U>& other) const {
    return loop == other.loop;
  }
};

struct EventLoop::DrainHandler {
  using allocator_type = SlotAllocator<void>;
  EventLoop* loop;
  allocator_type get_allocator() const noexcept { return allocator_type(loop); }
  void operator()() { loop->Drain(); }
};

EventLoop::Hold::~Hold() {
  const std::uint64_t held = loop_.holdup_ns();
  if (held > loop_.longest_holdup_.load(std::memory_order_relaxed))
    loop_.longest_holdup_.store(held, std::memory_order_relaxed);
  loop_.held_since_.store(Clock::time_point::max(), std::memory_order_relaxed);
}

std::uint64_t EventLoop::holdup_ns() const {
  const auto now = Clock::now();
  const auto since = held_since_.load(std::memory_order_relaxed);
  if (since >= now) return 0;
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(now - since).count());
}

std::uint64_t EventLoop::longest_holdup_ns() const {
  return std::max(longest_holdup_.load(std::memory_order_relaxed), holdup_ns());
}

EventLoop::EventLoop(std::uint32_t index, std::chrono::microseconds idle_poll)
    : index_(index), idle_poll_(idle_poll) {}

EventLoop::~EventLoop() { Stop(); }

void EventLoop::Start() {
  work_.emplace(boost::asio::make_work_guard(io_));
  {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { Run(); });
  }
  const std::string name = "loop/" + std::to_string(index_);
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] {
    tick_.cancel();
    work_.reset();
  });
  thread_.join();
}

void EventLoop::Run() {
  this_loop = this;
  SetThreadIsLoop(index_);
  StartTick();
  if (idle_poll_.off()) io_.run();
  while (!io_.stopped()) {
    if (io_.poll() > 0) continue;
    if (!idle_poll_.Pause([this] { return io_.poll() > 0 || io_.stopped(); }))
      io_.run_one();
  }
  SetThreadIsLoop(kNoLoop);
  this_loop = nullptr;
}

bool EventLoop::OnThread() const { return this_loop == this; }

void EventLoop::Post(msys_task* task) {
  NextOf(task) = nullptr;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    if (posted_.tail)
      NextOf(posted_.tail) = task;
    else
      posted_.head = task;
    posted_.tail = task;
    wake = !drain_scheduled_;
    drain_scheduled_ = true;
  }
  if (wake) ScheduleDrain();
}

void EventLoop::Defer(std::function<void()> function) {
  auto* task = new FunctionTask{{}, std::move(function)};
  task->run = [](msys_task* base) {
    const std::unique_ptr<FunctionTask> self(static_cast<FunctionTask*>(base));
    self->function();
  };
  Post(task);
}

void EventLoop::ScheduleDrain() { boost::asio::post(io_, DrainHandler{this}); }

msys_task* EventLoop::Next() {
  if (!ready_) {
    MutexLock lock(mutex_);
    ready_ = posted_.head;
    posted_ = Queue{};
    if (!ready_) {
      drain_scheduled_ = false;
      return nullptr;
    }
  }
  msys_task* task = ready_;
  ready_ = NextOf(task);
  return task;
}

void EventLoop::Drain() {
  const Hold hold(*this);
  for (int i = 0; i < kBatchTasks; ++i) {
    msys_task* task = Next();
    if (!task) return;
    task->run(task);
    if (Clock::now() - hold.begin() > kBatchTime) break;
  }
  // drain_scheduled_ is still true, so this is the only one.
  ScheduleDrain();
}

void EventLoop::StartTick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error || !work_) return;
    const auto late = Clock::now() - tick_.expiry();
    timer_lateness_.Record(static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::nanoseconds(late).count())));
    StartTick();
  });
}

}  // namespace hostsim
