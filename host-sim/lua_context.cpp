#include "lua_context.h"

#include "bindings.h"

namespace hostsim {
namespace {

// B: no Lua call, no raise; these may have locals with destructors.
const std::string* Find(Message* message, Message::Context context,
                        const char* key, std::size_t size) noexcept {
  const TurnScope scope(message->turn(), "context_get");
  return message->context(context).Find(std::string(key, size));
}

void Set(Message* message, Message::Context context, const char* key,
         std::size_t size, const char* value, std::size_t value_size) noexcept {
  const TurnScope scope(message->turn(), "context_set");
  message->context(context).Set({key, size}, {value, value_size});
}

bool Delete(Message* message, Message::Context context, const char* key,
            std::size_t size) noexcept {
  const TurnScope scope(message->turn(), "context_delete");
  return message->context(context).Delete(std::string(key, size));
}

}  // namespace

Message::Context CheckContext(lua_State* L, int arg, const char* method) {
  if (lua_isinteger(L, arg)) {
    const lua_Integer value = lua_tointeger(L, arg);
    if (value >= 1 && value <= 3)
      return static_cast<Message::Context>(value - 1);
    luaL_argerror(
        L, arg,
        lua_pushfstring(L,
                        "no context %I; it is msys.core.VCTX_CONN, VCTX_MESS "
                        "or VCTX_TRANS",
                        static_cast<LUAI_UACINT>(value)));
  }
  luaL_argerror(L, arg,
                lua_pushfstring(L,
                                "a context is wanted before the key, as in "
                                "%s(msys.core.VCTX_MESS, key); got %s",
                                method, luaL_typename(L, arg)));
  return Message::Context::kConnection;
}

int ContextGet(lua_State* L, Message* message, const char* method) {
  const Message::Context context = CheckContext(L, 2, method);
  std::size_t size = 0;
  const char* key = luaL_checklstring(L, 3, &size);
  const std::string* value = Find(message, context, key, size);
  if (value)
    lua_pushlstring(L, value->data(), value->size());
  else
    lua_pushnil(L);
  return 1;
}

int ContextSet(lua_State* L, Message* message, const char* method) {
  const Message::Context context = CheckContext(L, 2, method);
  std::size_t size = 0, value_size = 0;
  const char* key = luaL_checklstring(L, 3, &size);
  const char* value = luaL_checklstring(L, 4, &value_size);
  Set(message, context, key, size, value, value_size);
  return 0;
}

int ContextExists(lua_State* L, Message* message, const char* method) {
  const Message::Context context = CheckContext(L, 2, method);
  std::size_t size = 0;
  const char* key = luaL_checklstring(L, 3, &size);
  lua_pushboolean(L, Find(message, context, key, size) != nullptr);
  return 1;
}

int ContextDelete(lua_State* L, Message* message, const char* method) {
  const Message::Context context = CheckContext(L, 2, method);
  std::size_t size = 0;
  const char* key = luaL_checklstring(L, 3, &size);
  lua_pushboolean(L, Delete(message, context, key, size));
  return 1;
}

}  // namespace hostsim
