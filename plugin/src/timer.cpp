#include "timer.h"

#include <pthread.h>

#include <cassert>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <new>
#include <system_error>

#include "clock.h"

namespace msys {
namespace {

constexpr std::size_t kErrorSize = 64;

}  // namespace

Timer::~Timer() {
  {
    WaitableLock lock(mu_);
    assert(root_ == nullptr && "a script still sleeps");
    ending_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

bool Timer::Start(char* error) {
  // The thread is born with all signals blocked: there is no moment in which it
  // could be given one of the host's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { Run(); });
    started_ = true;
  } catch (const std::system_error& e) {
    std::snprintf(error, kErrorSize, "%s", e.code().message().c_str());
  } catch (const std::bad_alloc&) {
    std::snprintf(error, kErrorSize, "not enough memory");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started_;
}

bool Timer::Arm(Entry& entry, char* error) {
  WaitableLock lock(mu_);
  if (!started_ && !Start(error)) return false;
  assert(entry.prev == nullptr && "armed already");
  entry.prev = &entry;
  root_ = Merge(root_, &entry);
  if (root_ == &entry) changed_.notify_one();
  return true;
}

bool Timer::Cancel(Entry& entry) {
  WaitableLock lock(mu_);
  if (entry.prev == nullptr) return false;
  Remove(entry);
  return true;
}

void Timer::Run() {
  pthread_setname_np(pthread_self(), "msys-timer");
  for (;;) {
    // The mutex is given up between two entries, so that nobody who arms or
    // cancels has to wait for all that are due.
    WaitableLock lock(mu_);
    if (ending_) return;
    if (root_ == nullptr) {
      lock.Wait(changed_);
      continue;
    }
    Entry& first = *root_;
    if (first.deadline_ns > NowNs()) {
      // Of the clock that NowNs() reads.
      const std::chrono::nanoseconds since_epoch(first.deadline_ns);
      lock.WaitUntil(changed_,
                     std::chrono::steady_clock::time_point(since_epoch));
      continue;
    }
    Remove(first);
    first.fire(&first);
  }
}

// ---- the heap ------------------------------------------------------------------

// Both are roots, or null.
Timer::Entry* Timer::Merge(Entry* a, Entry* b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  if (b->deadline_ns < a->deadline_ns) std::swap(a, b);
  b->prev = a;
  b->next = a->child;
  if (b->next != nullptr) b->next->prev = b;
  a->child = b;
  a->prev = a;
  a->next = nullptr;
  return a;
}

// Pairs from left to right, then all of them from right to left: what keeps the
// cost of a removal at the logarithm, amortised.
Timer::Entry* Timer::MergeSiblings(Entry* first) {
  Entry* pairs = nullptr;  // linked by next, the last one first
  while (first != nullptr) {
    Entry* a = first;
    Entry* b = a->next;
    first = b == nullptr ? nullptr : b->next;
    a->prev = a;
    a->next = nullptr;
    if (b != nullptr) {
      b->prev = b;
      b->next = nullptr;
    }
    Entry* pair = Merge(a, b);
    pair->next = pairs;
    pairs = pair;
  }
  Entry* root = nullptr;
  while (pairs != nullptr) {
    Entry* pair = pairs;
    pairs = pair->next;
    pair->next = nullptr;
    root = Merge(root, pair);
  }
  return root;
}

void Timer::Remove(Entry& entry) {
  Entry* orphans = MergeSiblings(entry.child);
  if (&entry == root_) {
    root_ = orphans;
  } else {
    (entry.prev->child == &entry ? entry.prev->child : entry.prev->next) =
        entry.next;
    if (entry.next != nullptr) entry.next->prev = entry.prev;
    root_ = Merge(root_, orphans);
  }
  entry.prev = entry.next = entry.child = nullptr;
}

}  // namespace msys
