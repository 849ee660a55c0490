// A host whose Lua is older than 5.4.4: to the plugin the two differ in what lua_gc
// says while a finaliser runs.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdarg>
#include <string>

#include "error.h"
#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace {
std::atomic<bool> old{false};
}

// Before Lua's own, for everybody in this process.
extern "C" int lua_gc(lua_State* L, int what, ...) {
  static const auto real = reinterpret_cast<int (*)(lua_State*, int, ...)>(
      dlsym(RTLD_NEXT, "lua_gc"));
  int more[3] = {0, 0, 0};
  const bool one = what == LUA_GCSTEP || what == LUA_GCSETPAUSE || what == LUA_GCSETSTEPMUL;
  const int count = one ? 1 : what == LUA_GCGEN ? 2 : what == LUA_GCINC ? 3 : 0;
  va_list list;
  va_start(list, what);
  for (int i = 0; i < count; ++i) more[i] = va_arg(list, int);
  va_end(list);
  const int answer = real(L, what, more[0], more[1], more[2]);
  return old && what == LUA_GCCOUNT && answer < 0 ? 100 : answer;
}

namespace msys::test {
namespace {

TEST(OldLuaTest, IsRefusedWithAWordAndANewerOneIsNot) {
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost host;
  TestPlugin plugin(api, host);
  lua_State* L = luaL_newstate();
  msys_state* state = nullptr;
  Error error;
  msys_status status = MSYS_OK;
  const auto attach = [&] {
    host.On(0, [&] { status = api.attach(plugin.handle, L, 0, "old", &state, &error); });
  };
  old = true;
  attach();
  EXPECT_EQ(status, MSYS_E_LUA);
  EXPECT_STREQ(error.text, "attach: this Lua does not say when a finaliser runs, as those "
                           "before 5.4.4; give the host a newer one");
  EXPECT_EQ(state, nullptr);
  EXPECT_EQ(lua_gettop(L), 0);
  lua_close(L);
  old = false;
  TestState newer(plugin);
  EXPECT_EQ(newer.Run("return msys.runInPool('CPU', function() return 1 end)").text(),
            "OK true 1");
}

}  // namespace
}  // namespace msys::test
