// A mutex that Clang's -Wthread-safety can check: libstdc++'s carries no
// annotations.
//
// Lock order: no two mutexes of the plugin are held together, except that
// Engine's and LockTable's may be held while a Lane, Turn or Pool is entered.
#pragma once

#include <condition_variable>
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

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mu_.lock(); }
  void unlock() RELEASE() { mu_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mu_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

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
  Mutex& mu_;
};

}  // namespace msys
