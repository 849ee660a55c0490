// The work of one state for one executor (a pool, or a loop), first in first
// out.  The lane, not the job, is what a pool queues and what waits for a
// state's turn: parking it keeps all its jobs in order, at the cost of one.
#pragma once

#include <cstdint>

#include "sync.h"

namespace msys {

class Lane;
class Turn;
struct Worker;

// One piece of work: a job to start, a script to go on.  Embedded in what it
// works on, so that queueing needs no memory.
struct Work {
  // Called with the state's turn held.
  void (*run)(Work* work) = nullptr;
  void* owner = nullptr;  // what it is embedded in
  Work* next = nullptr;
  Work* prev = nullptr;     // of a lane's first: stale, never read
  std::uint64_t order = 0;  // smaller runs first; of jobs, when they came
  bool queued = false;      // in a lane

  template <typename Owner>
  static Owner& OwnerOf(Work* work) {
    return *static_cast<Owner*>(work->owner);
  }
};

// Who lends threads to lanes.
class Executor {
 public:
  // The turn of the lane's state is free and the lane is first in line.  True:
  // a thread that has nothing else to do will now come for it.  False: all
  // threads are busy; one will come when it is free, so the state should wake
  // its next waiter as well.  `self`: the calling worker, when it is about to
  // look for work, else null.
  virtual bool Wake(Lane& lane, Worker* self) = 0;
  // A loop must not wait long behind jobs (T3, T9); pools may.
  bool is_loop() const { return is_loop_; }

 protected:
  explicit Executor(bool is_loop) : is_loop_(is_loop) {}
  ~Executor() = default;

 private:
  const bool is_loop_;
};

// Who runs the lane's work: the Lua state.
class LaneRunner {
 public:
  // The calling thread holds the turn; on return it has released it, and
  // neither the lane nor the state may be touched by the caller.
  virtual void RunLane(Lane& lane, Worker* self) = 0;

 protected:
  ~LaneRunner() = default;
};

// Threads: Push and the readers from any; Pop and Settle by the thread that
// holds the turn and was given the lane.
//
// Invariants, true whenever mu_ is free:
//   L1  busy_ is true while exactly one party has the lane: a waiter list of
//       its turn, the ready list of its pool, a thread on its way to it, or
//       the thread that runs it.
//   L2  not busy_ means no work.
class Lane {
 public:
  Lane(Turn& turn, Executor& executor, LaneRunner& runner)
      : turn(turn), executor(executor), runner(runner), via(&executor) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Queues work behind all of the same or a smaller order.  True: the lane was
  // idle, and the caller must now make it wait for the turn (Turn::Ready by
  // the holder, Turn::Submit by others).
  [[nodiscard]] bool Push(Work* work) EXCLUDES(mu_);

  // The first work, and in `then_first` the one behind it, or null.  Null: there was
  // none, and the lane is idle now, no longer the caller's.
  Work* PopOrSettle(Work*& then_first) EXCLUDES(mu_);

  // The runner is done with the lane for now.  True: there is work left, and
  // the lane must wait for the turn again.
  [[nodiscard]] bool Settle() EXCLUDES(mu_);

  // Takes out `work` if it is still queued; it can be in no other lane.  Does not
  // search, so that many can be cancelled.
  bool Remove(Work* work) EXCLUDES(mu_);
  // Takes out all for which choose(work) is true, in their order.
  template <typename Choose>
  Work* RemoveIf(Choose choose) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    Work* taken = nullptr;
    Work** taken_end = &taken;
    for (Work* work = head_; work != nullptr;) {
      Work* after = work->next;
      if (choose(work)) {
        Unlink(*work);
        *taken_end = work;
        taken_end = &work->next;
      }
      work = after;
    }
    return taken;
  }

  // A worker came for it and found the state busy.
  [[gnu::noinline]] void NoteParked();

  Work* First() EXCLUDES(mu_);  // stays queued; null: there is none
  bool idle() EXCLUDES(mu_);   // nobody has it (L1), and no work is queued
  bool empty() EXCLUDES(mu_);  // no work is queued

  // Calls visit(work) for everything queued, in order, until it returns false; it
  // must not use the lane.
  template <typename Visit>
  void ForEach(Visit visit) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    for (Work* work = head_; work != nullptr; work = work->next) {
      if (!visit(work)) return;
    }
  }

  Turn& turn;
  Executor& executor;
  LaneRunner& runner;

  // Of the party that has the lane (L1).
  Lane* next = nullptr;         // link in that party's list
  std::uint64_t ticket = 0;     // place among the turn's waiters; 0: none yet
  std::uint64_t order = 0;      // of the first work, when it began to wait
  int misses = 0;               // times its thread found the turn taken
  Executor* via;                // whose thread comes for it: executor's, or the
                                // home loop's when the pool has no threads
  bool was_parked = false;      // a worker came and found the state busy
  std::uint64_t parked_ns = 0;  // when it did, if that is wanted
  bool time_parking = false;    // set before the lane is used

 private:
  void Unlink(Work& work) REQUIRES(mu_);

  Mutex mu_;
  Work* head_ GUARDED_BY(mu_) = nullptr;
  Work* tail_ GUARDED_BY(mu_) = nullptr;
  bool busy_ GUARDED_BY(mu_) = false;
};

// A list of lanes; guarded by whoever owns it.
class LaneList {
 public:
  bool empty() const { return head_ == nullptr; }
  Lane* front() const { return head_; }
  void PushBack(Lane& lane);
  Lane* PopFront();
  bool Remove(Lane& lane);
  // Behind all lanes whose `key` is not greater.
  void InsertBy(Lane& lane, std::uint64_t Lane::*key);

 private:
  Lane* head_ = nullptr;
  Lane* tail_ = nullptr;
};

}  // namespace msys
