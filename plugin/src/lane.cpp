#include "lane.h"

#include <cassert>
#include <utility>

#include "clock.h"
#include "prefetch.h"

namespace msys {

bool Lane::Push(Work* work) {
  MutexLock lock(mu_);
  assert(!work->queued);
  Work* before = tail_;
  if (before != nullptr && before->order > work->order) {
    // Only a closure that goes on is older than what is queued, and it is older
    // than nearly all of it: the place is near the head.
    before = nullptr;
    Work* after = head_;
    while (after->order <= work->order) before = std::exchange(after, after->next);
  }
  work->prev = before;
  work->next = before == nullptr ? head_ : before->next;
  (before == nullptr ? head_ : before->next) = work;
  (work->next == nullptr ? tail_ : work->next->prev) = work;
  work->queued = true;
  if (busy_) return false;
  busy_ = true;
  order = head_->order;
  return true;
}

void Lane::Unlink(Work& work) {
  // The first one's prev means nothing, so that taking it writes to no other: that
  // would wait for the other core to give the line away.
  const bool first = head_ == &work;
  (first ? head_ : work.prev->next) = work.next;
  if (work.next == nullptr) tail_ = first ? nullptr : work.prev;
  else if (!first) work.next->prev = work.prev;
  work.next = nullptr;
  work.queued = false;
}

Work* Lane::PopOrSettle(Work*& then_first) {
  MutexLock lock(mu_);
  Work* work = head_;
  if (work == nullptr) {
    assert(busy_ && "L1");
    busy_ = false;
    was_parked = false;
    return nullptr;
  }
  Unlink(*work);
  then_first = head_;
  // The one after the next, whose address has been fetched with the next: two lines
  // before the work and three from it on cover nearly all of a job or a script.
  if (head_ != nullptr) Prefetch(head_->next, 2, 5);
  return work;
}

bool Lane::Settle() {
  MutexLock lock(mu_);
  assert(busy_ && "L1");
  was_parked = false;
  busy_ = head_ != nullptr;
  if (busy_) order = head_->order;
  return busy_;
}

bool Lane::Remove(Work* work) {
  MutexLock lock(mu_);
  if (!work->queued) return false;
  Unlink(*work);
  return true;
}

// Out of line: what calls it is short, and called for every job.
void Lane::NoteParked() {
  if (time_parking && !was_parked) parked_ns = NowNs();
  was_parked = true;
}

Work* Lane::First() {
  MutexLock lock(mu_);
  return head_;
}

bool Lane::idle() {
  MutexLock lock(mu_);
  return !busy_;
}

bool Lane::empty() {
  MutexLock lock(mu_);
  return head_ == nullptr;
}

void LaneList::PushBack(Lane& lane) {
  lane.next = nullptr;
  (tail_ == nullptr ? head_ : tail_->next) = &lane;
  tail_ = &lane;
}

Lane* LaneList::PopFront() {
  Lane* lane = head_;
  if (lane == nullptr) return nullptr;
  head_ = lane->next;
  if (head_ == nullptr) tail_ = nullptr;
  lane->next = nullptr;
  return lane;
}

bool LaneList::Remove(Lane& lane) {
  Lane* before = nullptr;
  for (Lane* l = head_; l != nullptr; before = l, l = l->next) {
    if (l != &lane) continue;
    (before == nullptr ? head_ : before->next) = lane.next;
    if (tail_ == &lane) tail_ = before;
    lane.next = nullptr;
    return true;
  }
  return false;
}

void LaneList::InsertBy(Lane& lane, std::uint64_t Lane::*key) {
  if (tail_ == nullptr || tail_->*key <= lane.*key) return PushBack(lane);
  Lane** link = &head_;
  while ((*link)->*key <= lane.*key) link = &(*link)->next;
  lane.next = *link;
  *link = &lane;
}

}  // namespace msys
