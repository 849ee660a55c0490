// os.exit of an attached state.  The stock one would do harm here:
//   - exit() runs handlers of oneTBB that take the calling thread's own things
//     apart; on one of its workers they crash.  So there another thread calls it.
//   - with true it would close the Lua state, which runs and is the host's.  Only
//     the main script of an interpreter may.
// And a process that ends should not be a riddle: who ends it is logged.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "../held.h"
#include "../job.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

// exit() may be called once only.  The state's turn is kept: none of its Lua
// runs any more.
[[noreturn]] void Exit(int status, bool on_worker) noexcept {
  static std::atomic_flag exiting;
  if (!exiting.test_and_set(std::memory_order_relaxed)) {
    if (!on_worker) std::exit(status);
    try {
      std::thread([status] { std::exit(status); }).detach();
    } catch (const std::system_error&) {
      std::fflush(nullptr);
      ::_exit(status);
    }
  }
  for (;;) ::pause();
}

void LogExit(lua_State* L, const State& state, const Script* script, int status) {
  char who[160] = "a finaliser";
  const char* pool = nullptr;
  if (script != nullptr) {
    DescribeScript(*script, who, sizeof who);
    if (script->job != nullptr) pool = script->job->pool_name();
  }
  state.engine.host().Log(MSYS_LOG_WARNING, "os.exit",
                          "%s%s%s of state %s ends the process with status %d, at %s",
                          pool == nullptr ? "" : pool, pool == nullptr ? "" : ": ",
                          who, state.name.c_str(), status, Site::Caller(L).text);
}

// Upvalues: the StateRef, the stock function.
int l_exit(lua_State* L) {
  const State* state =
      static_cast<StateRef*>(lua_touserdata(L, lua_upvalueindex(1)))->state;
  // Here: called by us the stock one does not know its name, nor where it is called.
  const int status =
      lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE)
                          : static_cast<int>(luaL_optinteger(L, 1, EXIT_SUCCESS));
  const Slice* slice = state == nullptr ? nullptr : state->current;
  if (slice == nullptr || (slice->script != nullptr &&
                           slice->script->kind == Script::Kind::kMain)) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 0);
    return 0;
  }
  LogExit(L, *state, slice->script, status);
  Exit(status, slice->worker != nullptr);
}

}  // namespace

void OpenExit(lua_State* L) {
  const int top = lua_gettop(L);
  // A state without the os library, or without the function, gets none; one that
  // was attached before has it already.
  if (RawGetGlobal(L, LUA_OSLIBNAME) == LUA_TTABLE) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, StateRefKey());
    if (RawGetField(L, -2, "exit") == LUA_TFUNCTION &&
        lua_tocfunction(L, -1) != &l_exit) {
      lua_pushcclosure(L, &l_exit, 2);
      RawSetField(L, -2, "exit");
    }
  }
  lua_settop(L, top);
}

}  // namespace msys
