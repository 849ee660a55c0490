// msys.registerModule, print, and the tables they live in.
#include <cstring>
#include <string>
#include <string_view>

#include "bindings.h"
#include "log.h"
#include "phase.h"

namespace hostsim {
namespace {

// Its address is the registry key of the list of modules: name, table, ...
char modules_key;

void PushList(lua_State* L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key); }

void WarnOfPhase(const char* module, const char* key) noexcept {
  Log(MSYS_LOG_WARNING, module,
      std::string("this host has no phase that calls ") + key);
}

// Of the value at the top.                                        [-0, +0, m]
bool IsCallable(lua_State* L) {
  if (lua_isfunction(L, -1)) return true;
  if (luaL_getmetafield(L, -1, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

// What would only be noticed when mail comes, or never.  Without metamethods: what the
// module inherits is its own affair.                              [-0, +0, e]
void CheckPhases(lua_State* L, const char* module, int table) {
  lua_pushnil(L);
  while (lua_next(L, table)) {
    const char* key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    const bool phase = IsPhaseFunctionName(key);
    if ((phase || std::strcmp(key, "init") == 0) && !IsCallable(L))
      luaL_argerror(L, table,
                    lua_pushfstring(L, "%s is a %s; a function is wanted", key,
                                    luaL_typename(L, -1)));
    if (!phase && std::strncmp(key, "validate_", 9) == 0) WarnOfPhase(module, key);
    lua_pop(L, 1);
  }
}

// msys.registerModule(name, table): from now on the table's functions are
// called at the phases of every session of this state.          [-0, +0, e]
int l_register_module(lua_State* L) {
  const char* name = luaL_checkstring(L, 1);
  luaL_argcheck(L, *name != '\0', 1, "a module needs a name");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  PushList(L);  // name table list
  const auto size = static_cast<lua_Integer>(lua_rawlen(L, 3));
  for (lua_Integer i = 1; i < size; i += 2) {
    lua_rawgeti(L, 3, i);
    if (lua_rawequal(L, 1, -1))
      luaL_argerror(
          L, 1,
          lua_pushfstring(L, "a module \"%s\" is registered already", name));
    lua_pop(L, 1);
  }
  CheckPhases(L, name, 2);
  lua_pushvalue(L, 1);
  lua_rawseti(L, 3, size + 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, size + 2);
  return 0;
}

void LogLua(const char* text, std::size_t size) noexcept {
  Log(MSYS_LOG_INFO, "lua", {text, size});
}

// print(...): one line of the host's log, component "lua".       [-0, +0, e]
int l_print(lua_State* L) {
  const int count = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= count; ++i) {
    if (i > 1) luaL_addchar(&line, '\t');
    luaL_tolstring(L, i, nullptr);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  std::size_t size = 0;
  const char* text = lua_tolstring(L, -1, &size);
  LogLua(text, size);
  return 0;
}

// Pushes the table `name` of the table at the top, made when missing.
void SubTable(lua_State* L, const char* name) { luaL_getsubtable(L, -1, name); }

void SetContexts(lua_State* L) {
  lua_pushinteger(L, 1);
  lua_setfield(L, -2, "VCTX_CONN");
  lua_pushinteger(L, 2);
  lua_setfield(L, -2, "VCTX_MESS");
  lua_pushinteger(L, 3);
  lua_setfield(L, -2, "VCTX_TRANS");
}

}  // namespace

void OpenModules(lua_State* L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
  lua_pushcfunction(L, l_print);
  lua_setglobal(L, "print");
  lua_pushglobaltable(L);  // _G
  SubTable(L, "msys");     // _G msys
  lua_pushcfunction(L, l_register_module);
  lua_setfield(L, -2, "registerModule");
  SubTable(L, "core");  // _G msys core
  SetContexts(L);
  lua_pop(L, 3);
}

void OpenBindings(lua_State* L, const char* package_dir) {
  luaL_openlibs(L);
  OpenMsg(L);
  OpenPart(L);
  OpenVctx(L);
  OpenAc(L);
  OpenModules(L);
  if (*package_dir == '\0') return;
  lua_getglobal(L, "package");  // package
  lua_getfield(L, -1, "path");  // package path
  lua_pushfstring(L, "%s/?.lua;%s", package_dir, lua_tostring(L, -1));
  lua_setfield(L, -3, "path");
  lua_pop(L, 2);
}

lua_Integer ModuleCount(lua_State* L) {
  PushList(L);
  const auto size = static_cast<lua_Integer>(lua_rawlen(L, -1));
  lua_pop(L, 1);
  return size / 2;
}

const char* PushModule(lua_State* L, lua_Integer index) {
  PushList(L);                        // list
  lua_rawgeti(L, -1, 2 * index - 1);  // list name
  // The list keeps the string alive.
  const char* name = lua_tostring(L, -1);
  lua_pop(L, 1);
  lua_rawgeti(L, -1, 2 * index);  // list table
  lua_remove(L, -2);
  return name ? name : "?";
}

}  // namespace hostsim
