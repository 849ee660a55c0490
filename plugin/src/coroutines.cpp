#include "coroutines.h"

#include <cstring>
#include <new>

namespace msys {

int Coroutines::New(lua_State* aux) {
  auto* self = static_cast<Coroutines*>(lua_touserdata(aux, 1));
  auto* made = static_cast<Coroutine*>(lua_touserdata(aux, 2));
  made->L = lua_newthread(aux);
  // It has inherited that of aux, on which a finaliser may have set one.
  lua_sethook(made->L, nullptr, 0, 0);
  made->slot = self->anchors_.Put(aux);
  lua_sethook(aux, nullptr, 0, 0);
  return 0;
}

Coroutine Coroutines::Take(lua_State* aux) {
  if (!spares_.empty()) {
    const Coroutine spare = spares_.back();
    spares_.pop_back();
    Renew(spare.L);
    return spare;
  }
  Coroutine made;
  Renew(aux);
  const int top = lua_gettop(aux);
  lua_pushcfunction(aux, &Coroutines::New);
  lua_pushlightuserdata(aux, this);
  lua_pushlightuserdata(aux, &made);
  const bool ok = lua_pcall(aux, 2, 0, 0) == LUA_OK;
  lua_settop(aux, top);
  return ok ? made : Coroutine{};
}

void Coroutines::Renew(lua_State* L) const {
  // debug.sethook finds coroutines that nobody has given to it.
  if (lua_gethook(L) != nullptr) lua_sethook(L, nullptr, 0, 0);
  // A host may keep its session there, and the last one's may be gone.
  std::memcpy(lua_getextraspace(L), lua_getextraspace(main_), LUA_EXTRASPACE);
}

bool Coroutines::Keep(Coroutine coroutine) noexcept {
  if (spares_.size() >= kSpares) return false;
  try {
    spares_.push_back(coroutine);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool Coroutines::Idle(lua_State* L) {
  lua_Debug ar;
  return lua_status(L) == LUA_OK && lua_getstack(L, 0, &ar) == 0;
}

void Coroutines::Return(Coroutine coroutine, bool reuse) {
  if (reuse || Idle(coroutine.L)) lua_settop(coroutine.L, 0);
  if (reuse && Keep(coroutine)) return;
  anchors_.Drop(coroutine.slot);
}

}  // namespace msys
