// Wakes scripts that sleep on a loop.  One thread for the whole plugin, started
// when the first of them goes to sleep, so that a host may fork before.
//
// Threads: Arm and Cancel from any; the destructor from the last user.
// The entries are embedded in what waits and form a pairing heap: arming needs no
// memory and cannot fail once the thread is there.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <thread>

#include "sync.h"

namespace msys {

class Timer {
 public:
  struct Entry {
    // Called once, on the timer's thread, with its mutex held: it must neither
    // wait nor call the timer.  The entry may be gone as soon as the mutex is
    // free.
    void (*fire)(Entry* entry) = nullptr;
    std::uint64_t deadline_ns = 0;

    // Of the heap; null: not armed.  `prev` is the left sibling, or the parent
    // of its first child; the root's is itself.
    Entry* prev = nullptr;
    Entry* next = nullptr;
    Entry* child = nullptr;
  };

  Timer() = default;
  ~Timer();  // nothing is armed any more
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // False: there is no thread for it; `error` (of 64 bytes) says why.
  [[nodiscard]] bool Arm(Entry& entry, char* error) EXCLUDES(mu_);

  // True: it will not fire.  False: fire() has returned, or it was never armed.
  bool Cancel(Entry& entry) EXCLUDES(mu_);

 private:
  bool Start(char* error) REQUIRES(mu_);
  void Run() EXCLUDES(mu_);
  static Entry* Merge(Entry* a, Entry* b);
  static Entry* MergeSiblings(Entry* first);
  void Remove(Entry& entry) REQUIRES(mu_);

  WaitableMutex mu_;
  std::condition_variable changed_;
  Entry* root_ GUARDED_BY(mu_) = nullptr;  // of the smallest deadline
  bool started_ GUARDED_BY(mu_) = false;
  bool ending_ GUARDED_BY(mu_) = false;
  std::thread thread_;  // written by Start()
};

}  // namespace msys
