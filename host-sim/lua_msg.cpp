// msg: the mail.
#include <algorithm>
#include <cstring>

#include "bindings.h"
#include "lua_context.h"
#include "lua_handle.h"
#include "mail_limits.h"

namespace hostsim {
namespace {

constexpr const char* kMsg = "msg";

Message* Check(lua_State* L) { return CheckHandle<Message>(L, 1, kMsg); }

int PushView(lua_State* L, std::string_view text) {
  lua_pushlstring(L, text.data(), text.size());
  return 1;
}

// A field name as RFC 5322 has it: printable ASCII without a colon.
void CheckHeaderName(lua_State* L, const char* name, std::size_t size) {
  bool good = size > 0;
  for (std::size_t i = 0; i < size; ++i)
    good = good && name[i] > ' ' && name[i] < 0x7f && name[i] != ':';
  luaL_argcheck(L, good, 2, "not a header name");
}

// msg:header(name)  ->  array of the decoded values, empty when there is none
// msg:header(name, value): replaces them by one; nil removes them
// [-0, +n, e]
int l_msg_header(lua_State* L) {
  Message* msg = Check(L);
  std::size_t size = 0;
  const char* name = luaL_checklstring(L, 2, &size);
  CheckHeaderName(L, name, size);
  if (lua_gettop(L) >= 3) {
    if (!msg->has_content())
      return luaL_error(L, "msg:header: the mail has not come yet; its headers can be "
                        "changed from validate_data on");
    if (lua_isnil(L, 3)) {
      msg->RemoveHeader(name);
      return 0;
    }
    std::size_t value_size = 0;
    const char* value = luaL_checklstring(L, 3, &value_size);
    luaL_argcheck(L, std::strcspn(value, "\r\n") == value_size, 3,
                  "a header value must not hold line breaks or NUL");
    const bool few = std::count(value, value + value_size, ':') <=
                     static_cast<std::ptrdiff_t>(kMostColons);
    if (!few)
      luaL_argerror(L, 3, lua_pushfstring(L, "a header value must not hold more than %d "
                                          "colons", static_cast<int>(kMostColons)));
    msg->SetHeader(name, value);
    return 0;
  }
  lua_newtable(L);
  int position = 0;
  for (lua_Integer i = 1;; ++i) {
    const char* value = msg->NextHeader(name, &position);
    if (!value) return 1;
    lua_pushstring(L, value);
    lua_rawseti(L, -2, i);
  }
}

// msg:text([type])  ->  the decoded text bodies, one after the other, as UTF-8
// [-0, +1, e]
int l_msg_text(lua_State* L) {
  Message* msg = Check(L);
  const char* type = luaL_optstring(L, 2, nullptr);
  return PushView(L, msg->Text(type));
}

// msg:raw()  ->  the whole mail                                   [-0, +1, e]
int l_msg_raw(lua_State* L) { return PushView(L, Check(L)->Raw()); }

// msg:get_message_size()  ->  bytes of msg:raw()                  [-0, +1, e]
int l_msg_get_message_size(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(Check(L)->Raw().size()));
  return 1;
}

// msg:mailfrom([new])  ->  the sender's address                   [-0, +1, e]
int l_msg_mailfrom(lua_State* L) {
  Message* msg = Check(L);
  if (!lua_isnoneornil(L, 2)) {
    const bool null_sender = lua_type(L, 2) == LUA_TSTRING && lua_rawlen(L, 2) == 0;
    msg->SetMailfrom(null_sender ? std::string_view() : CheckAddress(L, 2));
  }
  return PushView(L, msg->mailfrom());
}

// msg:rcptto([new])  ->  the recipient this phase is about, else the first
// [-0, +1, e]
int l_msg_rcptto(lua_State* L) {
  Message* msg = Check(L);
  if (!lua_isnoneornil(L, 2)) msg->ReplaceRcptto(CheckAddress(L, 2));
  return PushView(L, msg->Rcptto());
}

// msg:discard(): accepts the mail and throws it away              [-0, +0, e]
int l_msg_discard(lua_State* L) {
  Check(L)->Discard();
  return 0;
}

int l_msg_context_get(lua_State* L) {
  return ContextGet(L, Check(L), "msg:context_get");
}
int l_msg_context_set(lua_State* L) {
  return ContextSet(L, Check(L), "msg:context_set");
}
int l_msg_context_exists(lua_State* L) {
  return ContextExists(L, Check(L), "msg:context_exists");
}
int l_msg_context_delete(lua_State* L) {
  return ContextDelete(L, Check(L), "msg:context_delete");
}

// The iterator of msg:parts(); upvalues: msg, the index of the next part.
int l_parts_next(lua_State* L) {
  Message* msg = CheckHandle<Message>(L, lua_upvalueindex(1), kMsg);
  const lua_Integer index = lua_tointeger(L, lua_upvalueindex(2));
  if (!msg->Part(static_cast<std::size_t>(index))) return 0;
  lua_pushinteger(L, index + 1);
  lua_replace(L, lua_upvalueindex(2));
  PushPart(L, msg, static_cast<std::size_t>(index));
  return 1;
}

// for part in msg:parts() do ... end: the leaves of the MIME tree, those of
// attached mails included                                        [-0, +1, e]
int l_msg_parts(lua_State* L) {
  Check(L);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, l_parts_next, 2);
  return 1;
}

// msg.id, else a method                                           [-0, +1, e]
int l_msg_index(lua_State* L) {
  const Message* msg = Check(L);
  if (lua_type(L, 2) == LUA_TSTRING &&
      std::strcmp(lua_tostring(L, 2), "id") == 0)
    return PushView(L, msg->id());
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

int l_msg_tostring(lua_State* L) {
  lua_pushfstring(L, "msg: %s", Check(L)->id().c_str());
  return 1;
}

constexpr luaL_Reg kMethods[] = {{"header", l_msg_header},
                                 {"text", l_msg_text},
                                 {"raw", l_msg_raw},
                                 {"get_message_size", l_msg_get_message_size},
                                 {"mailfrom", l_msg_mailfrom},
                                 {"rcptto", l_msg_rcptto},
                                 {"discard", l_msg_discard},
                                 {"context_get", l_msg_context_get},
                                 {"context_set", l_msg_context_set},
                                 {"context_exists", l_msg_context_exists},
                                 {"context_delete", l_msg_context_delete},
                                 {"parts", l_msg_parts},
                                 {nullptr, nullptr}};

}  // namespace

void OpenMsg(lua_State* L) {
  NewHandleType<Message>(L, kMsg, kMethods, l_msg_index, l_msg_tostring);
}

void PushMsg(lua_State* L, Message* message) { PushHandle(L, message, kMsg); }

}  // namespace hostsim
