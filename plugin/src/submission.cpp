// A job before it starts: submitted, waiting for room in its pool's backlog, in the
// outbox of the slice that submitted it, in its lane; and taken back from there.
#include <cstddef>
#include <cstdio>
#include <utility>

#include "clock.h"
#include "job_box.h"
#include "state.h"
#include "text.h"

namespace msys {
namespace {

constexpr char kCallerIsGone[] =
    "cancelled: its calling script has ended, or no longer waits for it";

void LogDropped(const Job& job, const char* why) {
  char where[128];
  FormatSource(job.source, job.line, where, sizeof where);
  job.state.engine.host().Log(MSYS_LOG_WARNING, "runInPool",
                              "%s: closure %s of state %s: %s", job.pool_name(),
                              where, job.state.name.c_str(), why);
}

void PutInOutbox(Slice& slice, Job& job) {
  Outbox& outbox =
      slice.script != nullptr ? slice.script->outbox : job.state.stray;
  job.outbox = &outbox;
  job.next = nullptr;
  job.prev = outbox.last;
  (outbox.last == nullptr ? outbox.first : outbox.last->next) = &job;
  outbox.last = &job;
}

void RemoveFromOutbox(Job& job) {
  Outbox& outbox = *std::exchange(job.outbox, nullptr);
  (job.prev == nullptr ? outbox.first : job.prev->next) = job.next;
  (job.next == nullptr ? outbox.last : job.next->prev) = job.prev;
}

// Takes a job that has not started out of wherever it waits for that.  False: it
// has started, is over, or is on its way from one place to the next.
bool TakeBack(Job& job) {
  if (job.stage == JobStage::kWaiting) {
    auto& lane = static_cast<PoolLane&>(*job.lane);
    // Granted already: it is on its way to its caller's lane.
    if (!lane.pool.backlog.Cancel(job.admission)) {
      if (!job.waiting_lane->Remove(&job.work)) return false;
      job.admitted = true;
    }
  } else if (job.stage != JobStage::kQueued) {
    return false;
  } else if (job.outbox != nullptr) {
    RemoveFromOutbox(job);
  } else if (!job.lane->Remove(&job.work)) {
    return false;
  }
  return true;
}

void EnterAfterWait(Work* work) {
  Job& job = Work::OwnerOf<Job>(work);
  job.admitted = true;
  const char* refused = job.state.WhyRefused(job.mode);
  if (job.abandoned || refused != nullptr) {
    char why[96];
    if (job.abandoned) std::snprintf(why, sizeof why, "%s", kCallerIsGone);
    else std::snprintf(why, sizeof why, "cancelled: %s", refused);
    LogDropped(job, why);
    return DropJob(job, why);
  }
  job.Enter();
}

}  // namespace

Job& Job::Of(Admission& admission) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
  constexpr std::size_t kOffset = offsetof(Job, admission);
#pragma GCC diagnostic pop
  return *reinterpret_cast<Job*>(reinterpret_cast<char*>(&admission) - kOffset);
}

void Job::LeaveBacklog() {
  if (!admitted) return;
  admitted = false;
  Admission* const granted = pool_lane()->pool.backlog.Leave();
  if (granted == nullptr) return;
  // Perhaps of another state, on whose thread it may be dropped as soon as it is posted.
  Job& job = Of(*granted);
  job.state.PostToLane(*job.waiting_lane, job.work);
}

void Job::Enter() {
  stage = JobStage::kQueued;
  work.run = &StartJob;
  work.order = NowNs();
  state.Queue(*lane, work);
  if (mode == JobMode::kAsync || (box != nullptr && !state.engine.returns_results())) {
    // The caller only waited for room.
    Script* caller = script;
    script = nullptr;
    if (caller != nullptr) WakeScript(*caller);
  }
}

// The caller's stack has kept the closure, and with it the name of its file, which
// the log is still to name.
void Job::KeepClosure() {
  if (slot != Anchors::kNone) return;
  const auto anchor = [](lua_State* aux) {
    Job& job = *static_cast<Job*>(lua_touserdata(aux, 1));
    lua_pushvalue(job.L, 2);
    lua_xmove(job.L, aux, 1);
    job.slot = job.state.anchors.Put(aux);
    return 0;
  };
  if (!lua_checkstack(L, 1) || !state.Protected(anchor, this)) {
    state.ForgetSource(*this);
  }
}

void Job::Abandon() {
  script = nullptr;
  ShareTls();  // the caller keeps it no longer
  if (stage == JobStage::kRunning) return KeepClosure();
  // A job that only its caller was interested in goes with it; the callout's
  // other queued jobs are dropped by whoever cancels the callout.  One that is
  // dropped is gone: nothing of it may be touched.
  if (stage != JobStage::kWaiting && stage != JobStage::kQueued) return;
  if (!TakeBack(*this)) {
    abandoned = true;
    return KeepClosure();
  }
  LogDropped(*this, kCallerIsGone);
  DropJob(*this, kCallerIsGone);
}

const char* Job::what() const {
  const bool only_room =
      mode != JobMode::kSync && !(box != nullptr && state.engine.returns_results());
  return only_room ? "room" : "results";
}

void Job::Cancel(const char* why) {
  if (!TakeBack(*this)) return;
  LogDropped(*this, why);
  DropJob(*this, why);
}

bool SubmitJob(Slice& slice, Job& job) {
  State& state = job.state;
  state.JobSubmitted(job);
  if (PoolLane* lane = job.pool_lane()) {
    Pool& pool = lane->pool;
    job.work.run = &EnterAfterWait;
    job.waiting_lane = slice.script->lane;
    job.stage = JobStage::kWaiting;
    if (!pool.backlog.Admit(job.admission)) {
      job.admission.since_ns = NowNs();
      return false;
    }
    job.admitted = true;
  }
  job.stage = JobStage::kQueued;
  PutInOutbox(slice, job);
  return true;
}

bool SubmitJobNow(Slice& slice, Job& job) {
  if (PoolLane* lane = job.pool_lane()) {
    if (!lane->pool.backlog.AdmitNow()) return false;
    job.admitted = true;
  }
  job.state.JobSubmitted(job);
  job.stage = JobStage::kQueued;
  PutInOutbox(slice, job);
  return true;
}

void Flush(Slice& slice, Outbox& outbox) {
  // One at a time: a finaliser that runs while one is dropped may cancel others.
  while (Job* job = outbox.first) {
    RemoveFromOutbox(*job);
    // Submitted before everything queued was cancelled, by a closure that was in
    // a blocking region at the time, or by a finaliser.
    if (const char* why = slice.state->why_cancelled()) {
      LogDropped(*job, why);
      DropJob(*job, why);
      continue;
    }
    job->work.run = &StartJob;
    job->work.order = slice.Now();
    slice.state->Queue(*job->lane, job->work);
  }
}

bool CancelJob(Job& job, const char* why) {
  if (!TakeBack(job)) return false;
  DropJob(job, why);
  return true;
}

void DropJob(Job& job, const char* why) {
  State& state = job.state;
  job.stage = JobStage::kOver;
  if (LaneStats* stats = job.stats()) stats->cancelled.Add(1);
  job.LeaveBacklog();
  if (job.box != nullptr) KeepFailure(job, why, true);
  DeliverFailure(job, why);
  state.Trace(MSYS_TRACE_END, state.current, nullptr, &job,
              {.outcome = MSYS_OUTCOME_CANCELLED});
  EndJob(job);
}

}  // namespace msys
