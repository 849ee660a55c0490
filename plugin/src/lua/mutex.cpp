// thread.mutex([type]) and its methods lock, trylock, unlock.
//
// A mutex belongs to one Lua state, so the state's turn guards it.  The script
// or closure that has locked it holds it, on whatever thread it goes on.
#include <cstdio>
#include <new>
#include <type_traits>

#include "../held.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kName[] = "thread.mutex";
constexpr char kLock[] = "mutex:lock";
constexpr char kUnlock[] = "mutex:unlock";
const char kMeta = 0;

enum Type : lua_Integer { kNormal = 0, kRecursive = 1, kErrorCheck = 2 };

struct MutexWait;

struct LuaMutex final : Held {
  void Describe(char* out, std::size_t size) const override {
    std::snprintf(out, size, "mutex %p", static_cast<const void*>(this));
  }
  void LetGo() override { PassOn(); }
  void PassOn();  // to the first who waits

  Type type = kErrorCheck;
  bool collected = false;  // finalised; only another finaliser still sees it
  Script* holder = nullptr;
  lua_Integer depth = 0;
  MutexWait* first = nullptr;
  MutexWait* last = nullptr;
};

// A script in mutex:lock(); in a userdata, whose user value keeps the mutex.
struct MutexWait final : Wait {
  void Abandon() override;
  Script* Needs() const override;
  const char* what() const override { return "mutex"; }

  LuaMutex* mutex = nullptr;
  Site site;
  MutexWait* next = nullptr;
};
// Lua frees them without running a destructor.
static_assert(std::is_trivially_destructible_v<LuaMutex>);
static_assert(std::is_trivially_destructible_v<MutexWait>);

void MutexWait::Abandon() {
  MutexWait* before = nullptr;
  for (MutexWait* w = mutex->first; w != this; w = w->next) before = w;
  (before == nullptr ? mutex->first : before->next) = next;
  if (mutex->last == this) mutex->last = before;
}

Script* MutexWait::Needs() const { return mutex->holder; }

void Give(LuaMutex& mutex, Script& script, const Site& site) {
  mutex.holder = &script;
  mutex.depth = 1;
  mutex.site = site;
  AddHeld(script, mutex);
}

void LuaMutex::PassOn() {
  holder = nullptr;
  depth = 0;
  MutexWait* wait = first;
  if (wait == nullptr) return;
  first = wait->next;
  if (first == nullptr) last = nullptr;
  Give(*this, *wait->script, wait->site);
  WakeScript(*wait->script);
}

LuaMutex& CheckMutex(lua_State* L) {
  return *static_cast<LuaMutex*>(CheckKind(L, &kMeta, kName));
}

int ReturnLocked(lua_State* L, int, lua_KContext) {
  if (lua_gettop(L) > kKept) {
    return luaL_error(L, "%s: %s", kLock, lua_tostring(L, -1));
  }
  lua_pushboolean(L, 1);
  return 1;
}

// True: locked.
bool TryLock(lua_State* L, LuaMutex& mutex, Script& script) {
  if (mutex.collected) {
    luaL_error(L, "%s: the mutex has been collected with what is being "
               "finalised; lock another one", kName);
  }
  if (mutex.holder == nullptr) {
    Give(mutex, script, Site::Caller(L));
    return true;
  }
  if (mutex.holder != &script || mutex.type != kRecursive) return false;
  ++mutex.depth;
  return true;
}

// mutex:lock()  ->  true
int l_lock(lua_State* L) {
  State& state = CheckState(L);
  LuaMutex& mutex = CheckMutex(L);
  Script& script = CheckScript(L, state, kLock);
  if (TryLock(L, mutex, script)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (mutex.holder == &script && mutex.type == kErrorCheck) {
    return luaL_error(L, "%s: the mutex is this script's already, since %s: it "
                      "would wait for itself; unlock it first, or make it with "
                      "thread.MUTEX_RECURSIVE", kLock, mutex.site.text);
  }
  if (mutex.holder != &script && Needs(mutex.holder, script)) {
    return luaL_error(L, "%s: who locked it, at %s, waits for this script: neither "
                      "would go on; unlock it before you wait",
                      kLock, mutex.site.text);
  }
  if (state.why_cancelled() != nullptr) {
    return luaL_error(L, "%s: %s", kLock, state.why_cancelled());
  }
  CheckCanSuspend(L, state, kLock, "call it elsewhere, or use trylock");
  const Site here = Site::Caller(L);
  lua_settop(L, 1);
  auto* wait = new (lua_newuserdatauv(L, sizeof(MutexWait), 1)) MutexWait;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  ReserveForWait(L, state);
  MarkSuspended(L);                           // mark wait
  wait->mutex = &mutex;
  wait->site = here;
  // Allocating may have run a finaliser, which may have unlocked it.
  if (TryLock(L, mutex, script)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  (mutex.last == nullptr ? mutex.first : mutex.last->next) = wait;
  mutex.last = wait;
  return Suspend(L, *state.current, *wait, &ReturnLocked);
}

// mutex:trylock()  ->  boolean
int l_trylock(lua_State* L) {
  State& state = CheckState(L);
  LuaMutex& mutex = CheckMutex(L);
  lua_pushboolean(L, TryLock(L, mutex, CheckScript(L, state, "mutex:trylock")));
  return 1;
}

void Unlock(LuaMutex& mutex, Script& script) {
  if (--mutex.depth > 0) return;
  RemoveHeld(script, mutex);
  mutex.PassOn();
}

int l_unlock(lua_State* L) {
  State& state = CheckState(L);
  LuaMutex& mutex = CheckMutex(L);
  Script& script = CheckScript(L, state, kUnlock);
  if (mutex.holder == nullptr) {
    return luaL_error(L, "%s: nobody holds the mutex", kUnlock);
  }
  if (mutex.holder != &script) {
    return luaL_error(L, "%s: the mutex is not this script's: another one locked "
                      "it at %s, and only that one can unlock it",
                      kUnlock, mutex.site.text);
  }
  Unlock(mutex, script);
  return 0;
}

// `local guard <close> = mutex` unlocks, once, what the script holds at the end
// of the block: a mutex that has been unlocked by then is left alone.
int l_close(lua_State* L) {
  State& state = CheckState(L);
  LuaMutex& mutex = CheckMutex(L);
  const Slice* slice = state.current;
  if (slice != nullptr && slice->script != nullptr &&
      mutex.holder == slice->script) {
    Unlock(mutex, *slice->script);
  }
  return 0;
}

// Those who wait keep it, so nobody does; but its holder may have lost it.
int l_collect(lua_State* L) {
  LuaMutex& mutex = *static_cast<LuaMutex*>(lua_touserdata(L, 1));
  mutex.collected = true;
  if (mutex.holder == nullptr) return 0;
  Script& script = *mutex.holder;
  script.state.engine.host().Log(
      MSYS_LOG_WARNING, "lock",
      "state %s: a mutex that was locked at %s was dropped without unlocking it",
      script.state.name.c_str(), mutex.site.text);
  RemoveHeld(script, mutex);
  mutex.holder = nullptr;
  return 0;
}

int l_tostring(lua_State* L) {
  const LuaMutex& mutex = CheckMutex(L);
  constexpr const char* kTypes[] = {"normal", "recursive", "error-checking"};
  lua_pushfstring(L, "%s (%s, %s): %p", kName, kTypes[mutex.type],
                  mutex.holder == nullptr ? "free" : "locked",
                  static_cast<const void*>(&mutex));
  return 1;
}

int l_mutex(lua_State* L) {
  CheckState(L);
  const lua_Integer type = luaL_optinteger(L, 1, kErrorCheck);
  if (type < kNormal || type > kErrorCheck) {
    luaL_argerror(L, 1, lua_pushfstring(L, "thread.MUTEX_NORMAL, MUTEX_RECURSIVE or "
                                        "MUTEX_ERRORCHECK expected, got %I", type));
  }
  auto* mutex = new (lua_newuserdatauv(L, sizeof(LuaMutex), 0)) LuaMutex;
  mutex->type = static_cast<Type>(type);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kMeta);
  lua_setmetatable(L, -2);
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"mutex", l_mutex},
    {nullptr, nullptr},
};

constexpr luaL_Reg kMethods[] = {
    {"lock", l_lock},
    {"trylock", l_trylock},
    {"unlock", l_unlock},
    {nullptr, nullptr},
};

constexpr luaL_Reg kMetamethods[] = {
    {"__close", l_close},
    {"__gc", l_collect},
    {"__tostring", l_tostring},
    {nullptr, nullptr},
};

}  // namespace

void OpenMutex(lua_State* L, int thread) {
  OpenKind(L, &kMeta, kName, kMethods, kMetamethods);
  lua_pushvalue(L, thread);
  SetFunctions(L, kFunctions);
  lua_pushinteger(L, kNormal);
  RawSetField(L, -2, "MUTEX_NORMAL");
  lua_pushinteger(L, kRecursive);
  RawSetField(L, -2, "MUTEX_RECURSIVE");
  lua_pushinteger(L, kErrorCheck);
  RawSetField(L, -2, "MUTEX_ERRORCHECK");
  lua_pop(L, 1);
}

}  // namespace msys
