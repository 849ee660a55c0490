// How many jobs of a pool may wait to start, and who waits for room among them.
//
// Threads: everything may be called from any.
#pragma once

#include <atomic>
#include <cstdint>

#include "sync.h"

namespace msys {

// A job that waits for room.
struct Admission {
  void (*granted)(Admission* admission) = nullptr;  // any thread, once
  Admission* next = nullptr;
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
  // `admission.granted` will be called when one is, in order of arrival.
  [[nodiscard]] bool Admit(Admission& admission) EXCLUDES(mu_);
  // The same for a caller that cannot wait.
  [[nodiscard]] bool AdmitNow() EXCLUDES(mu_);
  void Leave() EXCLUDES(mu_);
  // False: it was granted already, or is being granted now.
  bool Cancel(Admission& admission) EXCLUDES(mu_);
  // How many wait for room.
  std::uint64_t waiting() EXCLUDES(mu_);

 private:
  // relaxed: it changes before there are jobs; figures are shown even then.
  std::atomic<std::uint32_t> size_;

  Mutex mu_;
  std::uint32_t admitted_ GUARDED_BY(mu_) = 0;
  Admission* waiting_ GUARDED_BY(mu_) = nullptr;
  Admission* waiting_tail_ GUARDED_BY(mu_) = nullptr;
};

}  // namespace msys
