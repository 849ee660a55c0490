// Who may run Lua in a state now.
//
// A state's turn is held by at most one thread (T1).  It is free, held, or due:
// free, but kept for a loop that has been told to come.  Those who want it:
//   - a worker with a lane: does not wait; the lane is parked here (T4)
//   - a loop with a lane: never waits; the lane is parked here, and when its
//     place in line comes the turn is due to it and the loop is posted (T3)
//   - a worker that leaves a blocking region: waits on its own stack (T6)
// The turn itself is given only to the last kind, a thread that runs and waits
// for it (T2).  For a pool's lane it is freed and a thread sent for; whoever
// comes first takes it.  A due turn is the exception that keeps loops from
// starving: a worker that is awake would always win against a loop that has to
// be woken.  It cannot deadlock, since a loop never waits for anything.
//
// Nobody who counts on the turn may depend on a thread that is only sent for: a
// pool's thread may be long in coming (all of TBB's are busy, the system gives no
// more).  So the turn is not freed for a pool's lane while a thread or a loop
// waits (I2).  What keeps a pool's lane from starving behind those, or behind a
// loop that is always quicker (T7), is its own thread: when the lane has been
// passed kMaxPassed times it is sent for all the same, and when it has then, or
// kMaxMisses times in all, found the turn taken, it waits in line like one that
// leaves a region.  That is at most one worker of a pool for a state, behind those
// who came before it: it waits for no job, and cannot deadlock.  It gives up T4
// for T7 where the two exclude each other.
//
// Invariants, true whenever mu_ is free:
//   I1  waiters exist => kWaiters is set.
//   I2  the turn is free => no loop and no thread waits here.  If pool lanes wait,
//       one of this turn is on its way (a thread comes for it now), and its thread
//       takes the turn or finds it held.  So no waiter is forgotten.
//   I3  kDue is set => due_ is the lane it is kept for; kDue and kHeld are never
//       both set.
// Order (T7): those who wait on their stack and loops by arrival, then pool lanes
// by arrival; one that has been passed too often joins the former.
//
// Ordering: everything done while holding the turn happens before everything
// done by its next holder; Release's store pairs with the acquire of TryTake,
// otherwise mu_ orders them.
#pragma once

#include <atomic>
#include <cstdint>

#include "lane.h"
#include "sync.h"

namespace msys {

class Turn {
 public:
  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // [any] Takes a free turn.  One atomic operation when nobody waits (T8).
  [[nodiscard]] bool TryTake() {
    std::uint32_t word = 0;
    // acquire: pairs with the release in Release() of the last holder.
    if (word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return true;
    }
    return TryTakeContended(word);
  }

  // [a thread that was given the lane] Takes the turn, or parks the lane; it
  // will be woken through lane.via.  Waits only for a lane that has been passed
  // kMaxMisses times, and only with `self`, the calling worker.
  [[nodiscard]] bool TakeOrPark(Lane& lane, Worker* self = nullptr)
      EXCLUDES(mu_);

  // [a worker leaving a blocking region] Waits for the turn.
  void TakeWaiting() EXCLUDES(mu_);

  // [the holder] A lane that became busy: it waits until the turn is released.
  void Ready(Lane& lane) { ready_.PushBack(lane); }

  // [any] The same for those who do not know whether they hold the turn; the holder
  // pays for mu_, and the lane waits for the release as with Ready().
  void Submit(Lane& lane) EXCLUDES(mu_);

  // [the holder] Gives the turn up and wakes exactly one waiter (T7).  After
  // it, the state may be gone.  `self`: see Executor::Wake.
  void Release(Worker* self) EXCLUDES(mu_);

  // [the holder] A parked pool lane without work need not wait.  True: it was
  // parked here, and is the caller's now (L1).
  bool Forget(Lane& lane) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    if (!pools_.Remove(lane)) return false;
    lane.ticket = 0;
    lane.misses = 0;
    return true;
  }

  // [the holder] No thread is still busy with a release of before: when nobody
  // else can find the turn, it can be destroyed.
  bool quiet() const {
    // acquire: pairs with the release when the last of them leaves.
    return wakers_.load(std::memory_order_acquire) == 0;
  }

  // [the holder] Somebody waits who goes before pool lanes.
  bool urgent() const {
    // relaxed: a hint that ends a batch early; it orders nothing.
    return (word_.load(std::memory_order_relaxed) & kUrgent) != 0;
  }

  static constexpr int kMaxPassed = 16;
  static constexpr int kMaxMisses = 8;

 private:
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kWaiters = 2;
  static constexpr std::uint32_t kDue = 4;
  static constexpr std::uint32_t kUrgent = 8;  // only together with kWaiters

  // A worker that waits in TakeWaiting(), on its stack, linked under mu_.
  struct Leaving {
    std::atomic<std::uint32_t> granted{0};  // 1: the turn is its own
    Leaving* next = nullptr;
    std::uint64_t ticket = 0;
  };

  bool TakeDue(Lane& lane);
  bool TakeOrParkLocked(Lane& lane) REQUIRES(mu_);
  bool ReleaseTo(Lane& lane);
  bool TryTakeContended(std::uint32_t word);
  bool Available(std::uint32_t word) const {
    return (word & (kHeld | kDue)) == 0;
  }
  // Takes a free turn, else sets kWaiters: the holder must now come by mu_.
  bool TakeOrAnnounce() REQUIRES(mu_);
  void Park(Lane& lane) REQUIRES(mu_);
  std::uint32_t WaiterBits() const REQUIRES(mu_);
  // A pool lane that has been passed too often: its thread may wait in line.
  Lane* TakeOwed() REQUIRES(mu_);
  Leaving* TakeLeaving() REQUIRES(mu_);
  // The turn is ours: gives it to, or frees it for, the next waiter.
  void WakeNext(Worker* self) EXCLUDES(mu_);
  Lane* TakePoolLane() EXCLUDES(mu_);

  std::atomic<std::uint32_t> word_{0};
  std::atomic<int> wakers_{0};  // threads in WakeNext()
  LaneList ready_;  // of the holder

  Mutex mu_;
  // Loops' lanes and leaving threads, merged by ticket when one is chosen.
  LaneList loops_ GUARDED_BY(mu_);
  Leaving* leaving_ GUARDED_BY(mu_) = nullptr;
  Leaving* leaving_tail_ GUARDED_BY(mu_) = nullptr;
  LaneList pools_ GUARDED_BY(mu_);
  // relaxed: written by who holds the turn, or holds mu_ while it is free; word_
  // orders it.
  std::atomic<Lane*> due_{nullptr};
  std::uint64_t last_ticket_ GUARDED_BY(mu_) = 0;
  int passed_ GUARDED_BY(mu_) = 0;  // urgent ones served while a pool waits
};

}  // namespace msys
