// _OSTLS, a table for each OS thread, and _TLS, one for each session.
//
// The globals are proxies: the table behind them depends on who asks, and a
// script may keep the proxy in a local or an upvalue that a closure sees on
// another thread.  So next() and rawget() see nothing in them; pairs() and #
// do.
#include <atomic>
#include <new>
#include <type_traits>

#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

const char kOstls = 0;      // registry: { [thread number] = table }
const char kCoroutines = 0;  // registry: weak { [coroutine] = box with a Tls }

// Numbers are not used again, as addresses and thread ids are: a new thread must
// not see an old one's table.
lua_Integer ThreadNumber() {
  static std::atomic<lua_Integer> last{0};  // relaxed: only unique
  thread_local const lua_Integer own =
      last.fetch_add(1, std::memory_order_relaxed) + 1;
  return own;
}

void PushOstls(lua_State* L, State&) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kOstls);
  if (lua_rawgeti(L, -1, ThreadNumber()) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    // Allocating may have run a finaliser that has made it, too.
    if (lua_rawgeti(L, -2, ThreadNumber()) != LUA_TTABLE) {
      lua_pop(L, 1);
      lua_pushvalue(L, -1);
      lua_rawseti(L, -3, ThreadNumber());
    } else {
      lua_remove(L, -2);
    }
  }
  lua_remove(L, -2);
}

static_assert(std::is_trivially_destructible_v<Tls>, "Lua frees a box");

// The _TLS of the script that runs on L; null: L is a coroutine of its making, or
// a finaliser runs.
Tls* ScriptTls(lua_State* L, State& state) {
  // A finaliser runs in whatever script happens to collect, which may be of
  // another session than its object.  It can never yield, which is known sooner.
  if (!lua_isyieldable(L) && InFinaliser(L, state)) return nullptr;
  const Slice* slice = state.current;
  if (slice == nullptr || slice->script == nullptr || slice->script->co.L != L) {
    return nullptr;
  }
  return slice->script->tls;
}

// Pushes the box of L, made if it is not there.  All finalisers share one that no
// script has: the main thread's.  [-0, +1, m]
Tls& PushBox(lua_State* L, State& state) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kCoroutines);
  if (InFinaliser(L, state)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  } else {
    lua_pushthread(L);
  }
  lua_pushvalue(L, -1);                        // coroutines co co
  if (lua_rawget(L, -3) != LUA_TUSERDATA) {    // coroutines co nil
    lua_pop(L, 1);
    Tls* made = new (lua_newuserdatauv(L, sizeof(Tls), 1)) Tls;
    made->in_box = true;
    made->references = 0;
    lua_insert(L, -2);                         // coroutines box co
    lua_pushvalue(L, -2);                      // coroutines box co box
    lua_rawset(L, -4);                         // coroutines box
  } else {
    lua_remove(L, -2);                         // coroutines box
  }
  lua_remove(L, -2);                           // box
  return *static_cast<Tls*>(lua_touserdata(L, -1));
}

void PushTls(lua_State* L, State& state) {
  Tls* const tls = ScriptTls(L, state);
  if (tls != nullptr && !tls->in_box) {
    if (tls->slot == Anchors::kNone) {
      // It may run a finaliser, but that has a _TLS of its own.
      lua_newtable(L);
      tls->slot = state.anchors.Put(L);
    }
    return state.anchors.Push(L, tls->slot);
  }
  if (tls != nullptr) state.anchors.Push(L, tls->slot);
  else PushBox(L, state);                      // box
  if (lua_getiuservalue(L, -1, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, 1);
  }
  lua_remove(L, -2);                           // table
}

using PushTable = void (*)(lua_State* L, State& state);

template <PushTable kPush>
int l_index(lua_State* L) {
  kPush(L, CheckState(L));
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

template <PushTable kPush>
int l_newindex(lua_State* L) {
  kPush(L, CheckState(L));
  // Lua's own words; but raised from here they say where the script is.
  if (lua_isnil(L, 2)) return luaL_error(L, "table index is nil");
  if (lua_type(L, 2) == LUA_TNUMBER && !lua_rawequal(L, 2, 2)) {
    return luaL_error(L, "table index is NaN");
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_settable(L, -3);
  return 0;
}

template <PushTable kPush>
int l_len(lua_State* L) {
  kPush(L, CheckState(L));
  lua_pushinteger(L, luaL_len(L, -1));
  return 1;
}

int l_next(lua_State* L) {
  lua_settop(L, 2);
  if (lua_next(L, 1) != 0) return 2;
  lua_pushnil(L);
  return 1;
}

template <PushTable kPush>
int l_pairs(lua_State* L) {
  State& state = CheckState(L);
  lua_pushcfunction(L, &l_next);
  kPush(L, state);
  lua_pushnil(L);
  return 3;
}

template <PushTable kPush>
void SetProxy(lua_State* L, const char* name) {
  static constexpr luaL_Reg kMeta[] = {
      {"__index", l_index<kPush>},
      {"__newindex", l_newindex<kPush>},
      {"__len", l_len<kPush>},
      {"__pairs", l_pairs<kPush>},
      {nullptr, nullptr},
  };
  lua_pushglobaltable(L);
  lua_newtable(L);
  lua_createtable(L, 0, 6);
  SetFunctions(L, kMeta);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  RawSetField(L, -2, name);
  lua_pop(L, 1);
}

}  // namespace

Tls& PushCurrentTls(lua_State* L, State& state) {
  Tls* tls = ScriptTls(L, state);
  if (tls == nullptr) return PushBox(L, state);
  lua_pushnil(L);
  return *tls;
}

void GiveTls(lua_State* L, Tls& tls, int keeper, Job& job) {
  job.tls = &tls;
  // The caller that waits keeps it, so that the job's thread need not write to it;
  // but a box's coroutine may be collected before the job is over.
  if (job.mode == JobMode::kSync && !tls.in_box) return;
  if (tls.in_box && tls.references == 0) {
    lua_pushvalue(L, keeper);
    tls.slot = job.state.anchors.Put(L);
  }
  job.ShareTls();
}

void OpenDataSharing(lua_State* L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kOstls);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kCoroutines);
  SetProxy<PushOstls>(L, "_OSTLS");
  SetProxy<PushTls>(L, "_TLS");
}

}  // namespace msys
