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
  if (script.held != nullptr) ReleaseHeld(script);
  if (script.co.L != nullptr) state.coroutines.Return(script.co, !script.exposed);
  state.FreeScript(script);
}

void LogFailure(const Job& job, const char* what, std::string_view text) {
  char line[3072];
  OneLineOfBothEnds(text, line, sizeof line);
  char where[128];
  FormatSource(job.source, job.line, where, sizeof where);
  job.state.engine.host().Log(
      MSYS_LOG_ERROR, "runInPool", "%s: %s %s of state %s failed: %s",
      job.pool_name(),
      what, where, job.state.name.c_str(), line);
}

// `co` ends with false, error value, traceback or nil.
void LogScriptFailure(const Job& job, const char* what, lua_State* co) {
  LogFailure(job, what,
             lua_type(co, -1) == LUA_TSTRING   ? StringAt(co, -1)
             : lua_type(co, -2) == LUA_TSTRING ? StringAt(co, -2)
                                               : "an error value that is not a string");
}

// Moves the values of `from`, from index `first` on, to the caller of a synchronous
// call, whose C function returns all that is above its arguments; or copies them.
void Deliver(Job& job, lua_State* from, int first, bool keep) {
  Script* caller = job.script;
  if (caller == nullptr) return;  // it was cancelled; nobody wants the results
  const int count = lua_gettop(from) - (first - 1);
  const bool room = lua_checkstack(job.L, count + 2) &&
                    (!keep || CopyValues(from, first, job.L));
  if (!room) return DeliverFailure(job, kTooManyResults);
  if (!keep) lua_xmove(from, job.L, count);
  job.script = nullptr;
  AnswerScript(job, *caller);
}

inline void TraceOver(const Job& job, int kind, bool failed) {
  State& state = job.state;
  if (!state.tracing) return;
  state.Trace(kind, state.current, nullptr, &job,
              {.outcome = failed ? MSYS_OUTCOME_FAILED : MSYS_OUTCOME_DONE});
}

// The first function of a closure's coroutine, and its stack:
//   SyncMain        true, closure
//   AsyncMain       message handler, closure
//   ClosureMain     box, message handler, completion function, true, closure
//   CompletionMain  box, message handler, completion function, ok, results...
// A failure of the first its caller is told; of the others there is a traceback.
//
// A completion function follows its closure inside of ClosureMain, which saves a
// resume.  Only when it is to run at home, or the closure has not ended by its own
// pcall, does the coroutine begin again, with CompletionMain.
//
// A script may keep the coroutine, and have it go on where we do not know of it, even
// after the job is over.  So no continuation trusts a pointer that it was given.
constexpr int kBox = 1;
constexpr int kHandler = 2;
constexpr int kCompletion = 3;
constexpr int kOk = 4;

int SyncDone(lua_State* L, int status, lua_KContext) {
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
  }
  return lua_gettop(L);
}

int SyncMain(lua_State* L) {
  return SyncDone(L, lua_pcallk(L, 0, LUA_MULTRET, 0, 0, &SyncDone), 0);
}

// What was called for its effect has ended; `handler` is the index of its message
// handler, and the error value the one above.
int EffectDone(lua_State* L, int status, lua_KContext handler) {
  const bool ok = status == LUA_OK || status == LUA_YIELD;
  lua_pushboolean(L, ok);
  if (ok) return 1;
  lua_pushvalue(L, static_cast<int>(handler) + 1);
  PushTraceback(L);
  return 3;
}

int CallForEffect(lua_State* L, int handler, int arguments) {
  const int status = lua_pcallk(L, arguments, 0, handler, handler, &EffectDone);
  return EffectDone(L, status, handler);
}

int AsyncMain(lua_State* L) { return CallForEffect(L, 1, 0); }

int CompletionMain(lua_State* L) {
  return CallForEffect(L, kHandler, lua_gettop(L) - kCompletion);
}

// The closure has ended; from index `first` on, L holds what pcall would return, and a
// traceback if it has failed.
void CountEnd(Slice& slice, Job& job, bool failed, lua_State* L, int first) {
  Script& script = *job.runner;
  if (script.held != nullptr) ReleaseHeld(script);
  job.failed = failed;
  if (LaneStats* stats = job.stats()) {
    stats->started.Add(UINT64_MAX);  // one fewer
    stats->run.Record(slice.now - job.started_ns);
    (job.failed ? stats->failed : stats->done).Add(1);
  }
  if (job.failed) {
    // A caller that gets the failure is told; nobody else would be.
    if (job.script == nullptr) LogScriptFailure(job, "closure", L);
    lua_settop(L, first + 1);  // without the traceback
  }
}

// The same, with what is to follow it below: a box at `first` - 3.
void CountEndAndKeep(Slice& slice, Job& job, bool failed, lua_State* L, int first) {
  job.stage = job.mode == JobMode::kCompletion ? JobStage::kOver : JobStage::kEnded;
  job.completing = true;
  job.stats()->completing.Add(1);  // of a pool: runInInst has no completion
  CountEnd(slice, job, failed, L, first);
  KeepResults(job, L, first - 3, first);
  Deliver(job, L, first, /*keep=*/true);
  TraceOver(job, MSYS_TRACE_END, job.failed);
}

void TraceCompletion(const Job& job) {
  job.state.Trace(MSYS_TRACE_COMPLETION, job.state.current, nullptr, &job);
}

// In an interpreter there may be functions from before msys was there, by which a script
// gets its coroutine without our knowing.
bool MayBeKept(const Script& script) {
  return script.exposed || script.state.run_one_task != nullptr;
}

int ClosureDone(lua_State* L, int status, lua_KContext) {
  bool failed = status != LUA_OK && status != LUA_YIELD;
  if (failed) {
    lua_pushboolean(L, 0);
    lua_replace(L, kOk);
  }
  // As RunningScript() says, but sooner: a job that is not over has a state and, once
  // started, a runner.  If it is not that which runs, whoever has resumed the coroutine
  // gets what pcall would give.
  Job* const own = static_cast<JobBox*>(lua_touserdata(L, kBox))->job;
  if (own == nullptr || own->runner->co.L != L || own->state.current == nullptr ||
      own->state.current->script != own->runner) {
    return lua_gettop(L) - (kOk - 1);
  }
  Job& job = *own;
  Slice& slice = *job.state.current;
  slice.now = NowNs();
  slice.frame = nullptr;
  lua_sethook(L, nullptr, 0, 0);  // that of the closure ends with it
  Flush(slice, job.runner->outbox);
  if (failed) {
    PushTraceback(L);
  } else if (!lua_checkstack(L, 2)) {
    failed = true;
    lua_settop(L, kOk - 1);
    lua_pushboolean(L, 0);
    job.state.PushText(L, "too many results");
    lua_pushnil(L);
  }
  CountEndAndKeep(slice, job, failed, L, kOk);
  if (job.stage == JobStage::kOver) {
    TraceCompletion(job);
    return CompletionMain(L);
  }
  // QueueAtHome() needs it, and then no finaliser may run.
  if (MayBeKept(*job.runner)) job.state.PrepareCoroutine();
  lua_pushcfunction(L, &CompletionMain);
  lua_insert(L, 1);
  return lua_gettop(L);
}

int ClosureMain(lua_State* L) {
  return ClosureDone(
      L, lua_pcallk(L, 0, LUA_MULTRET, kHandler, 0, &ClosureDone), 0);
}

void PushCompletion(const Job& job, lua_State* co, lua_CFunction first) {
  lua_pushcfunction(co, first);
  job.state.anchors.Push(co, job.slot);
  lua_pushcfunction(co, &KeepTraceback);
  lua_getiuservalue(co, -2, JobBox::kCompletion);
}

// The completion function, too, has ended or was not there.
void AfterCompletion(Job& job) {
  Script& script = *job.runner;
  lua_State* co = script.co.L;
  const bool failed = !lua_toboolean(co, 1);
  TraceOver(job, MSYS_TRACE_COMPLETED, failed);
  if (failed) LogScriptFailure(job, "the completion function for", co);
  EndScript(script);
  EndJob(job);
}

void NoCompletion(Job& job, const char* why) {
  TraceCompletion(job);
  TraceOver(job, MSYS_TRACE_COMPLETED, true);
  LogFailure(job, "the completion function for", why);
  EndScript(*job.runner);
  EndJob(job);
}

void BeginCompletion(Slice& slice, Job& job);

void CompleteAtHome(Work* work) {
  Job& job = Work::OwnerOf<Job>(work);
  State& state = job.state;
  job.stage = JobStage::kOver;
  job.runner->lane = &state.home_lane();
  BeginCompletion(*state.current, job);
}

// Until it runs there its coroutine holds it, and looks like one that has not begun: it
// must be one that no script has.
void QueueAtHome(Job& job) {
  State& state = job.state;
  Script& script = *job.runner;
  if (MayBeKept(script)) {
    const Coroutine fresh = state.TakeCoroutine();
    if (fresh.L == nullptr) return NoCompletion(job, "not enough memory");
    const int count = lua_gettop(script.co.L);
    const bool room = lua_checkstack(fresh.L, count);
    if (room) lua_xmove(script.co.L, fresh.L, count);
    state.coroutines.Return(script.co, false);
    script.co = fresh;
    script.exposed = false;
    if (!room) return NoCompletion(job, "too many results");
  }
  job.work.run = &CompleteAtHome;
  job.work.order = 0;
  state.Queue(state.home_lane(), job.work);
}

// The closure has ended, and its coroutine with it: it holds what pcall would return.
void AfterClosure(Slice& slice, Job& job) {
  lua_State* co = job.runner->co.L;
  const bool failed = !lua_toboolean(co, 1);
  if (job.box == nullptr) {
    job.stage = JobStage::kOver;
    CountEnd(slice, job, failed, co, 1);
    Deliver(job, co, 1, /*keep=*/false);
    TraceOver(job, MSYS_TRACE_END, job.failed);
    EndScript(*job.runner);
    return EndJob(job);
  }
  // Not by its own pcall: there is nothing else, and no more than three values.
  const int values = lua_gettop(co);
  PushCompletion(job, co, &CompletionMain);
  lua_rotate(co, 1, -values);
  CountEndAndKeep(slice, job, failed, co, 1 + kOk);
  if (job.stage == JobStage::kEnded) QueueAtHome(job);
  else BeginCompletion(slice, job);
}

// There is no coroutine for the closure or, when that has ended, for what follows it.
void EndWithoutMemory(Job& job) {
  if (job.stage == JobStage::kOver) {
    TraceOver(job, MSYS_TRACE_COMPLETED, true);
  } else {
    if (LaneStats* stats = job.stats()) {
      stats->started.Add(UINT64_MAX);  // one fewer
      stats->failed.Add(1);
    }
    if (job.script == nullptr) LogFailure(job, "closure", "not enough memory");
    if (job.box != nullptr) KeepFailure(job, "not enough memory", false);
    DeliverFailure(job, "not enough memory");
    TraceOver(job, MSYS_TRACE_END, true);
  }
  if (job.box != nullptr) {
    LogFailure(job, "the completion function for", "not enough memory");
  }
  if (job.runner != nullptr) EndScript(*job.runner);
  EndJob(job);
}

// What follows a slice of the job's script.
void Proceed(Slice& slice, Job& job, Outcome outcome) {
  if (outcome == Outcome::kSuspended) return;
  if (job.runner->co.L == nullptr) return EndWithoutMemory(job);
  switch (job.stage) {
    case JobStage::kRunning: return AfterClosure(slice, job);
    case JobStage::kEnded: return QueueAtHome(job);
    default: return AfterCompletion(job);
  }
}

void BeginCompletion(Slice& slice, Job& job) {
  Script& script = *job.runner;
  lua_State* co = script.co.L;
  // The debug library finds what no script has been given, and so do functions of Lua's
  // own that somebody has kept.
  if (lua_status(co) != LUA_OK || lua_tocfunction(co, 1) != &CompletionMain) {
    script.exposed = true;
    return NoCompletion(job, "its coroutine was resumed or closed by others");
  }
  TraceCompletion(job);
  Proceed(slice, job, RunScript(slice, script, lua_gettop(co) - 1));
}

void ResumeJob(Work* work) {
  Script& script = Work::OwnerOf<Script>(work);
  Slice& slice = *script.state.current;
  Job& job = *script.job;
  Proceed(slice, job, ResumeScript(slice, script));
}

// The first function and its arguments, whose number it gives.
int PushClosure(Job& job, lua_State* co) {
  switch (job.mode) {
    case JobMode::kSync:
      lua_pushcfunction(co, &SyncMain);
      lua_pushboolean(co, 1);
      if (job.slot != Anchors::kNone) {  // just now the caller has been lost
        job.state.anchors.Push(co, job.slot);
        return 2;
      }
      lua_pushvalue(job.L, 2);  // the caller is suspended and keeps it
      lua_xmove(job.L, co, 1);
      return 2;
    case JobMode::kAsync:
      lua_pushcfunction(co, &AsyncMain);
      lua_pushcfunction(co, &KeepTraceback);
      // The slot goes on keeping it, for job.source: after a tail call the coroutine
      // does not have it any more.
      job.state.anchors.Push(co, job.slot);
      return 2;
    default:
      PushCompletion(job, co, &ClosureMain);
      lua_pushboolean(co, 1);
      lua_getiuservalue(co, 2, JobBox::kClosure);  // which keeps it, too
      return 5;
  }
}

}  // namespace

void EndJob(Job& job) {
  State& state = job.state;
  // The slot has kept the box until here; scripts may keep it longer.
  if (job.box != nullptr) job.box->job = nullptr;
  if (job.completing) job.stats()->completing.Add(UINT64_MAX);  // one fewer
  state.anchors.Drop(job.slot);
  job.ReleaseTls();
  job.stage = JobStage::kOver;
  state.JobOver(job);
  FreeJob(job);
}

void DeliverFailure(Job& job, const char* why) {
  if (job.script == nullptr) return;
  Script* caller = job.script;
  if (!job.state.TextFor(*caller, &job, why)) return;
  job.script = nullptr;
  lua_pushboolean(job.L, 0);
  lua_xmove(job.state.aux, job.L, 1);
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
    const std::uint64_t since = job.waits_since_ns();
    stats.wait.Record(slice.now > since ? slice.now - since : 0);
    job.LeaveBacklog();
  }

  Script* script = state.NewScript();
  Coroutine co;
  if (script != nullptr) co = state.TakeCoroutine();
  if (co.L == nullptr) {
    if (script != nullptr) state.FreeScript(*script);
    job.started_ns = 0;  // the closure never did
    return EndWithoutMemory(job);
  }
  state.JobStarted(job);
  script->kind = Script::Kind::kClosure;
  script->co = co;
  script->lane = job.lane;
  script->tls = job.tls;
  script->id = job.id;
  script->job = &job;
  script->resume.run = &ResumeJob;
  script->resume.order = job.work.order;  // a job keeps its place
  job.runner = script;

  const int arguments = PushClosure(job, co.L);
  state.Trace(MSYS_TRACE_START, &slice, nullptr, &job);
  Proceed(slice, job, RunScript(slice, *script, arguments));
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
