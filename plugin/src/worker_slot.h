// One place for a worker in a pool: a task_arena with a single slot.  A thread
// carries the pool's name and the place's number ("IO/3") while it is there, and
// takes no asynchronous signals.
//
// Its source is not instrumented by ThreadSanitizer: all that it does happens in
// step with oneTBB, which is not either.
#pragma once

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <atomic>
#include <cstdint>

namespace msys {

class Lane;
class Pool;

class WorkerSlot {
 public:
  WorkerSlot(Pool& pool, int number);
  ~WorkerSlot();
  WorkerSlot(const WorkerSlot&) = delete;
  WorkerSlot& operator=(const WorkerSlot&) = delete;

  // [the pool, under its mutex] From now on the place waits for one thread, which
  // comes with the ticket that is returned and gets the lane.
  [[nodiscard]] std::uint64_t Open(Lane& lane) {
    lane_ = &lane;
    awaited_.store(++last_ticket_, std::memory_order_relaxed);
    return last_ticket_;
  }
  // The ticket that the place waits for; 0: nobody is on the way.
  std::uint64_t awaited() const {
    return awaited_.load(std::memory_order_relaxed);
  }
  // [a thread that has come, and the pool that sends nobody] Whoever is first has
  // the lane; null: somebody else was.
  [[nodiscard]] Lane* Enter(std::uint64_t ticket) {
    return awaited_.compare_exchange_strong(ticket, 0, std::memory_order_relaxed)
               ? lane_
               : nullptr;
  }
  [[nodiscard]] Lane* Withdraw(std::uint64_t ticket) { return Enter(ticket); }

  // Has a thread of oneTBB's call work(*this, ticket); throws what oneTBB throws,
  // and then the thread may come nevertheless.
  using Function = void (*)(WorkerSlot& slot, std::uint64_t ticket) noexcept;
  void Enqueue(Function work, std::uint64_t ticket);

  // For one that is forsaken: a thread may come to it after its pool has gone.
  static void KeepForGood(WorkerSlot* slot);

  Pool& pool() const { return pool_; }
  int number() const { return number_; }
  const char* thread_name() const { return name_; }

  // Of the pool, under its mutex.
  bool busy = false;      // a thread works here, or is on its way
  bool looks = false;     // its thread looks for work, and is not busy
  // What it has been given meanwhile.  relaxed: it is taken under the mutex.
  std::atomic<Lane*> given{nullptr};
  bool forsaken = false;  // a thread may come for which nobody waits: never freed

 private:
  class Namer final : public tbb::task_scheduler_observer {
   public:
    Namer(tbb::task_arena& arena, WorkerSlot& slot)
        : tbb::task_scheduler_observer(arena), slot_(slot) {}
    void on_scheduler_entry(bool is_worker) override;
    void on_scheduler_exit(bool is_worker) override;

   private:
    WorkerSlot& slot_;
  };

  Pool& pool_;
  const int number_;
  // relaxed: only one may win; what lets the thread come orders the rest.
  std::atomic<std::uint64_t> awaited_{0};
  std::uint64_t last_ticket_ = 0;  // of the pool
  Lane* lane_ = nullptr;           // of whoever the ticket is with
  tbb::task_arena arena_{1, 0};  // no slot kept for a thread of the host's
  Namer namer_;
  WorkerSlot* kept_next_ = nullptr;
  char name_[16];  // with its end: the kernel's limit
  std::atomic<int> inside_{0};  // id of the thread that bears the name; relaxed:
                                // only names depend on it
};

}  // namespace msys
