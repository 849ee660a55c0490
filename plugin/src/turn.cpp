#include "turn.h"

#include <cassert>

namespace msys {

bool Turn::TryTakeContended(std::uint32_t word) {
  while (Available(word)) {
    // acquire: as in TryTake().
    if (word_.compare_exchange_weak(word, word | kHeld,
                                    std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

bool Turn::TakeOrAnnounce() {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  for (;;) {
    const bool take = Available(word);
    const std::uint32_t wanted = word | (take ? kHeld : kWaiters);
    if (word == wanted) return false;
    // acquire: when taking, as in TryTake(); when announcing, mu_ orders.
    if (word_.compare_exchange_weak(word, wanted, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return take;
    }
  }
}

std::uint32_t Turn::WaiterBits() const {
  const bool urgent = leaving_ != nullptr || !loops_.empty();
  if (urgent) return kWaiters | kUrgent;
  return pools_.empty() ? 0 : kWaiters;
}

void Turn::Park(Lane& lane) {
  // A lane that was sent for and came too late keeps its place in line.
  if (lane.ticket == 0) lane.ticket = ++last_ticket_;
  LaneList& list = lane.via->is_loop() ? loops_ : pools_;
  list.InsertBy(lane, &Lane::ticket);
  if (&list == &loops_) {
    // relaxed: mu_ orders; the bit is a hint to the holder's batch.
    word_.fetch_or(kUrgent, std::memory_order_relaxed);
  }
}

// The turn is due to the lane and nobody else waits: one atomic operation.
bool Turn::TakeDue(Lane& lane) {
  std::uint32_t word = kDue;
  if (due_.load(std::memory_order_relaxed) != &lane ||
      // acquire: as in TryTake().
      !word_.compare_exchange_strong(word, kHeld, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
    return false;
  }
  due_.store(nullptr, std::memory_order_relaxed);
  return true;
}

// The same, and the rest, with waiters to be told from.
bool Turn::TakeOrParkLocked(Lane& lane) {
  if (due_.load(std::memory_order_relaxed) == &lane) {
    due_.store(nullptr, std::memory_order_relaxed);
    // While it is due only mu_'s holders and this lane's thread change the word.
    // acquire: as in TryTake().
    word_.exchange(kHeld | WaiterBits(), std::memory_order_acquire);
    return true;
  }
  if (TakeOrAnnounce()) return true;
  ++lane.misses;
  lane.NoteParked();
  Park(lane);
  return false;
}

bool Turn::TakeOrPark(Lane& lane, Worker* self) {
  if (!TryTake() && !TakeDue(lane)) {
    if (self != nullptr && lane.misses >= kMaxMisses) {
      TakeWaiting();
    } else {
      MutexLock lock(mu_);
      if (!TakeOrParkLocked(lane)) return false;
    }
  }
  lane.ticket = 0;
  lane.misses = 0;
  lane.via = &lane.executor;
  return true;
}

void Turn::TakeWaiting() {
  if (TryTake()) return;
  Leaving self;
  {
    MutexLock lock(mu_);
    if (TakeOrAnnounce()) return;
    self.ticket = ++last_ticket_;
    (leaving_tail_ == nullptr ? leaving_ : leaving_tail_->next) = &self;
    leaving_tail_ = &self;
    word_.fetch_or(kUrgent, std::memory_order_relaxed);  // as in Park()
  }
  // acquire: pairs with the exchange in WakeNext().
  self.granted.wait(0, std::memory_order_acquire);
}

void Turn::Submit(Lane& lane) {
  {
    MutexLock lock(mu_);
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (!Available(word)) {
        if ((word & kWaiters) != 0 ||
            word_.compare_exchange_weak(word, word | kWaiters,
                                        std::memory_order_relaxed)) {
          return Park(lane);
        }
      } else if (lane.via->is_loop()) {
        // relaxed: mu_ orders; there is nothing else to publish.
        if (word_.compare_exchange_weak(word, kDue | WaiterBits(),
                                        std::memory_order_relaxed)) {
          due_.store(&lane, std::memory_order_relaxed);
          break;
        }
      } else {
        break;
      }
    }
  }
  // Outside mu_: two locks are never held together.  When all threads of its
  // pool are busy the lane waits there, and nobody else is owed a wake by us.
  lane.via->Wake(lane, nullptr);
}

// The usual case: one lane has become ready, and nobody else waits.  False:
// somebody does.
bool Turn::ReleaseTo(Lane& lane) {
  const bool loop = lane.via->is_loop();
  if (loop) due_.store(&lane, std::memory_order_relaxed);
  std::uint32_t word = kHeld;
  // release: pairs with the acquire of the next holder's TryTake().
  if (word_.compare_exchange_strong(word, loop ? kDue : 0,
                                    std::memory_order_release,
                                    std::memory_order_relaxed)) {
    return true;
  }
  if (loop) due_.store(nullptr, std::memory_order_relaxed);
  return false;
}

void Turn::Release(Worker* self) {
  Lane* lane = ready_.front();
  if (lane == nullptr) {
    std::uint32_t word = kHeld;
    // release: as in ReleaseTo().
    if (word_.compare_exchange_strong(word, 0, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      return;
    }
  } else if (lane->next == nullptr) {
    ready_.PopFront();  // first: after the release the list is another's
    if (ReleaseTo(*lane)) {
      lane->via->Wake(*lane, self);
      return;
    }
    ready_.PushBack(*lane);
  }
  // It may come back to mu_ when others have had the turn since.
  wakers_.fetch_add(1, std::memory_order_relaxed);
  WakeNext(self);
  wakers_.fetch_sub(1, std::memory_order_release);  // pairs with quiet()
}

Lane* Turn::TakeOwed() {
  if (pools_.empty()) passed_ = 0;
  if (pools_.empty() || ++passed_ < kMaxPassed) return nullptr;
  passed_ = 0;
  Lane* lane = pools_.PopFront();
  lane->misses = kMaxMisses;
  return lane;
}

Turn::Leaving* Turn::TakeLeaving() {
  if (leaving_ == nullptr ||
      (!loops_.empty() && loops_.front()->ticket < leaving_->ticket)) {
    return nullptr;
  }
  Leaving* thread = leaving_;
  leaving_ = thread->next;
  if (leaving_ == nullptr) leaving_tail_ = nullptr;
  return thread;
}

// Hands the turn to one who surely comes, a thread that waits or a loop; else
// frees it for a pool lane, behind which nobody waits who must not.
void Turn::WakeNext(Worker* self) {
  Leaving* thread = nullptr;
  Lane* lane = nullptr;
  Lane* owed = nullptr;
  bool due = false;
  {
    MutexLock lock(mu_);
    while (Lane* ready = ready_.PopFront()) Park(*ready);
    if (leaving_ != nullptr || !loops_.empty()) {
      owed = TakeOwed();
      thread = TakeLeaving();
      due = thread == nullptr;
      if (due) lane = loops_.PopFront();
    } else {
      passed_ = 0;
      lane = pools_.PopFront();
    }
    if (due) due_.store(lane, std::memory_order_relaxed);
    // release: pairs with the acquire of the next holder's TryTake().
    word_.store(WaiterBits() | (due ? kDue : thread != nullptr ? kHeld : 0),
                std::memory_order_release);
  }
  if (thread != nullptr) {
    // Once it is granted the thread may return, and *thread be gone: to wake
    // it only the address is used.
    auto* granted = &thread->granted;
    // seq_cst, and no plain store: libstdc++ 12 then looks whether anybody
    // waits without a fence of its own, and a wake could be lost.
    granted->exchange(1, std::memory_order_seq_cst);
    granted->notify_one();
  }
  if (owed != nullptr) owed->via->Wake(*owed, self);
  // A pool that has no thread for its lane now will have one: the turn is free
  // for the next.
  while (lane != nullptr && !lane->via->Wake(*lane, self)) {
    lane = TakePoolLane();
  }
}

// The next pool lane, if the turn is still free.
Lane* Turn::TakePoolLane() {
  MutexLock lock(mu_);
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  if (!Available(word)) return nullptr;  // who has it now wakes the next
  assert(leaving_ == nullptr && loops_.empty() && "I2");
  Lane* lane = pools_.PopFront();
  const std::uint32_t next = WaiterBits();
  // Others may take it by TryTake() at any moment.
  // acquire, release: as in TryTake() and WakeNext().
  while (Available(word) &&
         !word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
  }
  if (Available(word) || lane == nullptr) return lane;
  Park(*lane);  // kWaiters is still set
  return nullptr;
}

}  // namespace msys
