// One place for a worker in a pool: a task_arena with a single slot.  A thread
// carries the pool's name and the place's number ("IO/3") while it is there, and
// takes no asynchronous signals.
//
// Its source is not instrumented by ThreadSanitizer: all that it does happens in
// step with oneTBB, which is not either.
#pragma once

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

namespace msys {

class Lane;
class Pool;

class WorkerSlot {
 public:
  WorkerSlot(Pool& pool, int number);
  ~WorkerSlot();
  WorkerSlot(const WorkerSlot&) = delete;
  WorkerSlot& operator=(const WorkerSlot&) = delete;

  // Has a thread call work(*this, lane); throws what TBB throws.
  using Function = void (*)(WorkerSlot& slot, Lane& lane) noexcept;
  void Enqueue(Function work, Lane& lane);

  Pool& pool() const { return pool_; }
  int number() const { return number_; }
  bool busy = false;  // of the pool, under its mutex

  // TBB may throw after it has queued a task, which then runs one day.  Whoever
  // comes first of the task and of the pool that gives it up has the lane.
  [[nodiscard]] bool Enter() { return Claim(Claimed::kTask); }
  [[nodiscard]] bool Withdraw() { return Claim(Claimed::kPool); }
  void Reset() { claimed_.store(Claimed::kNobody, std::memory_order_relaxed); }

 private:
  enum class Claimed { kNobody, kTask, kPool };
  bool Claim(Claimed by) {
    // relaxed: only one of the two may win; the pool's mutex orders the rest.
    return claimed_.exchange(by, std::memory_order_relaxed) == Claimed::kNobody;
  }

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
  std::atomic<Claimed> claimed_{Claimed::kNobody};
  tbb::task_arena arena_{1, 0};  // no slot kept for a thread of the host's
  Namer namer_;
  char name_[16];  // with its end: the kernel's limit
  std::atomic<int> inside_{0};  // id of the thread that bears the name; relaxed:
                                // only names depend on it
};

}  // namespace msys
