// Mutexes that Clang's -Wthread-safety can check: libstdc++'s carry no
// annotations.
//
// Lock order.  Whoever holds one of these may take one of a later line, and none of
// the same or an earlier one:
//   1  Engine::mu_, LockTable::mu_, Timer::mu_, PoolSet::mu_, Pool::lanes_mu_
//   2  ThreadSupply::users_mu_
//   3  all others: Lane's, Turn's, Pool::mu_, State::running_mu_, ThreadSupply::mu_,
//      Sleeper's
// The host's post() and log() are called with any of the first two lines held, and
// log() with State::running_mu_; they call nothing of the plugin.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define MSYS_TSA(x) __attribute__((x))
#else
#define MSYS_TSA(x)
#endif
#define CAPABILITY(x) MSYS_TSA(capability(x))
#define SCOPED_CAPABILITY MSYS_TSA(scoped_lockable)
#define GUARDED_BY(x) MSYS_TSA(guarded_by(x))
#define REQUIRES(...) MSYS_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) MSYS_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) MSYS_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) MSYS_TSA(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS MSYS_TSA(no_thread_safety_analysis)

namespace msys {

// One word, its fast paths inlined: a call takes and frees a dozen of them, and
// std::mutex spends most of its time on kinds of mutex that these are not.
class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() {
    std::uint32_t free = kFree;
    // acquire: pairs with the release in unlock().
    if (!word_.compare_exchange_strong(free, kLocked, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      LockContended();
    }
  }
  void unlock() RELEASE() {
    // seq_cst: libstdc++ 12 looks whether anybody waits without a fence of its
    // own, and would miss one that a weaker exchange has not made visible yet.
    if (word_.exchange(kFree, std::memory_order_seq_cst) == kContended) {
      word_.notify_one();
    }
  }

 private:
  static constexpr std::uint32_t kFree = 0, kLocked = 1, kContended = 2;

  void LockContended() {
    while (word_.exchange(kContended, std::memory_order_acquire) != kFree) {
      word_.wait(kContended, std::memory_order_relaxed);
    }
  }

  std::atomic<std::uint32_t> word_{kFree};
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// For those who wait for something with a condition variable.
class CAPABILITY("mutex") WaitableMutex {
 public:
  void lock() ACQUIRE() { mu_.lock(); }
  void unlock() RELEASE() { mu_.unlock(); }

 private:
  friend class WaitableLock;
  std::mutex mu_;
};

class SCOPED_CAPABILITY WaitableLock {
 public:
  explicit WaitableLock(WaitableMutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~WaitableLock() RELEASE() { mu_.unlock(); }
  WaitableLock(const WaitableLock&) = delete;
  WaitableLock& operator=(const WaitableLock&) = delete;

  // Waits for a notification, with the mutex free meanwhile.
  void Wait(std::condition_variable& wake) {
    std::unique_lock<std::mutex> lock(mu_.mu_, std::adopt_lock);
    wake.wait(lock);
    lock.release();
  }
  // The same until `deadline`; false: it has passed.
  template <typename TimePoint>
  bool WaitUntil(std::condition_variable& wake, const TimePoint& deadline) {
    std::unique_lock<std::mutex> lock(mu_.mu_, std::adopt_lock);
    const auto status = wake.wait_until(lock, deadline);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

 private:
  WaitableMutex& mu_;
};

}  // namespace msys
