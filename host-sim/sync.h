// A mutex whose discipline Clang checks (-Wthread-safety).  libstdc++'s own
// carries no annotations.  No two locks of host-sim are ever held together.
#pragma once

#include <mutex>

#if defined(__clang__)
#define HS_ATTRIBUTE(x) __attribute__((x))
#else
#define HS_ATTRIBUTE(x)
#endif
#define GUARDED_BY(x) HS_ATTRIBUTE(guarded_by(x))
#define EXCLUDES(...) HS_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define REQUIRES(...) HS_ATTRIBUTE(requires_capability(__VA_ARGS__))

namespace hostsim {

class HS_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() HS_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() HS_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class HS_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HS_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() HS_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace hostsim
