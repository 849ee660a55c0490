// msys.lock(name) and msys.unlock(name)
#include <new>
#include <type_traits>

#include "../state.h"
#include "../text.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kLock[] = "msys.lock";
constexpr char kUnlock[] = "msys.unlock";

static_assert(std::is_trivially_destructible_v<LockWait>,
              "Lua frees it without running a destructor");

const char* PushQuoted(lua_State* L, std::string_view name) {
  char quoted[96];
  Quote(name.data(), name.size(), quoted, sizeof quoted);
  return lua_pushstring(L, quoted);
}

// What a call gives whose lock was tried, or an error; 0: others hold the lock.
int Answer(lua_State* L, LockTable::Taken taken, std::string_view name,
           const Site& site) {
  switch (taken) {
    case LockTable::Taken::kTaken:
      lua_pushboolean(L, 1);
      return 1;
    case LockTable::Taken::kOwn:
      return luaL_error(L, "%s: the lock %s is this script's already, since %s: it "
                        "would wait for itself; unlock it first",
                        kLock, PushQuoted(L, name), site.text);
    case LockTable::Taken::kNoMemory:
      return luaL_error(L, "%s: not enough memory", kLock);
    case LockTable::Taken::kBusy:
      break;
  }
  return 0;
}

int ReturnLocked(lua_State* L, int, lua_KContext) {
  if (lua_gettop(L) > kKept) {
    return luaL_error(L, "%s: %s", kLock, lua_tostring(L, -1));
  }
  lua_pushboolean(L, 1);
  return 1;
}

int l_lock(lua_State* L) {
  State& state = CheckState(L);
  std::size_t length = 0;
  const char* text = luaL_checklstring(L, 1, &length);
  const std::string_view name(text, length);
  Script& script = CheckScript(L, state, kLock);
  LockTable& locks = state.engine.locks();
  const Site here = Site::Caller(L);
  Site site = here;
  LockTable::Taken taken = locks.Take(name, script, site, nullptr);
  if (const int results = Answer(L, taken, name, site)) return results;
  if (Needs(locks.HolderIn(state, name), script)) {
    return luaL_error(L, "%s: who locked %s, at %s, waits for this script: neither "
                      "would go on; unlock it before you wait",
                      kLock, PushQuoted(L, name), site.text);
  }
  if (state.why_cancelled() != nullptr) {
    return luaL_error(L, "%s: %s", kLock, state.why_cancelled());
  }
  CheckCanSuspend(L, state, kLock, "call it elsewhere");
  lua_settop(L, 1);
  auto* wait = new (lua_newuserdatauv(L, sizeof(LockWait), 0))
      LockWait(locks, script, here);
  ReserveForWait(L, state);
  // It may have become free; and allocating may have run a finaliser.
  site = here;
  taken = locks.Take(name, script, site, wait);
  if (const int results = Answer(L, taken, name, site)) return results;
  MarkSuspended(L);                           // mark wait
  return Suspend(L, *state.current, *wait, &ReturnLocked);
}

int l_unlock(lua_State* L) {
  State& state = CheckState(L);
  std::size_t length = 0;
  const char* text = luaL_checklstring(L, 1, &length);
  const std::string_view name(text, length);
  Script& script = CheckScript(L, state, kUnlock);
  Site site;
  switch (state.engine.locks().Release(name, script, site)) {
    case LockTable::Released::kReleased:
      return 0;
    case LockTable::Released::kFree:
      return luaL_error(L, "%s: nobody holds the lock %s", kUnlock,
                        PushQuoted(L, name));
    case LockTable::Released::kOther:
      break;
  }
  return luaL_error(L, "%s: the lock %s is not this script's: another one locked "
                    "it at %s, and only that one can unlock it",
                    kUnlock, PushQuoted(L, name), site.text);
}

constexpr luaL_Reg kFunctions[] = {
    {"lock", l_lock},
    {"unlock", l_unlock},
    {nullptr, nullptr},
};

}  // namespace

void OpenLock(lua_State* L, int msys) {
  lua_pushvalue(L, msys);
  SetFunctions(L, kFunctions);
  lua_pop(L, 1);
}

}  // namespace msys
