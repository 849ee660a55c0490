// ac, the accept construct: the client's side of the connection.
#include <cstring>

#include "bindings.h"
#include "lua_handle.h"

namespace hostsim {
namespace {

constexpr const char* kAc = "ac";

// ac.remote_addr  ("ip:port"), ac.conn_id; any other field is nil.
// [-0, +1, m]
int l_ac_index(lua_State* L) {
  const Connection* ac = CheckHandle<Connection>(L, 1, kAc);
  const char* key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (std::strcmp(key, "remote_addr") == 0)
    lua_pushstring(L, ac->remote_addr().c_str());
  else if (std::strcmp(key, "conn_id") == 0)
    lua_pushstring(L, ac->conn_id().c_str());
  else
    lua_pushnil(L);
  return 1;
}

int l_ac_tostring(lua_State* L) {
  const Connection* ac = CheckHandle<Connection>(L, 1, kAc);
  lua_pushfstring(L, "ac: %s from %s", ac->conn_id().c_str(),
                  ac->remote_addr().c_str());
  return 1;
}

constexpr luaL_Reg kMethods[] = {{nullptr, nullptr}};

}  // namespace

void OpenAc(lua_State* L) {
  NewHandleType<Connection>(L, kAc, kMethods, l_ac_index, l_ac_tostring);
}

void PushAc(lua_State* L, Connection* connection) {
  PushHandle(L, connection, kAc);
}

}  // namespace hostsim
