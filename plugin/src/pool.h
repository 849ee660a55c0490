// A named pool: a limit on threads, and the lanes that wait for one of them.
//
// A pool has one TBB task_arena of one slot for each of its workers, made when
// the worker is first needed.  One arena of n slots would be the obvious
// choice, but whenever a task is enqueued into an idle arena TBB wakes threads
// for all its slots: with 50 slots one hop took 87 us and 50 threads where
// arenas of one slot took 5 us and one thread (pinned to one CPU).  It also
// gives a worker its number, and lets the pool shrink.  What would change our
// mind: a TBB that wakes as many threads as there are tasks.
//
// TBB's enqueue is not first in first out, so it is only used to send for a
// thread; the thread then takes lanes from here until there are none.
//
// Invariants, true whenever mu_ is free:
//   P1  ready_ is not empty => somebody will come for it: 0 < concurrency_ <=
//       active_, or, while threads are missing, at least 0 < active_.
//   P2  active_ workers are running Work() or have been sent for.
//   P3  a slot is busy <=> one of the active_ is in it.
//
// A worker that finds nothing more to do looks for a moment whether something
// comes: to a script that calls again and again its next call would otherwise find
// the worker on its way out, and have to wait until it is out and sent for anew.
// With all on one CPU the slowest hundredth of calls took 10 us by that, and 5 us
// without.  While it looks the worker is not one of the active_.
//
// Threads: everything may be called from any, except the constructor and the
// destructor, which need the pool at rest (no lanes, no workers).
#pragma once

#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backlog.h"
#include "histogram.h"
#include "host.h"
#include "lane.h"
#include "loop.h"
#include "sync.h"
#include "thread_supply.h"

namespace msys {

class Pool;
class WorkerSlot;

// What one state did with one pool.  Written by the holder of the state's turn; only
// maxima are forgotten by whoever resets the statistics.
struct LaneStats {
  Counter submitted, invocations, done, failed, cancelled, parked;
  Counter started, suspended;       // now: begun and not ended; of these, waiting
  Counter completing;               // now: completion functions that are not over
  Counter active_sum;               // over invocations, running ones seen
  Counter saturation_sum_ppm;       // the same over concurrency, in millionths
  Histogram wait, run;
};

class PoolLane final : public LoopLane {
 public:
  PoolLane(Turn& turn_, Pool& pool, LaneRunner& runner_, Loop& home);
  ~PoolLane();

  Pool& pool;
  Loop& home;  // runs it when the pool's concurrency is 0
  LaneStats stats;
};

// A thread while it works for a pool.
struct Worker {
  Pool* pool;
  int number;            // from 1
  Lane* next = nullptr;  // what it takes next

  static Worker* current();  // null: the calling thread is no worker now
};

class Pool final : public Executor, private ThreadSupply::User {
 public:
  struct Limits {
    std::uint32_t concurrency = 1;
    std::uint32_t backlog = 0;
    std::uint32_t stack_size_kib = 0;
  };

  Pool(const Host& host, std::string name, int id, Limits limits);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Backlog backlog;

  bool Wake(Lane& lane, Worker* self) override EXCLUDES(mu_);

  // A lane without work that waits for a thread need not wait.
  void Forget(PoolLane& lane) EXCLUDES(mu_);

  // Takes effect at once for lanes that wait; workers above the new limit leave
  // when they have finished their batch.  The places that are given up are those
  // with the highest numbers, whoever works in them.
  void SetConcurrency(std::uint32_t concurrency) EXCLUDES(mu_);

  const std::string& name() const { return name_; }
  int id() const { return id_; }
  std::size_t index() const { return index_; }  // in the PoolSet
  void set_index(std::size_t index) { index_ = index; }
  std::uint32_t concurrency() const {
    return shown_concurrency_.load(std::memory_order_relaxed);
  }
  std::uint32_t active() const {
    return shown_active_.load(std::memory_order_relaxed);
  }
  Limits limits() const { return {concurrency(), backlog.size(), stack_size_kib_}; }
  // [main], as is reading it.
  void set_stack_size_kib(std::uint32_t kib) { stack_size_kib_ = kib; }

  // Appends " IO/3" for each worker that is in it, or was sent for, and " IO"
  // while a thread is sending for one.
  void ListWorkers(std::string& out) EXCLUDES(mu_);
  // No worker is in it, and no thread is busy sending one.
  bool AtRest() EXCLUDES(mu_);

  void Snapshot(msys_pool_stats& out) EXCLUDES(lanes_mu_);
  // Figures start again from here; what is queued and running stays.
  void ResetStats() EXCLUDES(lanes_mu_);
  void CountRefused() { refused_.fetch_add(1, std::memory_order_relaxed); }

  // Calls visit(lane) for the lane of every state that has used the pool.
  template <typename Visit>
  void ForEachLane(Visit visit) EXCLUDES(lanes_mu_) {
    MutexLock lock(lanes_mu_);
    for (PoolLane* lane : lanes_) visit(*lane);
  }

 private:
  friend class PoolLane;
  friend class WorkerSlot;

  void Register(PoolLane& lane) EXCLUDES(lanes_mu_);
  void Unregister(PoolLane& lane) EXCLUDES(lanes_mu_);
  // A worker's place, and the ticket of the thread that is to be sent to it.
  struct Place {
    WorkerSlot* slot = nullptr;  // null: there is none
    std::uint64_t ticket = 0;
  };

  class Sending {
   public:
    explicit Sending(std::atomic<int>& senders) : senders_(senders) {
      // relaxed: whoever sees the job over that it is for sees this, too.
      senders_.fetch_add(1, std::memory_order_relaxed);
    }
    // release: the pool is not touched afterwards.
    ~Sending() { senders_.fetch_sub(1, std::memory_order_release); }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;

   private:
    std::atomic<int>& senders_;
  };

  // A worker that looks for work gets the lane.  False: there is none.
  bool GiveToLooker(Lane& lane) REQUIRES(mu_);
  // Null: nothing has come, and the worker leaves.
  Lane* Look(WorkerSlot& slot) EXCLUDES(mu_);
  // The free place with the smallest number, for a thread that will get the lane;
  // none when none of the first few is free.
  Place TakeFree(std::size_t first_few, Lane& lane) REQUIRES(mu_);
  // The same of all, made if need be; none when memory is missing.
  Place TakePlace(Lane& lane) REQUIRES(mu_);
  // Sends a thread to the place.  False: there is none, and the place and its lane
  // are the caller's.
  [[nodiscard]] bool Send(Place place) EXCLUDES(mu_);
  // The same for a lane that becomes ready; returns what Wake() does.
  bool SendFor(Lane& lane, Place place) EXCLUDES(mu_);
  // No thread comes to the place.  True: its lane runs on the home loop; false: one
  // at work will take it.
  bool GiveUp(WorkerSlot& slot, Lane& lane) EXCLUDES(mu_);
  void Vacate(WorkerSlot& slot) REQUIRES(mu_);
  // Sends threads for lanes that wait, as many as the pool may have.
  void Refill() EXCLUDES(mu_);
  void OnTbbFailed() override EXCLUDES(mu_);
  void OnThreadFree() override EXCLUDES(mu_) { Refill(); }
  void ReportNoThread(const char* why) EXCLUDES(mu_);

  // What a thread does that has come, from oneTBB or from the supply.
  static void Serve(WorkerSlot& slot, std::uint64_t ticket) noexcept;
  static void ServeFromSupply(void* slot, std::uint64_t ticket) noexcept;
  void Work(WorkerSlot& slot, Lane& first);
  Lane* NextLane(Worker& self, WorkerSlot& slot) EXCLUDES(mu_);
  static void RunOnHomeLoops(LaneList lanes);
  void SumStats(msys_pool_stats& out) REQUIRES(lanes_mu_);
  void ShowActive() REQUIRES(mu_) {
    shown_active_.store(active_, std::memory_order_relaxed);
  }

  const Host& host_;
  const std::string name_;
  const int id_;
  std::size_t index_ = 0;
  std::uint32_t stack_size_kib_;

  Mutex mu_;
  std::uint32_t concurrency_ GUARDED_BY(mu_);
  std::uint32_t active_ GUARDED_BY(mu_) = 0;
  std::uint32_t lookers_ GUARDED_BY(mu_) = 0;
  LaneList ready_ GUARDED_BY(mu_);  // by order
  std::vector<std::unique_ptr<WorkerSlot>> slots_ GUARDED_BY(mu_);

  // To look at the figures of thousands of states takes a millisecond; whoever
  // submits a job meanwhile does not wait for that.  Never held with mu_.
  Mutex lanes_mu_;
  std::vector<PoolLane*> lanes_ GUARDED_BY(lanes_mu_);
  msys_pool_stats past_ GUARDED_BY(lanes_mu_){};      // of lanes that are gone
  msys_pool_stats baseline_ GUARDED_BY(lanes_mu_){};  // at the last reset

  // relaxed: read for display and statistics; they order nothing.
  std::atomic<std::uint32_t> shown_concurrency_;
  std::atomic<std::uint32_t> shown_active_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<int> senders_{0};  // threads in SendFor()
};

}  // namespace msys
