#include "worker_slot.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "pool.h"
#include "thread_supply.h"
#include "worker_thread.h"

namespace msys {

WorkerSlot::WorkerSlot(Pool& pool, int number)
    : pool_(pool),
      number_(number),
      namer_(arena_, *this) {
  std::snprintf(name_, sizeof name_, "%.10s/%d", pool.name().c_str(), number);
  // A oneTBB that has failed is not asked for anything.
  if (!ThreadSupply::OfProcess().tbb_works()) return;
  arena_.initialize();
  namer_.observe(true);
}

WorkerSlot::~WorkerSlot() {
  namer_.observe(false);
  // A thread that has finished its work but has not left the arena yet will not
  // be observed any more: it loses its name now.
  const int tid = inside_.load(std::memory_order_relaxed);
  if (tid == 0) return;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
  if (std::FILE* comm = std::fopen(path, "w")) {
    std::fputs(kIdleName, comm);
    std::fclose(comm);
  }
}

void WorkerSlot::KeepForGood(WorkerSlot* slot) {
  static std::atomic<WorkerSlot*> kept{nullptr};  // so that no leak is seen in it
  slot->kept_next_ = kept.load(std::memory_order_relaxed);
  // relaxed: nobody follows the list.
  while (!kept.compare_exchange_weak(slot->kept_next_, slot,
                                     std::memory_order_relaxed)) {
  }
}

void WorkerSlot::Enqueue(Function work, std::uint64_t ticket) {
  // An exception would end the process when it left the task; work has none to
  // throw.
  arena_.enqueue([this, work, ticket]() noexcept { work(*this, ticket); });
}

// Threads wander between the pools.  One that leaves gives its name up, so that
// what /proc shows is who is where, and a pool has no more threads of its name
// than its concurrency says.
void WorkerSlot::Namer::on_scheduler_entry(bool is_worker) {
  if (!is_worker) return;
  thread_local bool blocked = false;
  if (!blocked) {
    const sigset_t signals = AsynchronousSignals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }
  blocked = true;
  pthread_setname_np(pthread_self(), slot_.name_);
  thread_local const int tid = static_cast<int>(syscall(SYS_gettid));
  slot_.inside_.store(tid, std::memory_order_relaxed);
}

void WorkerSlot::Namer::on_scheduler_exit(bool is_worker) {
  if (!is_worker) return;
  slot_.inside_.store(0, std::memory_order_relaxed);
  pthread_setname_np(pthread_self(), kIdleName);
}

}  // namespace msys
