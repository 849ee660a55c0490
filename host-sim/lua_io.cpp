// msys.core.io_wrapper_open and its handles, msys.readfile, msys.execute: they
// wait in a blocking region, so that other work of the Lua state goes on.
//
// Between Begin and End no Lua call is made.  The result is in a box of Lua's,
// made before and freed by its finaliser when a push raises.
#include <fcntl.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <new>

#include "bindings.h"
#include "blocking_io.h"
#include "log.h"
#include "lua_handle.h"
#include "thread_check.h"

namespace hostsim {
namespace {

constexpr const char* kIo = "msys.io";
constexpr const char* kResult = "msys.io_result";

struct ResultBox {
  IoResult* result;
};

int l_result_gc(lua_State* L) {
  auto* box = static_cast<ResultBox*>(lua_touserdata(L, 1));
  if (box) delete box->result;
  if (box) box->result = nullptr;
  return 0;
}

IoResult* PushResult(lua_State* L) {  // [-0, +1, e]
  auto* box =
      static_cast<ResultBox*>(lua_newuserdatauv(L, sizeof(ResultBox), 0));
  box->result = nullptr;
  luaL_setmetatable(L, kResult);
  box->result = new (std::nothrow) IoResult;
  if (!box->result) luaL_error(L, "not enough memory");
  return box->result;
}

// The box at the top is done with: frees early what it holds.
void DropResult(lua_State* L, int box) {
  auto* b = static_cast<ResultBox*>(lua_touserdata(L, box));
  delete b->result;
  b->result = nullptr;
}

// nil, message, errno.
int Failure(lua_State* L, int box, const IoResult& result) {
  const int number = result.error;
  lua_pushnil(L);
  lua_pushlstring(L, result.text.data(), result.text.size());
  lua_pushinteger(L, number);
  DropResult(L, box);
  return 3;
}

const msys_api* Api(lua_State* L) {
  return static_cast<const msys_api*>(lua_touserdata(L, lua_upvalueindex(1)));
}

void WarnLoop(const char* function) noexcept {
  static std::atomic<bool> said{false};  // relaxed: said once
  if (ThreadLoop() == kNoLoop || said.exchange(true, std::memory_order_relaxed))
    return;
  Logf(MSYS_LOG_WARNING, "lua",
       "%s waits on event loop %u and holds up all of its sessions; call it in "
       "msys.runInPool (said once)",
       function, ThreadLoop());
}

// Runs `call`, which makes no Lua call and throws nothing, in a region.
template <typename Call>
void Block(lua_State* L, const char* function, Call call) {
  static_assert(std::is_trivially_destructible_v<Call>);
  WarnLoop(function);
  const msys_api* api = Api(L);
  msys_blocking region;
  api->blocking_begin(L, &region);
  call();
  api->blocking_end(&region);
}

const char* CheckText(lua_State* L, int arg, const char* what) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(L, arg, &size);
  if (std::strlen(text) != size)
    luaL_argerror(L, arg, lua_pushfstring(L, "the %s has a zero byte", what));
  return text;
}

IoFile* CheckFile(lua_State* L, int arg) {
  return CheckHandle<IoFile>(L, arg, kIo);
}

// msys.core.io_wrapper_open(path, flags [, mode])               [-0, +1|3, e]
int l_open(lua_State* L) {
  const char* path = CheckText(L, 1, "path");
  const lua_Integer flags = luaL_checkinteger(L, 2);
  const lua_Integer mode = luaL_optinteger(L, 3, 0666);
  constexpr lua_Integer kKnown = O_RDONLY | O_WRONLY | O_RDWR | O_CREAT |
                                 O_APPEND | O_TRUNC | O_EXCL;
  luaL_argcheck(L, (flags & ~kKnown) == 0 && (flags & O_ACCMODE) != O_ACCMODE, 2,
                "a sum of msys.core.O_* constants is wanted");
  luaL_argcheck(L, mode >= 0 && mode <= 07777, 3, "0 to 07777 is wanted");
  lua_settop(L, 1);
  IoResult* result = PushResult(L);  // path box
  auto* handle = static_cast<Handle<IoFile>*>(
      lua_newuserdatauv(L, sizeof(Handle<IoFile>), 0));
  handle->object = nullptr;
  luaL_setmetatable(L, kIo);  // path box handle
  auto* file = new (std::nothrow) IoFile;
  if (!file) return luaL_error(L, "not enough memory");
  file->AddRef();
  handle->object = file;
  Block(L, "msys.core.io_wrapper_open", [=] {
    file->Open(path, static_cast<int>(flags), static_cast<unsigned>(mode),
               result);
  });
  if (result->error != 0) return Failure(L, 2, *result);
  DropResult(L, 2);
  return 1;
}

struct Format {
  IoFile::Want want;
  std::size_t bytes;
};

Format CheckFormat(lua_State* L, int arg) {
  if (lua_type(L, arg) == LUA_TNUMBER) {
    const lua_Integer bytes = luaL_checkinteger(L, arg);
    luaL_argcheck(L, bytes >= 0, arg, "a number of bytes is not negative");
    return {IoFile::Want::kBytes, static_cast<std::size_t>(bytes)};
  }
  const char* text = luaL_optstring(L, arg, "l");
  if (*text == '*') ++text;
  if (std::strcmp(text, "l") == 0) return {IoFile::Want::kLine, 0};
  if (std::strcmp(text, "L") == 0) return {IoFile::Want::kLineWithEnd, 0};
  if (std::strcmp(text, "a") == 0) return {IoFile::Want::kAll, 0};
  luaL_argerror(L, arg, "a number of bytes, \"l\", \"L\" or \"a\" is wanted");
  return {};
}

// The text or nil is pushed; or the three of a failure.
int Read(lua_State* L, IoFile* file, Format format, const char* function) {
  IoResult* result = PushResult(L);
  const int box = lua_gettop(L);
  Block(L, function, [=] { file->Read(format.want, format.bytes, result); });
  if (result->error != 0) return Failure(L, box, *result);
  if (result->end)
    lua_pushnil(L);
  else
    lua_pushlstring(L, result->text.data(), result->text.size());
  DropResult(L, box);
  return 1;
}

// handle:read([n | "l" | "L" | "a"])                             [-0, +1|3, e]
int l_read(lua_State* L) {
  IoFile* file = CheckFile(L, 1);
  return Read(L, file, CheckFormat(L, 2), "handle:read");
}

// handle:write(text, ...)  ->  the handle                        [-0, +1|3, e]
int l_write(lua_State* L) {
  IoFile* file = CheckFile(L, 1);
  const int count = lua_gettop(L);
  for (int i = 2; i <= count; ++i) luaL_checkstring(L, i);
  lua_concat(L, count - 1);  // handle text; the stack keeps the text
  std::size_t size = 0;
  const char* text = lua_tolstring(L, 2, &size);
  IoResult* result = PushResult(L);
  Block(L, "handle:write", [=] { file->Write(text, size, result); });
  if (result->error != 0) return Failure(L, 3, *result);
  DropResult(L, 3);
  lua_pushvalue(L, 1);
  return 1;
}

// handle:close()  ->  true                                       [-0, +1|3, e]
int l_close(lua_State* L) {
  IoFile* file = CheckFile(L, 1);
  lua_settop(L, 1);
  IoResult* result = PushResult(L);
  Block(L, "handle:close", [=] { file->Close(result); });
  if (result->error != 0) return Failure(L, 2, *result);
  DropResult(L, 2);
  lua_pushboolean(L, 1);
  return 1;
}

// The iterator of lines(); a failure is an error, as of Lua's.
int l_next_line(lua_State* L) {
  lua_settop(L, 0);
  IoFile* file = CheckFile(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(3));
  const int count = Read(L, file, CheckFormat(L, 1), "handle:lines");
  if (count == 1) return 1;
  lua_pop(L, 1);
  return lua_error(L);
}

// for line in handle:lines([format]) do                            [-0, +1, e]
int l_lines(lua_State* L) {
  CheckFile(L, 1);
  CheckFormat(L, 2);
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);  // api handle format
  lua_pushcclosure(L, l_next_line, 3);
  return 1;
}

int l_io_tostring(lua_State* L) {
  lua_pushfstring(L, "io handle: %p", static_cast<void*>(CheckFile(L, 1)));
  return 1;
}

// msys.readfile(path)  ->  its content                           [-0, +1|3, e]
int l_readfile(lua_State* L) {
  const char* path = CheckText(L, 1, "path");
  lua_settop(L, 1);
  IoResult* result = PushResult(L);
  Block(L, "msys.readfile", [=] { ReadWholeFile(path, result); });
  if (result->error != 0) return Failure(L, 2, *result);
  lua_pushlstring(L, result->text.data(), result->text.size());
  DropResult(L, 2);
  return 1;
}

// msys.execute(command)  ->  output, exit status                 [-0, +2|3, e]
int l_execute(lua_State* L) {
  const char* command = CheckText(L, 1, "command");
  lua_settop(L, 1);
  IoResult* result = PushResult(L);
  Block(L, "msys.execute", [=] { RunCommand(command, result); });
  if (result->error != 0) return Failure(L, 2, *result);
  lua_pushlstring(L, result->text.data(), result->text.size());
  lua_pushinteger(L, result->status);
  DropResult(L, 2);
  return 2;
}

constexpr luaL_Reg kMethods[] = {
    {"read", l_read}, {"write", l_write}, {"close", l_close},
    {"lines", l_lines}, {nullptr, nullptr}};
constexpr luaL_Reg kFunctions[] = {
    {"readfile", l_readfile}, {"execute", l_execute}, {nullptr, nullptr}};
constexpr luaL_Reg kCore[] = {{"io_wrapper_open", l_open}, {nullptr, nullptr}};
constexpr struct {
  const char* name;
  int value;
} kFlags[] = {{"O_RDONLY", O_RDONLY}, {"O_WRONLY", O_WRONLY},
              {"O_RDWR", O_RDWR},     {"O_CREAT", O_CREAT},
              {"O_APPEND", O_APPEND}, {"O_TRUNC", O_TRUNC},
              {"O_EXCL", O_EXCL}};

void SetFunctions(lua_State* L, const luaL_Reg* list, const msys_api* api) {
  lua_pushlightuserdata(L, const_cast<msys_api*>(api));
  luaL_setfuncs(L, list, 1);
}

}  // namespace

void OpenIo(lua_State* L, const msys_api* api) {
  luaL_newmetatable(L, kResult);
  lua_pushcfunction(L, l_result_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  constexpr luaL_Reg kNone[] = {{nullptr, nullptr}};
  NewHandleType<IoFile>(L, kIo, kNone, nullptr, l_io_tostring);
  luaL_getmetatable(L, kIo);
  lua_getfield(L, -1, "__index");
  SetFunctions(L, kMethods, api);
  lua_pop(L, 2);
  lua_pushglobaltable(L);
  luaL_getsubtable(L, -1, "msys");
  SetFunctions(L, kFunctions, api);
  luaL_getsubtable(L, -1, "core");  // _G msys core
  SetFunctions(L, kCore, api);
  for (const auto& flag : kFlags) {
    lua_pushinteger(L, flag.value);
    lua_setfield(L, -2, flag.name);
  }
  lua_pop(L, 3);
}

}  // namespace hostsim
