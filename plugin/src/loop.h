// A host's event loop as an executor of lanes.  It never waits: a busy state's
// lane is parked at the turn, and the loop posted again when it is due (T3).
#pragma once

#include <cstdint>

#include "host.h"
#include "lane.h"

namespace msys {

// A lane that a loop can run, by a task of the host's queue.  Also the base of
// pool lanes: a pool of concurrency 0 runs its jobs on the home loop.
class LoopLane : public Lane {
 public:
  LoopLane(Turn& turn_, Executor& executor_, LaneRunner& runner_)
      : Lane(turn_, executor_, runner_), task_{{&OnLoop, {}}, this} {}

  // Has `loop` come for the lane; the caller gives the lane away (L1).
  void PostTo(const Host& host, std::uint32_t loop) {
    host.Post(loop, task_.task);
  }

 private:
  struct Task {
    msys_task task;  // first: OnLoop gets its address
    LoopLane* lane;
  };
  static void OnLoop(msys_task* task);

  Task task_;
};

class Loop final : public Executor {
 public:
  Loop(const Host& host, std::uint32_t index)
      : Executor(/*is_loop=*/true), host_(host), index_(index) {}

  bool Wake(Lane& lane, Worker*) override {
    static_cast<LoopLane&>(lane).PostTo(host_, index_);
    return true;
  }
  std::uint32_t index() const { return index_; }

 private:
  const Host& host_;
  const std::uint32_t index_;
};

}  // namespace msys
