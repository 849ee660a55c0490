// vctx, the validate context: what a policy decides about a session.
#include "bindings.h"
#include "lua_context.h"
#include "lua_handle.h"

namespace hostsim {
namespace {

constexpr const char* kVctx = "vctx";

Connection* Check(lua_State* L) { return CheckHandle<Connection>(L, 1, kVctx); }

// vctx:get(context, key)  ->  string | nil                      [-0, +1, e]
int l_vctx_get(lua_State* L) {
  return ContextGet(L, &Check(L)->message(), "vctx:get");
}

// vctx:set(context, key, string)                                [-0, +0, e]
int l_vctx_set(lua_State* L) {
  return ContextSet(L, &Check(L)->message(), "vctx:set");
}

// vctx:exists(context, key)  ->  boolean                        [-0, +1, e]
int l_vctx_exists(lua_State* L) {
  return ContextExists(L, &Check(L)->message(), "vctx:exists");
}

int CheckCode(lua_State* L, int low) {
  const lua_Integer code = luaL_checkinteger(L, 2);
  if (code < low || code > 599)
    luaL_argerror(L, 2,
                  lua_pushfstring(L, "reply code %I is not from %d to 599",
                                  static_cast<LUAI_UACINT>(code), low));
  return static_cast<int>(code);
}

// vctx:set_code(code, text): the reply of this phase.  4xx refuses for now,
// 5xx for good, 2xx and 3xx go on.                              [-0, +0, e]
int l_vctx_set_code(lua_State* L) {
  Connection* vctx = Check(L);
  const int code = CheckCode(L, 200);
  std::size_t size = 0;
  const char* text = luaL_optlstring(L, 3, "", &size);
  vctx->SetReply(code, {text, size}, false);
  return 0;
}

// vctx:disconnect(code, text): replies and ends the session.    [-0, +0, e]
int l_vctx_disconnect(lua_State* L) {
  Connection* vctx = Check(L);
  const int code = CheckCode(L, 400);
  std::size_t size = 0;
  const char* text = luaL_optlstring(L, 3, "", &size);
  vctx->SetReply(code, {text, size}, true);
  return 0;
}

// vctx:recipient_list()  ->  array of addresses                 [-0, +1, e]
int l_vctx_recipient_list(lua_State* L) {
  const Message& message = Check(L)->message();
  lua_newtable(L);
  // By index: a finaliser that runs meanwhile may change the list.
  for (std::size_t i = 0; i < message.recipients().size(); ++i) {
    const std::string& address = message.recipients()[i];
    lua_pushlstring(L, address.data(), address.size());
    lua_rawseti(L, -2, static_cast<lua_Integer>(i) + 1);
  }
  return 1;
}

// vctx:add_recipient(address)  ->  false: it is there already   [-0, +1, e]
int l_vctx_add_recipient(lua_State* L) {
  Connection* vctx = Check(L);
  lua_pushboolean(L, vctx->message().AddRecipient(CheckAddress(L, 2)));
  return 1;
}

// vctx:remove_recipient(address)  ->  false: it is not there    [-0, +1, e]
int l_vctx_remove_recipient(lua_State* L) {
  Connection* vctx = Check(L);
  lua_pushboolean(L, vctx->message().RemoveRecipient(CheckAddress(L, 2)));
  return 1;
}

int l_vctx_tostring(lua_State* L) {
  lua_pushfstring(L, "vctx: %s", Check(L)->conn_id().c_str());
  return 1;
}

constexpr luaL_Reg kMethods[] = {{"get", l_vctx_get},
                                 {"set", l_vctx_set},
                                 {"exists", l_vctx_exists},
                                 {"set_code", l_vctx_set_code},
                                 {"disconnect", l_vctx_disconnect},
                                 {"recipient_list", l_vctx_recipient_list},
                                 {"add_recipient", l_vctx_add_recipient},
                                 {"remove_recipient", l_vctx_remove_recipient},
                                 {nullptr, nullptr}};

}  // namespace

void OpenVctx(lua_State* L) {
  NewHandleType<Connection>(L, kVctx, kMethods, nullptr, l_vctx_tostring);
}

void PushVctx(lua_State* L, Connection* connection) {
  PushHandle(L, connection, kVctx);
}

}  // namespace hostsim
