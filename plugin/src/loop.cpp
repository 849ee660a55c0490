#include "loop.h"

#include "turn.h"

namespace msys {

void LoopLane::OnLoop(msys_task* task) {
  LoopLane& lane = *reinterpret_cast<Task*>(task)->lane;
  if (lane.turn.TakeOrPark(lane)) lane.runner.RunLane(lane, nullptr);
}

}  // namespace msys
