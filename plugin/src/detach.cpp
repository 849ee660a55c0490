// The part of State that ends things: queued jobs are dropped, waits are cut short, and
// when nothing is left the state is detached.
#include "job.h"
#include "session.h"
#include "state.h"

namespace msys {

template <typename Visit>
void State::ForEachOtherLane(Visit visit) {
  for (auto& lane : pool_lanes_) {
    if (lane != nullptr) visit(*lane);
  }
  for (auto& lane : loop_lanes_) {
    if (lane != nullptr) visit(*lane);
  }
}

std::size_t State::DropQueued(Lane& lane, const char* why,
                              std::uint64_t parent) {
  Work* work = lane.RemoveIf([parent](Work* w) {
    return w->run == &StartJob &&
           (parent == 0 || Work::OwnerOf<Job>(w).parent == parent);
  });
  std::size_t count = 0;
  while (work != nullptr) {
    Work* next = work->next;
    DropJob(Work::OwnerOf<Job>(work), why);
    work = next;
    ++count;
  }
  return count;
}

std::size_t State::DropAllQueued(const char* why, std::uint64_t parent) {
  std::size_t all = 0;
  const auto drop = [&](LoopLane& lane) {
    const std::size_t count = DropQueued(lane, why, parent);
    if (count == 0) return;
    all += count;
    engine.host().Log(
        MSYS_LOG_WARNING, "runInPool", "%s: %zu queued jobs of state %s: %s",
        lane.executor.is_loop() ? "loop"
                                : static_cast<PoolLane&>(lane).pool.name().c_str(),
        count, name.c_str(), why);
  };
  ForEachOtherLane(drop);
  drop(*home_lane_);  // runInInst's
  return all;
}

// Only the holder changes the list, so the holder reads it without the lock.
void State::CancelWaitsOfRunning(const char* why) NO_THREAD_SAFETY_ANALYSIS {
  for (Job* job = running_; job != nullptr;) {
    Job* next = job->next;
    if (job->runner != nullptr && job->runner->wait != nullptr) {
      job->runner->wait->Cancel(why);
    }
    job = next;
  }
}

Script* State::WaitsIn(const lua_State* L) NO_THREAD_SAFETY_ANALYSIS {
  const auto waits = [L](const Script* script) {
    return script != nullptr && script->wait != nullptr && script->wait->L == L;
  };
  for (Callout* script = callouts_; script != nullptr; script = script->next) {
    if (waits(script)) return script;
  }
  for (Job* job = running_; job != nullptr; job = job->next) {
    if (waits(job->runner)) return job->runner;
  }
  return nullptr;
}

void State::CancelIfStuck() NO_THREAD_SAFETY_ANALYSIS {
  std::uint64_t stuck = 0;
  for (Job* job = running_; job != nullptr; job = job->next) {
    const Wait* wait = job->runner == nullptr ? nullptr : job->runner->wait;
    if (wait == nullptr || wait->EndsFromOutside()) return;
    ++stuck;
  }
  if (stuck == 0 || stuck < jobs_) return;  // the others will start
  engine.host().Log(MSYS_LOG_ERROR, "runInPool",
                    "%llu of the jobs of state %s wait for what will never come: "
                    "their waits are cancelled, since the interpreter closes",
                    static_cast<unsigned long long>(stuck), name.c_str());
  CancelAll("cancelled: the interpreter closes");
}

void State::CancelAll(const char* why) {
  closing_ = true;
  why_cancelled_ = why;
  DropAllQueued(why, 0);
  for (Callout* script = callouts_; script != nullptr;) {
    Callout* next = script->next;
    if (script->wait != nullptr) script->wait->Cancel(why);
    script = next;
  }
  CancelWaitsOfRunning(why);
  for (Sleeper* s = sleepers_; s != nullptr; s = s->next) s->Cancel(why);
}

void State::RequestCancelAll() {
  if (cancel_all_queued_.exchange(true, std::memory_order_relaxed)) return;
  PostToLane(*home_lane_, cancel_all_work_);
}

void State::OnCancelAll(Work* work) {
  State& state = Work::OwnerOf<State>(work);
  state.cancel_all_queued_.store(false, std::memory_order_relaxed);
  state.CancelAll("cancelled: the mail server is stopping");
}

msys_status State::Detach(void (*done)(void*), void* ctx) {
  if (detach_called_) return MSYS_E_CLOSED;
  detach_called_ = true;
  done_ = done;
  done_ctx_ = ctx;
  RunAtHome(detach_work_);
  return MSYS_OK;
}

void State::OnDetach(Work* work) {
  State& state = Work::OwnerOf<State>(work);
  state.detaching_ = true;
  state.CancelAll("cancelled: the Lua state is being detached");
  state.FinishDetachIfOver();
}

void State::FinishDetachIfOver() {
  if (!detaching_ || detach_queued_ || jobs_ > 0 || callouts_ != nullptr) return;
  detach_queued_ = true;
  Queue(*home_lane_, detach_done_work_);
}

void State::OnDetachDone(Work* work) {
  State& state = Work::OwnerOf<State>(work);
  state.detach_queued_ = false;
  // From now on nobody finds the state by the engine; what has found it before
  // is in a lane.
  state.engine.Unlist(state);
  if (!state.home_lane_->empty() || !state.turn.quiet()) {
    state.detach_queued_ = true;
    return state.Queue(*state.home_lane_, state.detach_done_work_);
  }
  // A lane that is not at rest has a thread on its way to it; RunLane tries again
  // when that has been and gone.
  if (!state.LanesAtRest() || state.jobs_ > 0 || state.callouts_ != nullptr) {
    return;
  }
  while (Session* session = state.sessions_) {
    state.sessions_ = session->next;
    ReleaseSession(*session);
  }
  state.detach_over_ = true;
}

bool State::LanesAtRest() {
  bool idle = true;
  ForEachOtherLane([&](LoopLane& lane) {
    if (!lane.executor.is_loop()) {
      // One without work that waits for a thread, or for the turn, need not.
      if (turn.Forget(lane) && lane.Settle()) turn.Ready(lane);
      static_cast<PoolLane&>(lane).pool.Forget(static_cast<PoolLane&>(lane));
    }
    idle = idle && lane.idle();
  });
  return idle;
}

void State::FinishDetach() {
  ReleaseLua();
  Engine& e = engine;
  void (*done)(void*) = done_;
  void* ctx = done_ctx_;
  delete this;
  e.EndTransit();
  done(ctx);
}

}  // namespace msys
