// part: a leaf of a mail's MIME tree, from msg:parts().
#include <cstring>

#include "bindings.h"
#include "lua_handle.h"

namespace hostsim {
namespace {

constexpr const char* kPart = "part";

// Shares ownership of the mail, in which it is a number.
struct PartHandle : Handle<Message> {
  std::size_t index;
};
static_assert(std::is_trivially_destructible_v<PartHandle>);

const PartHandle* Check(lua_State* L) {
  CheckHandle<Message>(L, 1, kPart);
  return static_cast<const PartHandle*>(lua_touserdata(L, 1));
}

int PushString(lua_State* L, const std::string& text) {
  lua_pushlstring(L, text.data(), text.size());
  return 1;
}

int PushOptional(lua_State* L, const std::optional<std::string>& text) {
  if (text) return PushString(L, *text);
  lua_pushnil(L);
  return 1;
}

// part:body()  ->  the content with its transfer encoding undone  [-0, +1, e]
int l_part_body(lua_State* L) {
  const PartHandle* part = Check(L);
  const std::string_view body = part->object->PartBody(part->index);
  lua_pushlstring(L, body.data(), body.size());
  return 1;
}

// part.content_type, .filename, .disposition, .size (of the decoded body),
// else a method                                                  [-0, +1, e]
int l_part_index(lua_State* L) {
  const PartHandle* handle = Check(L);
  const MimePart* part = handle->object->Part(handle->index);
  const char* key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (part) {
    if (std::strcmp(key, "content_type") == 0)
      return PushString(L, part->content_type);
    if (std::strcmp(key, "filename") == 0)
      return PushOptional(L, part->filename);
    if (std::strcmp(key, "disposition") == 0)
      return PushOptional(L, part->disposition);
    if (std::strcmp(key, "size") == 0) {
      lua_pushinteger(L, static_cast<lua_Integer>(
                             handle->object->PartBody(handle->index).size()));
      return 1;
    }
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

// Equal when they are the same part of the same mail.
int l_part_eq(lua_State* L) {
  const auto* a = static_cast<const PartHandle*>(lua_touserdata(L, 1));
  const auto* b = static_cast<const PartHandle*>(lua_touserdata(L, 2));
  lua_pushboolean(L, lua_rawlen(L, 1) == lua_rawlen(L, 2) &&
                         a->object == b->object && a->index == b->index);
  return 1;
}

int l_part_tostring(lua_State* L) {
  const PartHandle* part = Check(L);
  lua_pushfstring(L, "part: %d of %s", static_cast<int>(part->index) + 1,
                  part->object->id().c_str());
  return 1;
}

constexpr luaL_Reg kMethods[] = {{"body", l_part_body}, {nullptr, nullptr}};

}  // namespace

void OpenPart(lua_State* L) {
  NewHandleType<Message>(L, kPart, kMethods, l_part_index, l_part_tostring);
  luaL_getmetatable(L, kPart);
  lua_pushcfunction(L, l_part_eq);
  lua_setfield(L, -2, "__eq");
  lua_pop(L, 1);
}

void PushPart(lua_State* L, Message* message, std::size_t index) {
  auto* handle =
      static_cast<PartHandle*>(lua_newuserdatauv(L, sizeof(PartHandle), 0));
  handle->object = nullptr;  // before __gc can see it
  handle->index = index;
  luaL_setmetatable(L, kPart);
  message->AddRef();
  handle->object = message;
}

}  // namespace hostsim
