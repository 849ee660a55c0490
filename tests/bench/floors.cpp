#include "floors.h"

#include <thread>

namespace bench {

ManyHops::ManyHops(Loop& loop, std::size_t in_flight)
    : loop_(loop), items_(in_flight) {
  arena_.initialize();
  for (Item& item : items_) {
    item.task.run = &OnLoop;
    item.owner = this;
  }
}

ManyHops::~ManyHops() {
  // The last item is back, but the worker may be about to find the queue empty.
  for (;; std::this_thread::yield()) {
    const std::lock_guard lock(mu_);
    if (!working_) return;
  }
}

void ManyHops::Submit(Item& item) {
  item.next = nullptr;
  bool wake = false;
  {
    const std::lock_guard lock(mu_);
    (head_ == nullptr ? head_ : tail_->next) = &item;
    tail_ = &item;
    wake = !working_;
    working_ = true;
  }
  if (wake) arena_.enqueue([this] { Work(); });
}

void ManyHops::Work() {
  for (;;) {
    Item* item = nullptr;
    {
      const std::lock_guard lock(mu_);
      item = head_;
      if (item == nullptr) {
        working_ = false;
        return;
      }
      head_ = item->next;
    }
    loop_.Post(&item->task);
  }
}

void ManyHops::OnLoop(msys_task* task) {
  Item& item = *reinterpret_cast<Item*>(task);
  ManyHops& owner = *item.owner;
  if (--item.left > 0)
    owner.Submit(item);
  else
    --owner.unfinished_;
}

void ManyHops::Go(std::uint64_t rounds) {
  unfinished_ = items_.size();
  for (Item& item : items_) {
    item.left = rounds;
    Submit(item);
  }
  while (unfinished_ > 0) loop_.RunOnce();
}

}  // namespace bench
