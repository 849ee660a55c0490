// msys.runInPool(pool, closure [, mode [, completion_mode]])
#include "../job.h"
#include "../job_box.h"
#include "../state.h"
#include "../text.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kName[] = "runInPool";

// The second upvalue of runInPool: looked up in the registry it would be 3 % of a call
// with a completion function.
const int kJobMetatable = lua_upvalueindex(2);

// After waiting for room in the backlog only: a failure, or what the call gives.
int ReturnAfterRoom(lua_State* L, int, lua_KContext) {
  if (lua_gettop(L) > kKept) return lua_gettop(L) - kKept;
  if (lua_isnil(L, kKept)) return 0;
  lua_pushboolean(L, 1);
  lua_pushvalue(L, kKept);
  return 2;
}

JobMode CheckMode(lua_State* L, const State& state) {
  switch (lua_type(L, 3)) {
    case LUA_TNONE:
    case LUA_TNIL:
      return JobMode::kSync;
    case LUA_TBOOLEAN:
      return lua_toboolean(L, 3) ? JobMode::kAsync : JobMode::kSync;
    case LUA_TFUNCTION: {
      int is_integer = 0;
      // A string that looks like the number is another value.
      const lua_Integer mode = lua_type(L, 4) == LUA_TNUMBER
                                   ? lua_tointegerx(L, 4, &is_integer)
                                   : 0;
      return is_integer != 0 && mode == state.complete_callback_sched
                 ? JobMode::kCompletionSched
                 : JobMode::kCompletion;
    }
    default:
      luaL_argerror(L, 3,
                    lua_pushfstring(L, "true (asynchronous), false or nil (wait "
                                    "for the results) or a completion function "
                                    "expected, got %s", luaL_typename(L, 3)));
      return JobMode::kSync;
  }
}

// The closure, argument 2.
lua_Debug Describe(lua_State* L) {
  lua_Debug ar;
  lua_pushvalue(L, 2);
  lua_getinfo(L, ">S", &ar);
  return ar;
}

// The job cannot be accepted.
void CountRefused(lua_State* L, State& state, Pool& pool, const char* why) {
  pool.CountRefused();
  const lua_Debug ar = Describe(L);
  char where[128];
  FormatSource(ar.source, ar.linedefined, where, sizeof where);
  state.engine.host().Log(MSYS_LOG_WARNING, kName,
                          "%s: closure %s of state %s was refused: %s",
                          pool.name().c_str(), where, state.name.c_str(), why);
}

int Refuse(lua_State* L, State& state, Pool& pool, const char* why) {
  CountRefused(L, state, pool, why);
  lua_pushboolean(L, 0);
  lua_pushfstring(L, "cancelled: %s", why);
  return 2;
}

int NoMemory(lua_State* L, State& state, Pool& pool) {
  CountRefused(L, state, pool, "not enough memory");
  return luaL_error(L, "%s: not enough memory", kName);
}

int BacklogFull(lua_State* L, State& state, Pool& pool, const char* why) {
  CountRefused(L, state, pool, "the backlog is full");
  return luaL_error(
      L, "%s: the backlog of pool %s is full (%d jobs) and the call cannot wait "
      "for room here: %s; call it elsewhere or raise Backlog",
      kName, pool.name().c_str(), static_cast<int>(pool.backlog.size()), why);
}

int RunSync(lua_State* L, State& state, Pool& pool, PoolLane& lane) {
  CheckCanSuspend(L, state, kName,
                  "call it elsewhere, or asynchronously with true as the third "
                  "argument");
  if (lua_gettop(L) > kKept) lua_settop(L, kKept);
  Tls& tls = PushCurrentTls(L, state);  // these may raise: before there is a job
  ReserveForWait(L, state, 1);
  Job* job = NewJob(state);
  if (job == nullptr) return NoMemory(L, state, pool);
  Slice& slice = *state.current;
  DescribeJob(L, state, lane, *job);
  GiveTls(L, tls, kKept + 1, *job);
  MarkSuspended(L);                            // mark closure
  SubmitJob(slice, *job);
  return Suspend(L, slice, *job, &ReturnAboveKept);
}

// kAsync, and the completion forms that give a job object.
int RunAsync(lua_State* L, State& state, Pool& pool, PoolLane& lane,
             JobMode mode) {
  Slice& slice = CheckSlice(L, state, kName);
  if (state.run_one_task != nullptr) RenewDrain(L, state);
  const bool with_results = mode != JobMode::kAsync && state.engine.returns_results();
  if (with_results) CheckCanSuspend(L, state, kName, "call it elsewhere");
  constexpr int kKeeper = 4;
  lua_settop(L, kKeeper - 1);
  Tls& tls = PushCurrentTls(L, state);
  JobBox* box = nullptr;
  if (mode != JobMode::kAsync) {
    lua_pushboolean(L, 1);
    box = NewJobBox(L, 2, 3, kJobMetatable);   // pool closure function keeper true box
  }
  lua_pushvalue(L, box == nullptr ? 2 : -1);
  ReserveForWait(L, state, 2);  // from here on nothing raises by itself
  Anchors::Slot slot = state.anchors.Put(L);
  Job* job = NewJob(state);
  if (job == nullptr) {
    state.anchors.Drop(slot);
    return NoMemory(L, state, pool);
  }
  DescribeJob(L, state, lane, *job);
  job->mode = mode;
  GiveTls(L, tls, kKeeper, *job);
  job->slot = slot;
  job->box = box;
  if (box != nullptr) box->job = job;
  if (with_results) {
    lua_replace(L, kKept);
    MarkSuspended(L);                          // mark box
    SubmitJob(slice, *job);
    return Suspend(L, slice, *job, &ReturnAboveKept);
  }
  if (SubmitJobNow(slice, *job)) return box == nullptr ? 0 : 2;
  const char* why = CannotSuspend(L, &slice);
  if (why != nullptr) {
    if (box != nullptr) box->job = nullptr;
    state.anchors.Drop(job->slot);
    job->ReleaseTls();
    FreeJob(*job);
    return BacklogFull(L, state, pool, why);
  }
  if (box == nullptr) lua_pushnil(L);
  lua_replace(L, kKept);
  if (SubmitJob(slice, *job)) {
    lua_settop(L, kKept);
    return ReturnAfterRoom(L, LUA_OK, 0);
  }
  MarkSuspended(L);                            // mark nil-or-box
  return Suspend(L, slice, *job, &ReturnAfterRoom);
}

int l_run_in_pool(lua_State* L) {
  State& state = CheckState(L, kName);
  Pool& pool = CheckPool(L, state, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  const JobMode mode = CheckMode(L, state);
  CheckSlice(L, state, kName);
  if (const char* why = WhyRefused(state, mode)) return Refuse(L, state, pool, why);
  PoolLane* lane = state.LaneFor(pool);
  if (lane == nullptr) return NoMemory(L, state, pool);
  return mode == JobMode::kSync ? RunSync(L, state, pool, *lane)
                                : RunAsync(L, state, pool, *lane, mode);
}

}  // namespace

void DescribeJob(lua_State* L, State& state, LoopLane& lane, Job& job) {
  const lua_Debug ar = Describe(L);
  job.source = ar.source;
  job.line = ar.linedefined;
  job.lane = &lane;
  const Script* parent = state.current->script;
  job.parent = parent == nullptr ? 0 : parent->id;
}

void OpenRunInPool(lua_State* L, int msys) {
  lua_pushvalue(L, msys);
  lua_rawgetp(L, LUA_REGISTRYINDEX, StateRefKey());
  PushJobMetatable(L);
  lua_pushcclosure(L, &l_run_in_pool, 2);
  RawSetField(L, -2, kName);
  lua_pop(L, 1);
}

}  // namespace msys
