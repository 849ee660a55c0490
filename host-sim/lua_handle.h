// Userdata that share ownership of a host object.
//
// A closure may keep `msg` longer than its session lives; the object then stays
// valid, and what is set on it has no effect on any session.  A handle is plain
// data: Lua frees the block without running a destructor.
//
// Binding files keep to three phases, since a raise may be a longjmp:
//   A  check arguments; may raise, so no local has a destructor;
//   B  work on the host object; noexcept, no Lua call;
//   C  push results; may raise.  What is pushed belongs to the object, and Lua
//      has copied it before a finaliser can run.
#pragma once

#include <lua.hpp>
#include <type_traits>

namespace hostsim {

template <typename T>
struct Handle {
  T* object;  // null after __gc
};

// [-0, +1, m]
template <typename T>
void PushHandle(lua_State* L, T* object, const char* type) {
  static_assert(std::is_trivially_destructible_v<Handle<T>>);
  auto* handle =
      static_cast<Handle<T>*>(lua_newuserdatauv(L, sizeof(Handle<T>), 0));
  handle->object = nullptr;  // before __gc can see it
  luaL_setmetatable(L, type);
  object->AddRef();
  handle->object = object;
}

// [-0, +0, v]
template <typename T>
T* CheckHandle(lua_State* L, int arg, const char* type) {
  auto* handle = static_cast<Handle<T>*>(luaL_checkudata(L, arg, type));
  if (!handle->object) luaL_error(L, "this %s has been finalised", type);
  return handle->object;
}

// __gc.  [-0, +0, -]
template <typename T>
int l_handle_gc(lua_State* L) {
  auto* handle = static_cast<Handle<T>*>(lua_touserdata(L, 1));
  if (handle && handle->object) {
    handle->object->Release();
    handle->object = nullptr;
  }
  return 0;
}

// __eq: two handles on one object are equal, when they are of one type: ac and
// vctx have the same object.  [-0, +1, -]
template <typename T>
int l_handle_eq(lua_State* L) {
  const auto* a = static_cast<Handle<T>*>(lua_touserdata(L, 1));
  const auto* b = static_cast<Handle<T>*>(lua_touserdata(L, 2));
  lua_pushboolean(L, a && b && lua_getmetatable(L, 1) &&
                         lua_getmetatable(L, 2) && lua_rawequal(L, -1, -2) &&
                         a->object == b->object);
  return 1;
}

// Makes the metatable `type`.  `index` gets (object, key) and has the table of
// methods as its upvalue; NULL: only methods.  [-0, +0, m]
template <typename T>
void NewHandleType(lua_State* L, const char* type, const luaL_Reg* methods,
                   lua_CFunction index, lua_CFunction tostring) {
  luaL_newmetatable(L, type);  // meta
  lua_newtable(L);             // meta methods
  luaL_setfuncs(L, methods, 0);
  if (index) lua_pushcclosure(L, index, 1);  // meta index
  lua_setfield(L, -2, "__index");            // meta
  lua_pushcfunction(L, l_handle_gc<T>);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_handle_eq<T>);
  lua_setfield(L, -2, "__eq");
  lua_pushcfunction(L, tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "locked");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

}  // namespace hostsim
