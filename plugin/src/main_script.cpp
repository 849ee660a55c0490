// The part of State for an interpreter without a host: its main script, which waits in
// place and does the loop's work meanwhile.
#include <cassert>
#include <new>
#include <thread>

#include "clock.h"
#include "held.h"
#include "job.h"
#include "state.h"

namespace msys {

bool State::OpenMain() {
  auto* tls = new (std::nothrow) Tls;
  Script* script = NewScript();
  if (tls == nullptr || script == nullptr) {
    delete tls;
    delete script;
    return false;
  }
  script->kind = Script::Kind::kMain;
  script->co.L = main;
  script->lane = home_lane_.get();
  script->tls = tls;
  script->id = NextId();
  script->resume.run = &OnMainResume;
  main_script_ = script;
  main_slice_.state = this;
  main_slice_.script = script;
  const bool taken = turn.TryTake();
  assert(taken && "nothing runs yet");
  static_cast<void>(taken);
  current = &main_slice_;
  return true;
}

void State::BlockMain(Slice& slice, Wait* wait) {
  slice.now = NowNs();
  Flush(slice, slice.script->outbox);
  if (wait == nullptr) {
    if (jobs_ == 0) return;
    main_waits_for_jobs_ = true;
    CancelIfStuck();
  }
  PumpUntilResumed(slice);
}

void State::PumpUntilResumed(Slice& slice) {
  main_resumed_ = false;
  current = nullptr;
  turn.Release(nullptr);
  // The task that resumes us leaves us the turn.
  while (!main_resumed_) run_one_task(run_one_task_ctx);
  current = &slice;
}

void State::OnMainResume(Work* work) {
  State& state = Work::OwnerOf<Script>(work).state;
  state.main_resumed_ = true;
  state.current->keep_turn = true;
}

void State::CloseMain() {
  closing_ = true;
  draining_main_ = true;
  if (main_script_->held != nullptr) ReleaseHeld(*main_script_);
  BlockMain(main_slice_, nullptr);
  // A worker may be on its way to a lane whose job was cancelled.
  while (!LanesAtRest()) {
    main_waits_for_lanes_ = true;
    PumpUntilResumed(main_slice_);
  }
  while (!turn.quiet()) std::this_thread::yield();
  ReleaseLua();
  main_script_->tls->Release(anchors);
  FreeScript(*main_script_);
  delete this;
}

}  // namespace msys
