#include "state.h"

#include <algorithm>
#include <cstdio>
#include <new>

#include "clock.h"
#include "lua/binding.h"
#include "prefetch.h"

namespace msys {
namespace {

// T9: a worker goes on with the same state's jobs without giving up the turn, so
// that two hand-overs, and the state's way from core to core, are shared by many; but
// others wait meanwhile.
constexpr std::uint64_t kBatchNs = 100'000;
// Not all work reads the clock.
constexpr int kWorksPerRead = 64;
// A loop has more to do than one state's scripts.
constexpr int kLoopBatch = 256;
constexpr std::uint64_t kLoopBatchNs = 1'000'000;

const char kNoMemory[] = "not enough memory";

int MakeText(lua_State* L) {
  lua_pushstring(L, static_cast<const char*>(lua_touserdata(L, 1)));
  lua_sethook(L, nullptr, 0, 0);  // that of a finaliser, too
  return 1;
}

// A value  ->  its text.  A script's __tostring may raise.
int ToText(lua_State* L) {
  luaL_tolstring(L, 1, nullptr);
  return 1;
}

}  // namespace

State::State(Engine& e, lua_State* m, Loop& h, std::string n)
    : engine(e),
      main(m),
      home(h),
      name(std::move(n)),
      home_lane_(std::make_unique<LoopLane>(turn, h, *this)),
      id_base_(e.NextStateNumber() << 40) {
  detach_work_.run = &OnDetach;
  detach_done_work_.run = &OnDetachDone;
  cancel_all_work_.run = &OnCancelAll;
  detach_work_.owner = detach_done_work_.owner = cancel_all_work_.owner = this;
}

State::~State() {
  while (free_jobs != nullptr) {
    Job* job = free_jobs;
    free_jobs = job->next;
    delete job;
  }
  while (free_scripts != nullptr) {
    Script* script = free_scripts;
    free_scripts = script->next_free;
    delete script;
  }
}

void State::Undo::operator()(State* state) const {
  state->ReleaseLua();
  delete state;
}

State::Opened State::Open(Engine& engine, lua_State* main, Loop& home,
                          std::string name, std::string& error) {
  auto state = std::make_unique<State>(engine, main, home, std::move(name));
  if (!lua_checkstack(main, 4)) {
    error = kNoMemory;
    return nullptr;
  }
  lua_pushcfunction(main, &OpenBinding);
  lua_pushlightuserdata(main, state.get());
  if (lua_pcall(main, 1, 0, 0) == LUA_OK) return Opened(state.release());
  const char* message = lua_tostring(main, -1);
  error = message != nullptr ? message : "an error that is not a string";
  lua_pop(main, 1);
  return nullptr;
}

void State::OpenLua(lua_State* L) {
  anchors.Open(L);
  lua_pushstring(L, kNoMemory);
  no_memory_text_ = anchors.Put(L);
}

void State::CloseLua(lua_State* L) { anchors.Close(L); }

void State::ReleaseLua() { Protected(&CloseBinding, this); }

State* State::Of(lua_State* L) {
  if (!lua_checkstack(L, 1)) return nullptr;
  lua_rawgetp(L, LUA_REGISTRYINDEX, StateRefKey());
  auto* ref = static_cast<StateRef*>(lua_touserdata(L, -1));
  lua_pop(L, 1);
  return ref == nullptr ? nullptr : ref->state;
}

// ---- work --------------------------------------------------------------------

void State::RunLane(Lane& lane, Worker* self) {
  const bool on_loop = self == nullptr;
  Slice slice;
  slice.state = this;
  slice.worker = self;
  slice.lane = &lane;
  // A job's start is measured, a script's going on is not.
  if (!on_loop) slice.now = NowNs();
  std::uint64_t begin = slice.now;
  if (!lane.executor.is_loop() && lane.was_parked) {
    static_cast<PoolLane&>(lane).stats.parked.Add(1);
    if (lane.time_parking) TraceParked(slice, lane);
  }
  const std::uint64_t most = on_loop ? kLoopBatchNs : kBatchNs;
  current = &slice;
  for (int count = 1; !on_loop || count <= kLoopBatch; ++count) {
    // A blocking region has given the lane to other threads.
    if (slice.lane == nullptr) break;
    Work* next = nullptr;
    Work* work = lane.PopOrSettle(next);
    if (work == nullptr) {
      slice.lane = nullptr;
      break;
    }
    if (next != nullptr) PrefetchFor(*next);
    work->run(work);
    if (slice.keep_turn) break;
    if (!on_loop && turn.urgent()) break;
    if (count % kWorksPerRead == 0) slice.now = NowNs();
    if (begin == 0) begin = slice.now;
    if (slice.now - begin > most) break;
  }
  Flush(slice, stray);
  if (slice.lane != nullptr && lane.Settle()) turn.Ready(lane);
  if (detaching_ && &lane != home_lane_.get()) FinishDetachIfOver();
  if (main_waits_for_lanes_ && &lane != home_lane_.get()) {
    main_waits_for_lanes_ = false;
    Queue(*home_lane_, main_script_->resume);
  }
  if (draining_main_) CancelIfStuck();
  if (slice.keep_turn) return;
  current = nullptr;
  if (!detach_over_) return turn.Release(self);
  FinishDetach();  // on the home loop, by the only thread that is left
}

// The coroutine that has a job's closure, or the script's own: needed as soon as
// `work` runs.
void State::PrefetchFor(const Work& work) {
  if (work.run == &StartJob) {
    const Job& job = *static_cast<const Job*>(work.owner);
    Prefetch(job.L, 0, 4);
  } else if (work.run == &OnResume) {
    Prefetch(static_cast<const Script*>(work.owner)->co.L, 0, 4);
  }
}

bool State::MayLeaveTurn(lua_State* L) const {
  // What runs on aux, or was called from there, must end before anybody else
  // uses aux, which keeps a script's coroutines while they are closed; and the
  // collector runs one finaliser at a time.
  const bool closing =
      current != nullptr && current->script != nullptr && current->script->closing;
  return current != nullptr && current->worker != nullptr &&
         current->worker == Worker::current() && protected_depth_ == 0 && !closing &&
         !InFinaliser(L, *this);
}

const char* State::SleepBlocking(Slice& slice, std::uint64_t until_ns) {
  // To its author it has returned to the scheduler, as on a loop: what it submitted is
  // handed on, for one that looks every now and then whether it is done.
  slice.now = NowNs();  // the jobs' place in their pools
  Flush(slice, slice.script->outbox);
  Sleeper self;
  self.next = sleepers_;
  if (sleepers_ != nullptr) sleepers_->prev = &self;
  sleepers_ = &self;
  LeaveTurn(slice);
  const char* why = self.Sleep(until_ns);
  ReenterTurn(slice);
  (self.prev == nullptr ? sleepers_ : self.prev->next) = self.next;
  if (self.next != nullptr) self.next->prev = self.prev;
  return why;
}

void State::LeaveTurn(Slice& slice) {
  Trace(MSYS_TRACE_BLOCK, &slice, slice.script, slice.script->job);
  // The lane's other jobs need not wait for this one: other workers may have it.
  if (slice.lane != nullptr) {
    Lane& lane = *slice.lane;
    slice.lane = nullptr;
    if (lane.Settle()) turn.Ready(lane);
  }
  current = nullptr;
  turn.Release(nullptr);
}

void State::ReenterTurn(Slice& slice) {
  turn.TakeWaiting();
  current = &slice;
  Trace(MSYS_TRACE_UNBLOCK, &slice, slice.script, slice.script->job);
}

void State::RunAtHome(Work& work) {
  if (home_lane_->Push(&work) && turn.TakeOrPark(*home_lane_)) {
    RunLane(*home_lane_, nullptr);
  }
}

void State::PostToLane(Lane& lane, Work& work) {
  if (lane.Push(&work)) turn.Submit(lane);
}

void State::Queue(Lane& lane, Work& work) {
  if (lane.Push(&work)) turn.Ready(lane);
}

LoopLane* State::LaneFor(Loop& loop) {
  if (&loop == &home) return home_lane_.get();
  try {
    if (loop_lanes_.empty()) loop_lanes_.resize(engine.host().loop_count());
    auto& lane = loop_lanes_[loop.index()];
    if (lane == nullptr) lane = std::make_unique<LoopLane>(turn, loop, *this);
    return lane.get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

PoolLane* State::LaneFor(Pool& pool) {
  auto& lane = pool_lanes_[pool.index()];
  if (lane != nullptr) return lane.get();
  try {
    lane = std::make_unique<PoolLane>(turn, pool, *this, home);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  lane->time_parking = tracing;
  return lane.get();
}

// ---- Lua helpers ---------------------------------------------------------------

bool State::CallOnAux(lua_CFunction f, void* data, int results) {
  // A finaliser that has run on it may have set a hook, which could fail the call.
  coroutines.Renew(aux);
  lua_pushcfunction(aux, f);
  lua_pushlightuserdata(aux, data);
  ++protected_depth_;
  const bool ok = lua_pcall(aux, 1, results, 0) == LUA_OK;
  --protected_depth_;
  return ok;
}

bool State::Protected(lua_CFunction f, void* data, std::string* message) {
  const int top = lua_gettop(aux);
  if (!lua_checkstack(aux, 4)) return false;
  const bool ok = CallOnAux(f, data, 0);
  if (!ok && message != nullptr && lua_type(aux, -1) == LUA_TSTRING) {
    try {
      *message = lua_tostring(aux, -1);
    } catch (const std::bad_alloc&) {
      message->clear();
    }
  }
  lua_settop(aux, top);
  return ok;
}

void State::PushText(lua_State* to, const char* text) {
  if (lua_checkstack(to, 1) && lua_checkstack(aux, 3)) {
    const bool ok = CallOnAux(&MakeText, const_cast<char*>(text), 1);
    if (!ok) lua_pop(aux, 1);
    else if (to != aux) lua_xmove(aux, to, 1);
    if (ok) return;
  }
  anchors.Push(to, no_memory_text_);
}

bool State::TextFor(const Script& script, const Wait* wait, const char* text) {
  PushText(aux, text);
  if (script.wait == wait) return true;
  lua_pop(aux, 1);
  return false;
}

void State::PushErrorText(lua_State* L, int index) {
  lua_pushvalue(L, index);
  if (lua_type(L, -1) == LUA_TSTRING) return;
  lua_pushcfunction(L, &ToText);
  lua_pushvalue(L, -2);
  const bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  if (!ok) {
    char text[80];
    std::snprintf(text, sizeof text,
                  "an error value that cannot be made text, a %s",
                  luaL_typename(L, -2));
    lua_pop(L, 1);
    PushText(L, text);
  }
  lua_remove(L, -2);
}

Coroutine State::TakeCoroutine() {
  ++protected_depth_;
  const Coroutine taken = coroutines.Take(aux);
  --protected_depth_;
  return taken;
}

void State::PrepareCoroutine() {
  if (coroutines.spares() > 0) return;
  const Coroutine spare = TakeCoroutine();
  if (spare.L != nullptr) coroutines.Return(spare, true);
}

Script* State::NewScript() {
  Script* script = free_scripts;
  if (script != nullptr) {
    free_scripts = script->next_free;
    script->~Script();
    new (script) Script(*this);
    return script;
  }
  return new (std::nothrow) Script(*this);
}

void State::FreeScript(Script& script) {
  anchors.Drop(script.traceback);
  if (script.kind == Script::Kind::kCallout) {
    delete static_cast<Callout*>(&script);
    return;
  }
  script.next_free = free_scripts;
  free_scripts = &script;
}

// ---- accounting ----------------------------------------------------------------

void State::JobSubmitted(Job& job) {
  ++jobs_;
  jobs_shown_.Set(jobs_);
  if (LaneStats* stats = job.stats()) stats->submitted.Add(1);
  Trace(MSYS_TRACE_SUBMIT, current, nullptr, &job);
}

void State::JobStarted(Job& job) {
  MutexLock lock(running_mu_);
  job.prev = nullptr;
  job.next = running_;
  if (running_ != nullptr) running_->prev = &job;
  running_ = &job;
  job.listed = true;
}

void State::ForgetSource(Job& job) {
  MutexLock lock(running_mu_);
  job.source = nullptr;
  job.line = 0;
}

void State::JobOver(Job& job) {
  if (job.listed) {
    MutexLock lock(running_mu_);
    (job.prev == nullptr ? running_ : job.prev->next) = job.next;
    if (job.next != nullptr) job.next->prev = job.prev;
  }
  --jobs_;
  jobs_shown_.Set(jobs_);
  FinishDetachIfOver();
  if (main_waits_for_jobs_ && jobs_ == 0) {
    main_waits_for_jobs_ = false;
    Queue(*home_lane_, main_script_->resume);
  }
}

void State::SendTrace(int kind, const Slice* slice, const Script* script,
                      const Job* job, const TraceMore& more) {
  msys_trace_event event{};
  event.struct_size = sizeof event;
  event.kind = kind;
  event.time_ns = more.time_ns != 0 ? more.time_ns : NowNs();
  event.state = name.c_str();
  event.outcome = more.outcome;
  if (more.wait != nullptr) event.waits_for = more.wait->what();
  event.cause = more.cause;
  if (slice != nullptr && slice->worker != nullptr) {
    event.worker = slice->worker->number;
    event.worker_pool = slice->worker->pool->name().c_str();
  }
  if (job != nullptr) {
    event.id = job->id;
    event.parent = kind == MSYS_TRACE_DELIVER ? script->id : job->parent;
    event.source = job->source;
    event.line = job->line;
    event.queued_ns = job->queued_ns();
    event.started_ns = job->started_ns;
    if (const PoolLane* lane = job->pool_lane()) {
      event.pool = lane->pool.name().c_str();
    }
  } else if (script != nullptr && script->kind == Script::Kind::kCallout) {
    const msys_callout& callout = *static_cast<const Callout*>(script)->callout;
    event.id = script->id;
    event.callout_ctx = callout.ctx;
    event.name = callout.name != nullptr ? callout.name : "callout";
  }
  engine.host().Trace(event);
}

// Of the lane's work the first stands for all of it.
void State::TraceParked(const Slice& slice, Lane& lane) {
  Work* work = lane.First();
  if (work == nullptr || work->run != &StartJob) return;
  // It may have come when others of the lane had been parked already.
  const std::uint64_t since = std::max(lane.parked_ns, work->order);
  Trace(MSYS_TRACE_PARK, &slice, nullptr, &Work::OwnerOf<Job>(work),
        {.time_ns = since});
}

}  // namespace msys
