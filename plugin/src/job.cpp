#include "job.h"

#include <algorithm>
#include <new>

#include "held.h"
#include "job_box.h"
#include "prefetch.h"
#include "state.h"
#include "text.h"

namespace msys {
namespace {

void EndScript(Script& script) {
  State& state = script.state;
  state.coroutines.Return(script.co, !script.exposed);
  state.FreeScript(script);
}

void LogFailure(const Job& job, const char* what, const char* text) {
  char line[3072];
  OneLine(text, line, sizeof line);
  char where[128];
  FormatSource(job.source, job.line, where, sizeof where);
  job.state.engine.host().Log(
      MSYS_LOG_ERROR, "runInPool", "%s: %s %s of state %s failed: %s",
      job.pool_name(),
      what, where, job.state.name.c_str(), line);
}

// `co` ends with false, error value, traceback or nil.
void LogScriptFailure(const Job& job, const char* what, lua_State* co) {
  const char* text = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1)
                     : lua_type(co, -2) == LUA_TSTRING
                         ? lua_tostring(co, -2)
                         : "an error value that is not a string";
  LogFailure(job, what, text);
}

// Moves or copies all values of `from` to the caller of a
// synchronous call, whose C function returns all that is above its arguments.
void Deliver(Job& job, lua_State* from, bool move) {
  Script* caller = job.script;
  if (caller == nullptr) return;  // it was cancelled; nobody wants the results
  State& state = job.state;
  job.script = nullptr;
  const int count = lua_gettop(from);
  bool room = lua_checkstack(job.L, count + 2);
  if (room && move) lua_xmove(from, job.L, count);
  else room = room && CopyValues(from, job.L);
  if (!room) {
    lua_pushboolean(job.L, 0);
    state.PushText(job.L, kTooManyResults);
  }
  AnswerScript(job, *caller);
}

void RunCompletion(Slice& slice, Job& job);

inline void TraceOver(const Job& job, int kind, bool failed) {
  State& state = job.state;
  if (!state.tracing) return;
  state.Trace(kind, state.current, nullptr, &job,
              {.outcome = failed ? MSYS_OUTCOME_FAILED : MSYS_OUTCOME_DONE});
}

// The completion function, too, has ended or was not there.
void AfterCompletion(Job& job) {
  Script& script = *job.runner;
  lua_State* co = script.co.L;
  if (script.held != nullptr) ReleaseHeld(script);
  const bool failed = !lua_toboolean(co, 1);
  TraceOver(job, MSYS_TRACE_COMPLETED, failed);
  if (failed) LogScriptFailure(job, "the completion function for", co);
  EndScript(script);
  EndJob(job);
}

void CompleteAtHome(Work* work) {
  Job& job = Work::OwnerOf<Job>(work);
  job.runner->lane = &job.state.home_lane();
  RunCompletion(*job.state.current, job);
}

// The closure has ended: its coroutine holds what pcall would return.
void AfterClosure(Slice& slice, Job& job) {
  State& state = job.state;
  Script& script = *job.runner;
  lua_State* co = script.co.L;
  if (script.held != nullptr) ReleaseHeld(script);
  job.failed = !lua_toboolean(co, 1);
  if (LaneStats* stats = job.stats()) {
    stats->started.Add(UINT64_MAX);  // one fewer
    stats->run.Record(slice.now - job.started_ns);
    (job.failed ? stats->failed : stats->done).Add(1);
  }
  if (job.failed) {
    // A caller that gets the failure is told; nobody else would be.
    if (job.script == nullptr) LogScriptFailure(job, "closure", co);
    lua_settop(co, 2);  // without the traceback
  }
  switch (job.mode) {
    case JobMode::kSync:
      Deliver(job, co, /*move=*/true);
      [[fallthrough]];
    case JobMode::kAsync:
      TraceOver(job, MSYS_TRACE_END, job.failed);
      EndScript(script);
      EndJob(job);
      break;
    case JobMode::kCompletion:
      KeepResults(job, co);
      Deliver(job, co, /*move=*/false);
      TraceOver(job, MSYS_TRACE_END, job.failed);
      RunCompletion(slice, job);
      break;
    case JobMode::kCompletionSched:
      KeepResults(job, co);
      Deliver(job, co, /*move=*/false);
      TraceOver(job, MSYS_TRACE_END, job.failed);
      job.work.run = &CompleteAtHome;
      job.work.order = 0;
      state.Queue(state.home_lane(), job.work);
      break;
  }
}

// What follows a slice of the job's script.
void Proceed(Slice& slice, Job& job, Outcome outcome) {
  if (outcome == Outcome::kSuspended) return;
  if (job.stage == JobStage::kRunning) {
    job.stage = JobStage::kOver;
    AfterClosure(slice, job);
  } else {
    AfterCompletion(job);
  }
}

void ResumeJob(Work* work) {
  Script& script = Work::OwnerOf<Script>(work);
  Slice& slice = *script.state.current;
  Job& job = *script.job;
  Proceed(slice, job, ResumeScript(slice, script));
}

// On the coroutine of the closure, whose values it gets, or on one of its own
// when those are kept there.
void RunCompletion(Slice& slice, Job& job) {
  State& state = job.state;
  Script& script = *job.runner;
  lua_State* co = script.co.L;
  const int count = lua_gettop(co);
  state.Trace(MSYS_TRACE_COMPLETION, &slice, nullptr, &job);
  bool room = true;
  if (job.box->in_coroutine) {
    const Coroutine own = state.TakeCoroutine();
    room = own.L != nullptr && CopyValues(co, own.L);
    if (room) {
      // The box keeps the old one.
      state.anchors.Drop(script.co.slot);
      script.co = own;
      co = own.L;
    } else if (own.L != nullptr) {
      state.coroutines.Return(own, true);
    }
  }
  if (!room || !lua_checkstack(co, 4)) {
    TraceOver(job, MSYS_TRACE_COMPLETED, true);
    LogFailure(job, "the completion function for", "too many results");
    EndScript(script);
    EndJob(job);
    return;
  }
  state.anchors.Push(co, job.slot);  // the box
  lua_getiuservalue(co, -1, JobBox::kCompletion);
  lua_remove(co, -2);
  lua_insert(co, 1);
  PushMain(script);
  lua_rotate(co, 1, 2);
  Proceed(slice, job, BeginScript(slice, script, count + 1));
}

}  // namespace

void EndJob(Job& job) {
  State& state = job.state;
  // The slot has kept the box until here; scripts may keep it longer.
  if (job.box != nullptr) job.box->job = nullptr;
  state.anchors.Drop(job.slot);
  job.ReleaseTls();
  job.stage = JobStage::kOver;
  state.JobOver(job);
  FreeJob(job);
}

void DeliverFailure(Job& job, const char* why) {
  if (job.script == nullptr) return;
  Script* caller = job.script;
  job.script = nullptr;
  lua_pushboolean(job.L, 0);
  job.state.PushText(job.L, why);
  AnswerScript(job, *caller);
}

void AnswerScript(const Job& job, Script& script) {
  job.state.Trace(MSYS_TRACE_DELIVER, job.state.current, &script, &job);
  script.cause = job.id;
  WakeScript(script);
}

void StartJob(Work* work) {
  Job& job = Work::OwnerOf<Job>(work);
  State& state = job.state;
  Slice& slice = *state.current;
  Prefetch(job.script, 0, 4);  // the caller, woken when the closure has run
  job.started_ns = slice.Now();
  job.stage = JobStage::kRunning;
  if (PoolLane* lane = job.pool_lane()) {
    LaneStats& stats = lane->stats;
    const std::uint64_t limit = lane->pool.concurrency();
    // Just after the limit was lowered there may be more.
    const std::uint64_t active =
        std::min<std::uint64_t>(lane->pool.active(), limit == 0 ? 1 : limit);
    stats.invocations.Add(1);
    stats.started.Add(1);
    stats.active_sum.Add(active);
    stats.saturation_sum_ppm.Add(
        active * 1'000'000 / (limit == 0 ? 1 : limit));
    stats.wait.Record(slice.now > job.work.order
                               ? slice.now - job.work.order
                               : 0);
    if (job.admitted) {
      job.admitted = false;
      lane->pool.backlog.Leave();
    }
  }

  Script* script = state.NewScript();
  Coroutine co;
  if (script != nullptr) co = state.TakeCoroutine();
  if (co.L == nullptr) {
    if (script != nullptr) state.FreeScript(*script);
    if (LaneStats* stats = job.stats()) {
      stats->started.Add(UINT64_MAX);
      stats->failed.Add(1);
    }
    if (job.script == nullptr) LogFailure(job, "closure", "not enough memory");
    if (job.box != nullptr) KeepFailure(job, "not enough memory", false);
    DeliverFailure(job, "not enough memory");
    job.started_ns = 0;  // the closure never did
    TraceOver(job, MSYS_TRACE_END, true);
    return EndJob(job);
  }
  state.JobStarted(job);
  script->kind = Script::Kind::kClosure;
  script->co = co;
  script->lane = job.lane;
  script->tls = job.tls;
  script->id = job.id;
  script->job = &job;
  script->traced = job.mode != JobMode::kSync;
  script->resume.run = &ResumeJob;
  script->resume.order = job.work.order;  // a job keeps its place
  job.runner = script;

  PushMain(*script);
  if (job.slot == Anchors::kNone) {
    lua_pushvalue(job.L, 2);  // the caller is suspended and keeps it
    lua_xmove(job.L, co.L, 1);
  } else {
    state.anchors.Push(co.L, job.slot);
    if (job.box != nullptr) {
      lua_getiuservalue(co.L, -1, JobBox::kClosure);
      lua_remove(co.L, -2);
    }
    // The slot goes on keeping the closure, for job.source: after a tail call the
    // coroutine does not have it any more.
  }
  state.Trace(MSYS_TRACE_START, &slice, nullptr, &job);
  Proceed(slice, job, BeginScript(slice, *script, 1));
}

Job::Job(State& s) : state(s) { work.owner = this; }

void Job::ShareTls() {
  if (!shares_tls) tls->Share();
  shares_tls = true;
}

void Job::ReleaseTls() {
  if (shares_tls) tls->Release(state.anchors);
}

Job* NewJob(State& state) {
  Job* job = state.free_jobs;
  if (job != nullptr) {
    state.free_jobs = job->next;
    --state.free_job_count;
    // The next one to be given out: it is with the core that ended the job that it was.
    Prefetch(job->next, 0, 4);
    job->~Job();
    new (job) Job(state);
  } else {
    job = new (std::nothrow) Job(state);
    if (job == nullptr) return nullptr;
  }
  job->id = state.NextId();
  return job;
}

void FreeJob(Job& job) {
  // After a peak of a million the memory of most goes back.
  if (job.state.free_job_count >= State::kFreeJobs) {
    delete &job;
    return;
  }
  ++job.state.free_job_count;
  job.next = job.state.free_jobs;
  job.state.free_jobs = &job;
}

}  // namespace msys
