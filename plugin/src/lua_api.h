// Lua's C API.  It is declared extern "C" for both of Debian's builds.
#pragma once

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}
