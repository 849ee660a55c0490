// The coroutine library of an attached state.  It behaves as the stock one, with
// one addition: when a coroutine is suspended by a call of ours (runInPool,
// sleep, a lock), the coroutine that resumed it is suspended with it, and so on
// up to the script; when the wait is over, all of them go on where they were.
//
// To everybody else, a coroutine suspended that way is what it is for its
// resumer: active but not running, "normal".  So is the plugin's own, which a finaliser,
// or what finish() calls, may have been given.
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

// While suspended: index 1 is the mark, index 2 the coroutine.
constexpr int kInner = 2;

// Null after detach: then the library is the stock one.
State* ToState(lua_State* L) {
  return static_cast<StateRef*>(lua_touserdata(L, lua_upvalueindex(1)))->state;
}

lua_State* CheckCoroutine(lua_State* L) {
  lua_State* co = lua_tothread(L, 1);
  luaL_argexpected(L, co != nullptr, 1, "thread");  // stock Lua's word
  return co;
}

// co runs, by a call of ours on L, as long as this object lives.  The call must
// not raise.
class Running {
 public:
  Running(lua_State* L, State* state, lua_State* co)
      : slice_(state == nullptr ? nullptr : state->current),
        frame_{L, co, slice_ == nullptr ? nullptr : slice_->frame} {
    if (slice_ != nullptr) slice_->frame = &frame_;
  }
  ~Running() {
    if (slice_ != nullptr) slice_->frame = frame_.outer;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Slice* const slice_;
  Frame frame_;
};

int Run(lua_State* L, State* state, lua_State* co, int arguments, int* results) {
  const Running running(L, state, co);
  return lua_resume(co, L, arguments, results);
}

int Close(lua_State* L, State* state, lua_State* co) {
  const Running running(L, state, co);
  return lua_resetthread(co);
}

// Resumes co with `arguments` from the top of its own stack.  Its yielded
// values, results or error value are moved to L; -1: error.  kSuspended: L must
// be suspended as well.
constexpr int kSuspended = -2;

int Resume(lua_State* L, State* state, lua_State* co, int arguments) {
  int results = 0;
  const int status = Run(L, state, co, arguments, &results);
  if (status == LUA_YIELD && IsSuspended(co)) return kSuspended;
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

bool IsOurs(const State* state, const lua_State* co) {
  return state != nullptr && state->aux == co;
}

int RefuseNonSuspended(lua_State* L) {
  lua_pushliteral(L, "cannot resume non-suspended coroutine");
  return -1;
}

int Begin(lua_State* L, State* state, lua_State* co, int arguments) {
  if (IsSuspended(co) || IsOurs(state, co)) return RefuseNonSuspended(L);
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, arguments);
  return Resume(L, state, co, arguments);
}

// Suspends L, which has found co suspended.
int SuspendWith(lua_State* L, lua_State* co, lua_KFunction k) {
  lua_settop(L, 0);
  lua_pushnil(L);
  lua_pushthread(co);
  if (co != L) lua_xmove(co, L, 1);
  MarkSuspended(L);
  return YieldMarked(L, k);
}

int FinishResume(lua_State* L, int results) {
  if (results < 0) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -(results + 1));
  return results + 1;
}

// co goes on after its wait, and with it L, which has resumed it.
int GoOnWith(lua_State* L, State* state, lua_State* co) {
  const Slice* slice = state == nullptr ? nullptr : state->current;
  if (slice != nullptr && slice->script != nullptr &&
      WaitsForOther(co, *slice->script)) {
    return RefuseNonSuspended(L);
  }
  LetGoOn(co);
  return Resume(L, state, co, 0);
}

int ResumeAgain(lua_State* L, int, lua_KContext) {
  State* state = ToState(L);
  lua_State* co = lua_tothread(L, kInner);
  const int results = GoOnWith(L, state, co);
  if (results == kSuspended) return SuspendWith(L, co, &ResumeAgain);
  return FinishResume(L, results);
}

int l_resume(lua_State* L) {
  State* state = ToState(L);
  lua_State* co = CheckCoroutine(L);
  const int results = Begin(L, state, co, lua_gettop(L) - 1);
  if (results == kSuspended) return SuspendWith(L, co, &ResumeAgain);
  return FinishResume(L, results);
}

int FinishWrap(lua_State* L, State* state, lua_State* co, int results) {
  if (results >= 0) return results;
  // As in Lua's own: an error ends the coroutine, and is passed on with the
  // position of the call in front of a message.
  const int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    Close(L, state, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int WrapAgain(lua_State* L, int, lua_KContext) {
  State* state = ToState(L);
  lua_State* co = lua_tothread(L, kInner);
  const int results = GoOnWith(L, state, co);
  if (results == kSuspended) return SuspendWith(L, co, &WrapAgain);
  return FinishWrap(L, state, co, results);
}

int WrapCall(lua_State* L) {
  State* state = ToState(L);
  lua_State* co = lua_tothread(L, lua_upvalueindex(2));
  const int results = Begin(L, state, co, lua_gettop(L));
  if (results == kSuspended) return SuspendWith(L, co, &WrapAgain);
  return FinishWrap(L, state, co, results);
}

int l_wrap(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_State* co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, &WrapCall, 2);
  return 1;
}

// The coroutine of the running script itself: it has no resumer that a script
// could yield to.
bool IsScriptItself(lua_State* L, const State* state) {
  const Slice* slice = state == nullptr ? nullptr : state->current;
  return slice != nullptr && slice->script != nullptr &&
         slice->script->co.L == L && slice->frame == nullptr;
}

int l_yield(lua_State* L) {
  State* state = ToState(L);
  if (IsScriptItself(L, state)) {
    lua_pushliteral(L, "attempt to yield from outside a coroutine");
    return lua_error(L);
  }
  return lua_yield(L, lua_gettop(L));
}

int l_isyieldable(lua_State* L) {
  State* state = ToState(L);
  lua_State* co = lua_isnone(L, 1) ? L : CheckCoroutine(L);
  lua_pushboolean(L, lua_isyieldable(co) && !IsScriptItself(co, state));
  return 1;
}

int l_running(lua_State* L) {
  State* state = ToState(L);
  // From now on the script may keep its coroutine: it cannot be used again.
  if (state != nullptr && state->current != nullptr &&
      state->current->script != nullptr) {
    state->current->script->exposed = true;
  }
  const int is_main = lua_pushthread(L);
  lua_pushboolean(L, is_main);
  return 2;
}

const char* Status(lua_State* L, lua_State* co) {
  if (L == co) return "running";
  if (IsSuspended(co) || IsOurs(ToState(L), co)) return "normal";
  switch (lua_status(co)) {
    case LUA_YIELD:
      return "suspended";
    case LUA_OK: {
      lua_Debug ar;
      if (lua_getstack(co, 0, &ar) != 0) return "normal";
      return lua_gettop(co) == 0 ? "dead" : "suspended";
    }
    default:
      return "dead";
  }
}

int l_status(lua_State* L) {
  lua_pushstring(L, Status(L, CheckCoroutine(L)));
  return 1;
}

int l_close(lua_State* L) {
  lua_State* co = CheckCoroutine(L);
  const char* status = Status(L, co);
  if (status[0] != 's' && status[0] != 'd') {
    return luaL_error(L, "cannot close a %s coroutine", status);
  }
  if (Close(L, ToState(L), co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

constexpr luaL_Reg kFunctions[] = {
    {"resume", l_resume}, {"wrap", l_wrap},   {"yield", l_yield},
    {"status", l_status}, {"close", l_close}, {"isyieldable", l_isyieldable},
    {"running", l_running}, {nullptr, nullptr},
};

}  // namespace

void OpenCoroutine(lua_State* L) {
  // A state without the coroutine library gets none.
  if (RawGetGlobal(L, LUA_COLIBNAME) == LUA_TTABLE) SetFunctions(L, kFunctions);
  lua_pop(L, 1);
}

}  // namespace msys
