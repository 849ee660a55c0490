// msys.sleep(seconds)
#include <cmath>
#include <new>
#include <type_traits>

#include "../clock.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kName[] = "msys.sleep";
// 31 years: deadlines stay far from the end of the clock.
constexpr lua_Number kMaxSeconds = 1e9;

// A script that sleeps without a thread; in a userdata.
struct SleepWait final : Wait, Timer::Entry {
  SleepWait(Script& s, std::uint64_t until_ns) : sleeper_(s) {
    work_.run = &OnAwake;
    work_.owner = this;
    work_.order = s.resume.order;
    fire = &OnFire;
    deadline_ns = until_ns;
  }

  // The holder of the turn: when the timer has fired, the work is in the lane.
  void Abandon() override {
    if (!script->state.engine.timer().Cancel(*this)) {
      script->lane->Remove(&work_);
    }
  }
  bool EndsFromOutside() const override { return true; }
  const char* what() const override { return "sleep"; }

 private:
  // On the timer's thread.
  static void OnFire(Timer::Entry* entry) {
    auto& self = *static_cast<SleepWait*>(entry);
    self.sleeper_.state.PostToLane(*self.sleeper_.lane, self.work_);
  }
  static void OnAwake(Work* work) {
    WakeScript(*Work::OwnerOf<SleepWait>(work).script);
  }

  // As Wait::script, which is only set when the timer may have fired already.
  Script& sleeper_;
  Work work_;
};
// Lua frees it without running a destructor.
static_assert(std::is_trivially_destructible_v<SleepWait>);

int Cancelled(lua_State* L, const char* why) {
  return luaL_error(L, "%s: %s", kName, why);
}

int ReturnAwake(lua_State* L, int, lua_KContext) {
  if (lua_gettop(L) > kKept) return Cancelled(L, lua_tostring(L, -1));
  return 0;
}

int l_sleep(lua_State* L) {
  State& state = CheckState(L);
  const lua_Number seconds = luaL_checknumber(L, 1);
  if (!(seconds >= 0 && seconds <= kMaxSeconds)) {  // false for NaN, too
    lua_pushfstring(L, "0 to %d seconds expected, got %s",
                    static_cast<int>(kMaxSeconds), luaL_tolstring(L, 1, nullptr));
    return luaL_argerror(L, 1, lua_tostring(L, -1));
  }
  Slice& slice = CheckSlice(L, state, kName);
  if (state.why_cancelled() != nullptr) return Cancelled(L, state.why_cancelled());
  const std::uint64_t until =
      NowNs() + static_cast<std::uint64_t>(std::ceil(seconds * 1e9));

  if (slice.worker != nullptr) {
    if (!state.MayLeaveTurn(L)) {
      return luaL_error(L, "%s: cannot wait here: a finaliser, or the <close> "
                        "variables of a script that has ended; call it elsewhere",
                        kName);
    }
    const char* why = state.SleepBlocking(slice, until);
    return why == nullptr ? 0 : Cancelled(L, why);
  }

  CheckCanSuspend(L, state, kName, "call it elsewhere");
  lua_settop(L, 1);
  auto* wait = new (lua_newuserdatauv(L, sizeof(SleepWait), 0))
      SleepWait(*slice.script, until);
  ReserveForWait(L, state);
  MarkSuspended(L);                           // mark wait
  char error[64];
  if (!state.engine.timer().Arm(*wait, error)) {
    return luaL_error(L, "%s: no thread for the timer: %s", kName, error);
  }
  return Suspend(L, slice, *wait, &ReturnAwake);
}

constexpr luaL_Reg kFunctions[] = {
    {"sleep", l_sleep},
    {nullptr, nullptr},
};

}  // namespace

void OpenSleep(lua_State* L, int msys) {
  lua_pushvalue(L, msys);
  SetFunctions(L, kFunctions);
  lua_pop(L, 1);
}

}  // namespace msys
