#include "thread_supply.h"

#include <limits.h>
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "clock.h"
#include "worker_thread.h"

namespace msys {

// A thread without an errand, on its own stack.
struct ThreadSupply::Idle {
  Errand errand;
  std::condition_variable called;
  Idle* next = nullptr;
};

constinit ThreadSupply ThreadSupply::of_process_;
static_assert(std::is_trivially_destructible_v<ThreadSupply>);

void ThreadSupply::Join(User& user) {
  WaitableLock lock(users_mu_);
  user.next_ = users_;
  if (users_ != nullptr) users_->prev_ = &user;
  users_ = &user;
}

void ThreadSupply::Leave(User& user) {
  WaitableLock lock(users_mu_);
  (user.prev_ == nullptr ? users_ : user.prev_->next_) = user.next_;
  if (user.next_ != nullptr) user.next_->prev_ = user.prev_;
}

void ThreadSupply::TellUsers(void (User::*event)()) {
  WaitableLock lock(users_mu_);
  for (User* user = users_; user != nullptr; user = user->next_) (user->*event)();
}

bool ThreadSupply::TbbFailed() {
  if (!tbb_works_.exchange(false, std::memory_order_relaxed)) return false;
  TellUsers(&User::OnTbbFailed);
  return true;
}

bool ThreadSupply::TakeIdle(const Errand& errand) {
  Idle* thread = idle_;
  if (thread == nullptr) return false;
  idle_ = thread->next;
  thread->errand = errand;
  thread->called.notify_one();
  return true;
}

bool ThreadSupply::Send(const Errand& errand) {
  {
    WaitableLock lock(mu_);
    if (TakeIdle(errand)) return true;
    if (NowNs() < retry_ns_) return false;
  }
  if (Start(errand)) return true;
  WaitableLock lock(mu_);
  retry_ns_ = NowNs() + kRetryNs;
  return TakeIdle(errand);
}

bool ThreadSupply::Want() {
  WaitableLock lock(mu_);
  wanted_ = true;
  return idle_ != nullptr;
}

bool ThreadSupply::Start(const Errand& errand) {
  auto first = std::unique_ptr<Errand>(new (std::nothrow) Errand(errand));
  pthread_attr_t attributes;
  if (first == nullptr || pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  {
    WaitableLock lock(mu_);
    if (stack_kib_ > 0) {
      pthread_attr_setstacksize(
          &attributes, std::max<std::size_t>(stack_kib_ * 1024, PTHREAD_STACK_MIN));
    }
  }
  // The thread is born with its signals blocked, as a worker must have them.
  sigset_t before;
  const sigset_t blocked = AsynchronousSignals();
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  pthread_t thread;
  const bool started =
      pthread_create(&thread, &attributes, &Main, first.get()) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (started) static_cast<void>(first.release());
  return started;
}

void* ThreadSupply::Main(void* errand) {
  ThreadSupply& supply = OfProcess();
  {
    const std::unique_ptr<Errand> first(static_cast<Errand*>(errand));
    // Threads are to be had again: also for those who were refused.
    if (supply.TakeWanted()) supply.TellUsers(&User::OnThreadFree);
    first->run(first->target, first->ticket);
  }
  supply.Stay();
}

void ThreadSupply::Stay() {
  for (;;) {
    pthread_setname_np(pthread_self(), kIdleName);
    const Errand errand = AwaitErrand();
    errand.run(errand.target, errand.ticket);
  }
}

ThreadSupply::Errand ThreadSupply::AwaitErrand() {
  Idle self;
  bool wanted = false;
  {
    WaitableLock lock(mu_);
    self.next = idle_;
    idle_ = &self;
    wanted = std::exchange(wanted_, false);
  }
  // What comes of it may be an errand for this very thread.
  if (wanted) TellUsers(&User::OnThreadFree);
  WaitableLock lock(mu_);
  while (self.errand.run == nullptr) lock.Wait(self.called);
  return self.errand;
}

void ThreadSupply::RaiseStackSize(std::size_t kib) {
  WaitableLock lock(mu_);
  stack_kib_ = std::max(stack_kib_, kib);
}

bool ThreadSupply::MayReport(std::uint64_t& unsaid) {
  WaitableLock lock(mu_);
  const std::uint64_t now = NowNs();
  if (now < report_ns_) {
    ++unsaid_;
    return false;
  }
  report_ns_ = now + kReportNs;
  unsaid = std::exchange(unsaid_, 0);
  return true;
}

}  // namespace msys
