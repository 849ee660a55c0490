#include "binding.h"

#include <atomic>
#include <cstdio>

#include "../process.h"
#include "../state.h"
#include "../text.h"

namespace msys {
namespace {

const char kStateRef = 0;
const char kAux = 0;
const char kModule = 0;  // registry: the table msys
// A string, since another copy of the plugin must find it, too: the name of the
// state that this Lua state is attached as.
constexpr char kAttached[] = "msys.attached";

// Makes require answer with the table at the top.  [-0, +0, m]
void Provide(lua_State* L, const char* name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  RawSetField(L, -2, name);
  lua_pop(L, 1);
}

int Nothing(lua_State*) { return 0; }

}  // namespace

const void* StateRefKey() { return &kStateRef; }

State& CheckState(lua_State* L, const char* submitter) {
  auto* ref = static_cast<StateRef*>(lua_touserdata(L, lua_upvalueindex(1)));
  if (ref->state == nullptr) {
    if (ref->drained && submitter != nullptr) {
      std::fprintf(stderr, "msys: %s: a job was refused: the interpreter is closing, "
                           "and its jobs are over\n", submitter);
    }
    luaL_error(L, "msys: this Lua state is not attached to the plugin any more");
  }
  if (process::IsFork()) {
    luaL_error(L, "msys: this process was forked after the pools' threads had "
               "started, and has none of them; fork before the first attach");
  }
  return *ref->state;
}

Slice& CheckSlice(lua_State* L, State& state, const char* function) {
  if (state.current == nullptr) {
    luaL_error(L, "%s: no callout or closure is running; the mail server must "
               "run policies by callouts", function);
  }
  return *state.current;
}

Script& CheckScript(lua_State* L, State& state, const char* function) {
  Slice& slice = CheckSlice(L, state, function);
  if (slice.script == nullptr) {
    luaL_error(L, "%s: no callout or closure is running, but a finaliser; call "
               "it elsewhere", function);
  }
  return *slice.script;
}

const char* WhyRefused(const State& state, JobMode mode) {
  const char* why = state.WhyRefused(mode);
  return why != nullptr || !state.engine.stopping() ? why : "the mail server is stopping";
}

void CheckCanSuspend(lua_State* L, State& state, const char* function,
                     const char* instead) {
  const Slice& slice = CheckSlice(L, state, function);
  const char* why = CannotSuspend(L, &slice);
  if (why != nullptr) {
    luaL_error(L, "%s: cannot wait here: %s; %s", function, why, instead);
  }
}

int ReturnAboveKept(lua_State* L, int, lua_KContext) { return lua_gettop(L) - kKept; }

void ReserveForWait(lua_State* L, State& state, std::size_t more) {
  state.anchors.Reserve(L, more + (state.run_one_task != nullptr ? 2 : 0));
}

Pool* ToPool(lua_State* L, State& state, int arg) {
  PoolSet& pools = state.engine.pools();
  if (lua_type(L, arg) == LUA_TSTRING) {
    std::size_t length = 0;
    const char* name = lua_tolstring(L, arg, &length);
    return pools.Find(std::string_view(name, length));
  }
  int is_integer = 0;
  const lua_Integer id = lua_tointegerx(L, arg, &is_integer);
  return is_integer != 0 ? pools.Find(std::int64_t{id}) : nullptr;
}

Pool& CheckPool(lua_State* L, State& state, int arg) {
  Pool* pool = ToPool(L, state, arg);
  if (pool == nullptr) {
    char names[512];
    const int type = lua_type(L, arg);
    const bool number = type == LUA_TNUMBER;
    state.engine.pools().ListNames(names, sizeof names, number);
    if (number) {
      luaL_argerror(L, arg, lua_pushfstring(L, "no thread pool with id %s; pools: %s",
                                            luaL_tolstring(L, arg, nullptr), names));
    }
    if (type == LUA_TSTRING) {
      std::size_t length = 0;
      const char* name = lua_tolstring(L, arg, &length);
      char quoted[96];
      Quote(name, length, quoted, sizeof quoted);
      luaL_argerror(L, arg, lua_pushfstring(L, "no thread pool named %s; pools: %s",
                                            quoted, names));
    }
    luaL_argerror(L, arg,
                  lua_pushfstring(L, "thread pool name or id expected, got %s; "
                                  "pools: %s", luaL_typename(L, arg), names));
  }
  return *pool;
}

int RawGetField(lua_State* L, int table, const char* name) {
  table = lua_absindex(L, table);
  lua_pushstring(L, name);
  return lua_rawget(L, table);
}

void RawSetField(lua_State* L, int table, const char* name) {
  table = lua_absindex(L, table);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  lua_rawset(L, table);
}

int RawGetGlobal(lua_State* L, const char* name) {
  lua_pushglobaltable(L);
  const int type = RawGetField(L, -1, name);
  lua_remove(L, -2);
  return type;
}

void SetFunctions(lua_State* L, const luaL_Reg* functions) {
  for (; functions->name != nullptr; ++functions) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kStateRef);
    lua_pushcclosure(L, functions->func, 1);
    RawSetField(L, -2, functions->name);
  }
}

void OpenKind(lua_State* L, const void* key, const char* name, const luaL_Reg* methods,
              const luaL_Reg* metamethods) {
  const bool there = lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE;
  lua_pop(L, 1);
  if (there) return;
  lua_newtable(L);
  SetFunctions(L, metamethods);
  lua_newtable(L);
  SetFunctions(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void* CheckKind(lua_State* L, const void* key, const char* name) {
  void* const value = lua_touserdata(L, 1);
  bool ok = value != nullptr && lua_getmetatable(L, 1) != 0;
  if (ok) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    ok = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (!ok) luaL_typeerror(L, 1, name);
  return value;
}

void SubTable(lua_State* L, int table, const char* name) {
  table = lua_absindex(L, table);
  if (RawGetField(L, table, name) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  RawSetField(L, table, name);
}

void PushModule(lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kModule);
}

namespace {

int TryInFinaliser(lua_State* L) {
  *static_cast<bool*>(lua_touserdata(L, lua_upvalueindex(1))) =
      lua_gc(L, LUA_GCCOUNT) < 0;
  return 0;
}

// The place of the answer  ->  garbage whose finaliser writes it
int MakeProbe(lua_State* L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, &TryInFinaliser, 1);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return 1;
}

// InFinaliser() can tell, of every state: asked in one that is made for that.
// [-0, +0, e]
void CheckFinalisersAreSeen(lua_State* L) {
  static std::atomic<bool> known{false};  // relaxed: it orders nothing
  if (known.load(std::memory_order_relaxed)) return;
  lua_State* probe = luaL_newstate();
  bool made = false;
  bool seen = false;
  if (probe != nullptr) {
    lua_pushcfunction(probe, &MakeProbe);
    lua_pushlightuserdata(probe, &seen);
    made = lua_pcall(probe, 1, 1, 0) == LUA_OK;
    lua_close(probe);
  }
  if (!made) luaL_error(L, "not enough memory");
  if (!seen) {
    luaL_error(L, "this Lua does not say when a finaliser runs, as those before 5.4.4; "
               "give the host a newer one");
  }
  known.store(true, std::memory_order_relaxed);
}

}  // namespace

int OpenBinding(lua_State* L) {
  auto* state = static_cast<State*>(lua_touserdata(L, 1));
  lua_settop(L, 1);
  luaL_checkversion(L);
  CheckFinalisersAreSeen(L);

  lua_pushglobaltable(L);                     // 2
  SubTable(L, 2, "msys");                     // 3
  SubTable(L, 3, "core");                     // 4
  // The one thing that calls metamethods, which may attach the state themselves.
  OpenConstants(L, *state, 4);

  if (lua_getfield(L, LUA_REGISTRYINDEX, kAttached) != LUA_TNIL) {
    return luaL_error(L, "this Lua state is attached already, as %s",
                      lua_tostring(L, -1));
  }
  // The functions of an earlier attach find the new state by the same block.
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kStateRef) != LUA_TUSERDATA) {
    auto* made = static_cast<StateRef*>(lua_newuserdatauv(L, sizeof(StateRef), 0));
    *made = StateRef{nullptr, false};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kStateRef);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kStateRef);
  }
  auto* ref = static_cast<StateRef*>(lua_touserdata(L, -1));
  state->aux = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kAux);
  if (!lua_checkstack(state->aux, 16)) return luaL_error(L, "not enough memory");
  // Lua keeps the record of a first call, so that none is made when memory is out.
  lua_pushcfunction(state->aux, &Nothing);
  lua_call(state->aux, 0, 0);
  state->OpenLua(L);

  lua_settop(L, 4);
  SubTable(L, 3, "threadpool");               // 5
  SubTable(L, 2, "thread");                   // 6
  OpenCoroutine(L);
  OpenExit(L);
  OpenDataSharing(L);
  OpenJobObject(L);
  OpenRunInPool(L, 3);
  OpenRunInInst(L, 3);
  OpenSleep(L, 3);
  OpenLock(L, 3);
  OpenThreadPool(L, 5);
  OpenMutex(L, 6);
  lua_settop(L, 6);
  Provide(L, "thread");
  lua_settop(L, 5);
  Provide(L, "msys.threadpool");
  lua_settop(L, 4);
  Provide(L, "msys.core");
  lua_settop(L, 3);
  Provide(L, "msys");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kModule);
  lua_pushstring(L, state->name.c_str());
  lua_setfield(L, LUA_REGISTRYINDEX, kAttached);
  ref->state = state;  // last: nothing of the above can fail any more
  return 0;
}

int CloseBinding(lua_State* L) {
  auto* state = static_cast<State*>(lua_touserdata(L, 1));
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kStateRef);
  auto* ref = static_cast<StateRef*>(lua_touserdata(L, -1));
  if (ref != nullptr && ref->state == state) ref->state = nullptr;
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, kAttached);
  state->CloseLua(L);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kAux);
  return 0;
}

}  // namespace msys
