// get, set, exists and delete of a context: the same for msg and vctx.
#pragma once

#include <lua.hpp>

#include "message.h"

namespace hostsim {

// Arguments 2 and 3 are the context and the key; `method` is "vctx:get".
int ContextGet(lua_State* L, Message* message, const char* method);
int ContextSet(lua_State* L, Message* message, const char* method);
int ContextExists(lua_State* L, Message* message, const char* method);
int ContextDelete(lua_State* L, Message* message, const char* method);

}  // namespace hostsim
