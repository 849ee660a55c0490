// What the plugin's calls are held against: the same hops without Lua, without
// turns and without bookkeeping, over the same TBB and the same loop.
#pragma once

#include <oneapi/tbb/task_arena.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "bench_loop.h"

namespace bench {

// Floor (a): one hop.  An arena of one thread runs an empty task, which writes
// the eventfd that the loop's thread waits for.
class OneHop {
 public:
  explicit OneHop(Loop& loop) : loop_(loop) { arena_.initialize(); }
  void Go() {
    arena_.enqueue([this] { loop_.Signal(); });
    loop_.WaitForSignal();
  }

 private:
  Loop& loop_;
  tbb::task_arena arena_{1, 0};
};

// Floor (c): many hops in flight, and both wakes saved while they can be: the
// arena is sent for only when no worker drains the queue, the eventfd is
// written only when the loop sleeps.
class ManyHops {
 public:
  ManyHops(Loop& loop, std::size_t in_flight);
  ~ManyHops();
  // Each of the items goes to the worker and back `rounds` times.
  void Go(std::uint64_t rounds);

 private:
  struct Item {
    msys_task task;  // first: OnLoop gets its address
    ManyHops* owner;
    std::uint64_t left;
    Item* next;
  };
  static void OnLoop(msys_task* task);
  void Submit(Item& item);
  void Work();

  Loop& loop_;
  std::vector<Item> items_;
  std::size_t unfinished_ = 0;
  tbb::task_arena arena_{1, 0};

  std::mutex mu_;
  Item* head_ = nullptr;
  Item* tail_ = nullptr;
  bool working_ = false;
};

}  // namespace bench
