#include "callout.h"

namespace hostsim {

Callout::Callout(const CalloutTarget& target) : target_(target) {
  callout_.struct_size = sizeof callout_;
  callout_.ctx = this;
  callout_.prepare = OnPrepare;
  callout_.finish = OnFinish;
  task_.base.run = OnTask;
  task_.owner = this;
}

Callout::~Callout() {
  if (running()) ContractViolation("~Callout", "the call is not over");
}

msys_status Callout::Run(const char* name, msys_session* session) {
  if (running()) ContractViolation("run", "the callout runs already");
  callout_.name = name;
  callout_.session = session;
  stage_ = Stage::kStarted;
  const msys_status status =
      target_.plugin->Run(target_.loop->index(), target_.state, &callout_);
  if (status == MSYS_OK) return status;
  if (stage_ != Stage::kStarted)
    ContractViolation("run", "failed, but called prepare() or finish()");
  stage_ = Stage::kIdle;
  return status;
}

void Callout::Cancel() {
  if (stage_ == Stage::kStarted || stage_ == Stage::kPrepared)
    target_.plugin->Cancel(target_.loop->index(), &callout_);
}

int Callout::OnPrepare(void* ctx, lua_State* L) {
  auto* self = static_cast<Callout*>(ctx);
  CheckLoop("prepare", self->target_.loop->index());
  if (self->stage_ != Stage::kStarted)
    ContractViolation("prepare", "called twice, or for no run()");
  self->stage_ = Stage::kPrepared;
  return self->Prepare(L);
}

void Callout::OnFinish(void* ctx, lua_State* L, msys_status status, int count) {
  auto* self = static_cast<Callout*>(ctx);
  CheckLoop("finish", self->target_.loop->index());
  if (self->stage_ != Stage::kStarted && self->stage_ != Stage::kPrepared)
    ContractViolation("finish", "called twice, or for no run()");
  {
    const TurnScope scope(self->target_.turn, "finish");
    self->Finish(L, status, count);
  }
  self->stage_ = Stage::kDone;
  self->target_.loop->Post(&self->task_.base);
}

void Callout::OnTask(msys_task* task) {
  Callout* self = reinterpret_cast<Task*>(task)->owner;
  self->stage_ = Stage::kIdle;
  self->Finished();  // may destroy *self
}

}  // namespace hostsim
