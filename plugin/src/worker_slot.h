// One place for a worker in a pool: a task_arena with a single slot, whose
// threads carry the pool's name and the place's number ("IO/3") and take no
// asynchronous signals.
//
// Its source is not instrumented by ThreadSanitizer: all that it does happens in
// step with oneTBB, which is not either.
#pragma once

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <atomic>
#include <cstdint>
#include <string>

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

  // The place is given up: a thread that still bears its name loses it.
  void Retire();

 private:
  class Namer final : public tbb::task_scheduler_observer {
   public:
    Namer(tbb::task_arena& arena, WorkerSlot& slot)
        : tbb::task_scheduler_observer(arena), slot_(slot) {}
    void on_scheduler_entry(bool is_worker) override;

   private:
    WorkerSlot& slot_;
  };

  Pool& pool_;
  const int number_;
  tbb::task_arena arena_{1, 0};  // no slot kept for a thread of the host's
  Namer namer_;
  // relaxed, both: only a thread's name depends on them.
  std::atomic<int> tid_{0};  // the thread that bears the name, or 0
  std::atomic<std::uint64_t> name_id_;  // other after Retire()
};

}  // namespace msys
