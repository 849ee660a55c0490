/* What lua5.4 does with a script, with the Lua and the sanitizer of this build:
 * Debian's own program has neither. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int failed;
  luaL_openlibs(L);
  failed = argc != 2 || luaL_dofile(L, argv[1]) != LUA_OK;
  if (failed) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}
