// What host-sim puts into a Lua state for policies: msys.registerModule, print,
// and the objects msg, ac and vctx.
//
// All functions: with the turn held; they may raise Lua errors, so no frame
// with a destructor may be between them and a protected call.
#pragma once

#include <lua.hpp>

#include "connection.h"
#include "message.h"
#include "msys/plugin.h"

namespace hostsim {

// Installs everything into a fresh state, before the plugin is attached.
// `package_dir` (may be "") is searched first by require.  [-0, +0, e]
void OpenBindings(lua_State* L, const char* package_dir);

// msys.core.io_wrapper_open, msys.readfile, msys.execute, which wait in blocking
// regions of the plugin.  [-0, +0, e]
void OpenIo(lua_State* L, const msys_api* api);

// Parts of it, one file each.  [-0, +0, m]
void OpenMsg(lua_State* L);
void OpenPart(lua_State* L);
void OpenVctx(lua_State* L);
void OpenAc(lua_State* L);
void OpenModules(lua_State* L);  // msys, msys.core, print

// [-0, +1, m]
void PushMsg(lua_State* L, Message* message);
void PushVctx(lua_State* L, Connection* connection);
void PushAc(lua_State* L, Connection* connection);
void PushPart(lua_State* L, Message* message, std::size_t index);

// An address, by itself or in a list: not empty, and no control characters, which
// would be others' lines in what is written of it.  Raises.  [-0, +0, v]
std::string_view CheckAddress(lua_State* L, int arg);

// The argument that names a context, msys.core.VCTX_*; raises.  `method` is
// for the message: "vctx:get".  [-0, +0, v]
Message::Context CheckContext(lua_State* L, int arg, const char* method);

// Registered modules, in order of registration, from 1.
lua_Integer ModuleCount(lua_State* L);  // [-0, +0, -]
// Pushes the table; the name, "?" when there is none, stays valid as long as
// the state.  [-0, +1, -]
const char* PushModule(lua_State* L, lua_Integer index);

}  // namespace hostsim
