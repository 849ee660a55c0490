#include "session.h"

#include "lua_api.h"
#include "state.h"

namespace msys {

void PushSelf(Session& session, lua_State* L) {
  State& state = session.state;
  luaL_checktype(L, -1, LUA_TTABLE);
  luaL_checkstack(L, 6, "self");
  const int module = lua_gettop(L);
  if (session.selves == Anchors::kNone) {
    lua_newtable(L);
    session.selves = state.anchors.Put(L);
  }
  state.anchors.Push(L, session.selves);       // module selves
  lua_pushvalue(L, module);
  if (lua_rawget(L, -2) != LUA_TTABLE) {       // module selves nil
    lua_pop(L, 1);
    lua_newtable(L);                           // module selves self
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, module);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, module);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);                         // selves[module] = self
  }
  lua_replace(L, module);
  lua_settop(L, module);
}

void ReleaseSession(Session& session) {
  if (--session.references > 0) return;
  State& state = session.state;
  state.anchors.Drop(session.selves);
  session.tls->Release(state.anchors);
  delete &session;
}

}  // namespace msys
