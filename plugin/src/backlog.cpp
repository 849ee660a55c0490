#include "backlog.h"

#include <cassert>

namespace msys {

bool Backlog::Admit(Admission& admission) {
  if (size() == 0) return true;
  MutexLock lock(mu_);
  if (admitted_ < size()) {
    ++admitted_;
    return true;
  }
  admission.next = nullptr;
  (waiting_tail_ == nullptr ? waiting_ : waiting_tail_->next) = &admission;
  waiting_tail_ = &admission;
  ++waiting_count_;
  return false;
}

bool Backlog::AdmitNow() {
  if (size() == 0) return true;
  MutexLock lock(mu_);
  if (admitted_ >= size()) return false;
  ++admitted_;
  return true;
}

Admission* Backlog::Leave() {
  if (size() == 0) return nullptr;
  MutexLock lock(mu_);
  assert(admitted_ > 0);
  Admission* next = waiting_;
  if (next == nullptr) {
    --admitted_;
    return nullptr;
  }
  waiting_ = next->next;  // the place goes to the next in line
  if (waiting_ == nullptr) waiting_tail_ = nullptr;
  --waiting_count_;
  return next;
}

bool Backlog::Cancel(Admission& admission) {
  MutexLock lock(mu_);
  Admission* before = nullptr;
  for (Admission* a = waiting_; a != nullptr; before = a, a = a->next) {
    if (a != &admission) continue;
    (before == nullptr ? waiting_ : before->next) = a->next;
    if (waiting_tail_ == a) waiting_tail_ = before;
    --waiting_count_;
    return true;
  }
  return false;
}

}  // namespace msys
