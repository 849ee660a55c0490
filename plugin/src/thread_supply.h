// Threads for the pools once oneTBB can lend no more.
//
// oneTBB does not survive that the system refuses it a thread (2021.8, market.cpp
// and private_server.cpp).  It goes on counting that thread as awake, so that from
// then on it wakes one too few, and says nothing; what another thread asked for at
// the same moment may be lost, too; and whoever has to do with that arena again, to
// enqueue or to leave it, waits for ever.  So do all who use it again when memory
// was missing at its first use.  So after the first exception oneTBB is not asked
// again for as long as the process lives.  The threads that it has lent stay here
// when they have done their work, and further ones are started here, where a
// refusal costs nothing and the next try may succeed.  What would change our mind:
// a oneTBB that takes back what it has counted.  (That of 2022 tries for 190 ms before
// it gives up, and whoever submits waits for that, a loop too: once, then it is not
// asked again.)
//
// There is one, of the process, and it is never destroyed: its threads outlive the
// plugin that is closed, and serve one that is opened later.
//
// Threads: everything may be called from any.
// Locks: a user is called with users_mu_ held, and may enter the rest of this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sync.h"

namespace msys {

class ThreadSupply {
 public:
  // One that asks for threads.
  class User {
   public:
    // oneTBB has failed: threads that it was asked for may not come.
    virtual void OnTbbFailed() = 0;
    // There may be a thread again.
    virtual void OnThreadFree() = 0;

   protected:
    ~User() = default;

   private:
    friend class ThreadSupply;
    User* next_ = nullptr;
    User* prev_ = nullptr;
  };

  // What a thread is to do: run(target, ticket).
  struct Errand {
    void (*run)(void* target, std::uint64_t ticket) noexcept = nullptr;
    void* target = nullptr;
    std::uint64_t ticket = 0;
  };

  static ThreadSupply& OfProcess() { return of_process_; }
  ThreadSupply() = default;
  ThreadSupply(const ThreadSupply&) = delete;
  ThreadSupply& operator=(const ThreadSupply&) = delete;

  void Join(User& user) EXCLUDES(users_mu_);
  void Leave(User& user) EXCLUDES(users_mu_);

  // oneTBB lends the threads; nothing else here is needed.
  bool tbb_works() const {
    // relaxed: who sees it late has let OnTbbFailed() see what it asks for, by
    // the user's own mutex.
    return tbb_works_.load(std::memory_order_relaxed);
  }
  // oneTBB has thrown.  True: for the first time, and all users know.
  bool TbbFailed() EXCLUDES(users_mu_);

  // Has a thread run the errand.  False: there is none, and none can be started.
  [[nodiscard]] bool Send(const Errand& errand) EXCLUDES(mu_);
  // Something waits for a thread: OnThreadFree() will be called when there may be
  // one.  True: there is one now.
  [[nodiscard]] bool Want() EXCLUDES(mu_);
  // The calling thread, one that oneTBB has lent, runs errands from now on.
  [[noreturn]] void Stay() EXCLUDES(mu_, users_mu_);

  // Of the threads that are started here; the largest asked for.  0: the system's.
  void RaiseStackSize(std::size_t kib) EXCLUDES(mu_);

  // Threads may be missing for long, and each job would say so.  True: it is time
  // for a line in the log; `unsaid`: how often it was not, since the last one.
  [[nodiscard]] bool MayReport(std::uint64_t& unsaid) EXCLUDES(mu_);

  // After a refusal, for so long, the system is not asked again.
  static constexpr std::uint64_t kRetryNs = 100'000'000;
  static constexpr std::uint64_t kReportNs = 10'000'000'000;

 private:
  struct Idle;

  bool Start(const Errand& errand) EXCLUDES(mu_);
  static void* Main(void* errand);
  void TellUsers(void (User::*event)()) EXCLUDES(users_mu_);
  Errand AwaitErrand() EXCLUDES(mu_, users_mu_);
  bool TakeIdle(const Errand& errand) REQUIRES(mu_);
  bool TakeWanted() EXCLUDES(mu_) {
    WaitableLock lock(mu_);
    return std::exchange(wanted_, false);
  }

  static ThreadSupply of_process_;  // ready before anything runs, never destroyed

  std::atomic<bool> tbb_works_{true};

  WaitableMutex users_mu_;
  User* users_ GUARDED_BY(users_mu_) = nullptr;

  WaitableMutex mu_;
  Idle* idle_ GUARDED_BY(mu_) = nullptr;  // the last to come is the first to go
  bool wanted_ GUARDED_BY(mu_) = false;   // somebody waits for OnThreadFree()
  std::uint64_t retry_ns_ GUARDED_BY(mu_) = 0;   // no try before
  std::uint64_t report_ns_ GUARDED_BY(mu_) = 0;  // no line before
  std::uint64_t unsaid_ GUARDED_BY(mu_) = 0;
  std::size_t stack_kib_ GUARDED_BY(mu_) = 0;
};

}  // namespace msys
