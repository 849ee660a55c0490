// msys.runInInst(inst, f): f on another loop's thread.
//
// The state does not move: f runs in it, under its turn, on the thread of loop
// `inst`; what the state's other scripts do goes on at their loop, one at a time
// as ever.  So f sees what its caller sees, as in runInPool.
#include "../job.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kName[] = "msys.runInInst";

Loop& CheckLoop(lua_State* L, State& state) {
  const lua_Integer inst = luaL_checkinteger(L, 1);
  const auto count = static_cast<lua_Integer>(state.engine.host().loop_count());
  if (inst < 0 || inst >= count) {
    luaL_argerror(L, 1, lua_pushfstring(
        L, count == 1 ? "no loop %I: there is one loop, 0"
                      : "no loop %I: there are %I loops, 0 to %I",
        inst, count, count - 1));
  }
  return state.engine.loop(static_cast<std::uint32_t>(inst));
}

int Refuse(lua_State* L, const char* why) {
  lua_pushboolean(L, 0);
  lua_pushfstring(L, "cancelled: %s", why);
  return 2;
}

// msys.runInInst(inst, f)  ->  true, results... | false, error
int l_run_in_inst(lua_State* L) {
  State& state = CheckState(L, kName);
  Loop& loop = CheckLoop(L, state);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  CheckSlice(L, state, kName);
  if (const char* why = WhyRefused(state, JobMode::kSync)) return Refuse(L, why);
  CheckCanSuspend(L, state, kName, "call it elsewhere");
  lua_settop(L, kKept);
  Tls& tls = PushCurrentTls(L, state);  // these may raise: before there is a job
  ReserveForWait(L, state, 1);
  LoopLane* lane = state.LaneFor(loop);
  Job* job = lane == nullptr ? nullptr : NewJob(state);
  if (job == nullptr) return luaL_error(L, "%s: not enough memory", kName);
  Slice& slice = *state.current;
  DescribeJob(L, state, *lane, *job);
  GiveTls(L, tls, kKept + 1, *job);
  MarkSuspended(L);                           // mark closure
  SubmitJob(slice, *job);  // loops have no backlog
  return Suspend(L, slice, *job, &ReturnAboveKept);
}

constexpr luaL_Reg kFunctions[] = {
    {"runInInst", l_run_in_inst},
    {nullptr, nullptr},
};

}  // namespace

void OpenRunInInst(lua_State* L, int msys) {
  lua_pushvalue(L, msys);
  SetFunctions(L, kFunctions);
  lua_pop(L, 1);
}

}  // namespace msys
