// How many jobs of a pool may wait to start, and who waits for room among them.
//
// Threads: everything may be called from any.
#pragma once

#include <atomic>
#include <cstdint>

#include "sync.h"

namespace msys {

// A job's place, or its wait for one.
struct Admission {
  Admission* next = nullptr;
  std::uint64_t since_ns = 0;  // the owner's: when it began to wait; 0: it had not to
};

class Backlog {
 public:
  explicit Backlog(std::uint32_t size) : size_(size) {}
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  // 0: no limit.
  std::uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  // Before the first job only.
  void set_size(std::uint32_t size) {
    size_.store(size, std::memory_order_relaxed);
  }

  // A place, until Leave(): when the job starts or is dropped.  False: none is free;
  // some Leave() will give it to the admission, in order of arrival.
  [[nodiscard]] bool Admit(Admission& admission) EXCLUDES(mu_);
  // The same for a caller that cannot wait.
  [[nodiscard]] bool AdmitNow() EXCLUDES(mu_);
  // The one that has the place now, and must be told; null: nobody waits.
  [[nodiscard]] Admission* Leave() EXCLUDES(mu_);
  // False: it was granted already, or is being granted now.
  bool Cancel(Admission& admission) EXCLUDES(mu_);
  // How many wait for room.
  std::uint64_t waiting() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return waiting_count_;
  }

 private:
  // relaxed: it changes before there are jobs; figures are shown even then.
  std::atomic<std::uint32_t> size_;

  Mutex mu_;
  std::uint32_t admitted_ GUARDED_BY(mu_) = 0;  // size() while anybody waits
  Admission* waiting_ GUARDED_BY(mu_) = nullptr;
  Admission* waiting_tail_ GUARDED_BY(mu_) = nullptr;
  std::uint64_t waiting_count_ GUARDED_BY(mu_) = 0;
};

}  // namespace msys
