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
  LaneList& list = lane.executor.is_loop() ? loops_ : pools_;
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

bool Turn::TakeOrPark(Lane& lane) {
  if (TryTake() || TakeDue(lane)) {
    lane.ticket = 0;
    return true;
  }
  MutexLock lock(mu_);
  if (due_.load(std::memory_order_relaxed) == &lane) {
    due_.store(nullptr, std::memory_order_relaxed);
    lane.ticket = 0;
    // While it is due only mu_'s holders and this lane's thread change the word.
    // acquire: as in TryTake().
    word_.exchange(kHeld | WaiterBits(), std::memory_order_acquire);
    return true;
  }
  if (TakeOrAnnounce()) {
    lane.ticket = 0;
    return true;
  }
  lane.was_parked = true;
  Park(lane);
  return false;
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
      } else if (lane.executor.is_loop()) {
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
  lane.executor.Wake(lane, nullptr);
}

// The usual case: one lane has become ready, and nobody else waits.  False:
// somebody does.
bool Turn::ReleaseTo(Lane& lane) {
  const bool loop = lane.executor.is_loop();
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
      lane->executor.Wake(*lane, self);
      return;
    }
    ready_.PushBack(*lane);
  }
  // It may come back to mu_ when others have had the turn since.
  wakers_.fetch_add(1, std::memory_order_relaxed);
  WakeNext(/*held=*/true, self);
  wakers_.fetch_sub(1, std::memory_order_release);  // pairs with quiet()
}

void Turn::WakeNext(bool held, Worker* self) {
  for (;;) {
    Lane* lane = nullptr;
    Leaving* thread = nullptr;
    {
      MutexLock lock(mu_);
      if (held) {
        while (Lane* ready = ready_.PopFront()) Park(*ready);
      } else if (!Available(word_.load(std::memory_order_relaxed))) {
        return;  // whoever has it now wakes the next
      }
      const bool urgent = leaving_ != nullptr || !loops_.empty();
      if (urgent && (pools_.empty() || passed_ < kMaxPassed)) {
        passed_ = pools_.empty() ? 0 : passed_ + 1;
        const bool thread_first =
            leaving_ != nullptr &&
            (loops_.empty() || leaving_->ticket < loops_.front()->ticket);
        if (thread_first) {
          thread = leaving_;
          leaving_ = thread->next;
          if (leaving_ == nullptr) leaving_tail_ = nullptr;
        } else {
          lane = loops_.PopFront();
        }
      } else {
        passed_ = 0;
        lane = pools_.PopFront();
      }

      std::uint32_t next = WaiterBits();
      if (thread != nullptr) {
        next |= kHeld;
      } else if (lane != nullptr && lane->executor.is_loop()) {
        next |= kDue;
      }
      if (held) {
        // release: pairs with the acquire of the next holder's TryTake().
        word_.store(next, std::memory_order_release);
      } else {
        // Free: others may take it by TryTake() at any moment.
        std::uint32_t word = word_.load(std::memory_order_relaxed);
        while (Available(word) &&
               !word_.compare_exchange_weak(word, next,
                                            std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
        }
        if (!Available(word)) {
          // Taken under our hands: put the chosen one back in its place.
          if (lane != nullptr) {
            word_.fetch_or(kWaiters, std::memory_order_relaxed);
            Park(*lane);
          } else if (thread != nullptr) {
            word_.fetch_or(kWaiters | kUrgent, std::memory_order_relaxed);
            thread->next = leaving_;
            leaving_ = thread;
            if (leaving_tail_ == nullptr) leaving_tail_ = thread;
          }
          return;
        }
      }
      if (lane != nullptr && (next & kDue) != 0) {
        due_.store(lane, std::memory_order_relaxed);
      }
    }
    if (thread != nullptr) {
      // Once it is granted the thread may return, and *thread be gone: to wake
      // it only the address is used.
      auto* granted = &thread->granted;
      // seq_cst, and no plain store: libstdc++ 12 then looks whether anybody
      // waits without a fence of its own, and a wake could be lost.
      granted->exchange(1, std::memory_order_seq_cst);
      granted->notify_one();
      return;
    }
    if (lane == nullptr) return;
    if (lane->executor.Wake(*lane, self)) return;
    held = false;  // it waits in its pool; the turn is free for the next
  }
}

}  // namespace msys
