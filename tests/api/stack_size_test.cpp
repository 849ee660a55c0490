// The largest Stack_Size of all pools: a program of its own, since it is one
// value for the process, as of the first attach.
#include <gtest/gtest.h>
#include <pthread.h>

#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace msys::test {
namespace {

int l_stack_kib(lua_State* L) {
  pthread_attr_t attributes;
  std::size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_destroy(&attributes);
  lua_pushinteger(L, static_cast<lua_Integer>(size / 1024));
  return 1;
}

TEST(StackSizeTest, TheLargestCountsForAllPools) {
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  TestPlugin plugin(api, host);
  const msys_pool_config pools[] = {
      {sizeof(msys_pool_config), 2, "small", MSYS_UNSET, 1024},
      {sizeof(msys_pool_config), 2, "large", MSYS_UNSET, 20480},
      {sizeof(msys_pool_config), 2, "plain", MSYS_UNSET, MSYS_UNSET}};
  const msys_config config{sizeof config, 3, pools, 0};
  ASSERT_EQ(api.configure(plugin.handle, &config, nullptr), MSYS_OK);
  TestState state(plugin, 0, "s", [](lua_State* L) {
    lua_register(L, "stack_kib", &l_stack_kib);
  });
  for (const char* pool : {"small", "large", "plain"}) {
    const Result result = state.Run(std::string("return msys.runInPool('") + pool +
                                    "', stack_kib)");
    ASSERT_EQ(result.values.at(0), "true");
    EXPECT_GE(std::stol(result.values.at(1)), 20480) << pool;
    EXPECT_LE(std::stol(result.values.at(1)), 20480 + 64) << pool;
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint32_t kSmallest = 8 * MSYS_STACK_KIB_MIN;  // Lua's frames may be larger
#else
constexpr std::uint32_t kSmallest = MSYS_STACK_KIB_MIN;
#endif

// Lua's own limit comes before the stack's end, whatever C functions call one another.
TEST(StackSizeTest, TheSmallestIsEnoughForLua) {
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  TestPlugin plugin(api, host);
  const msys_pool_config small{sizeof(msys_pool_config), 2, "small", MSYS_UNSET, kSmallest};
  const msys_config config{sizeof config, 1, &small, 0};
  ASSERT_EQ(api.configure(plugin.handle, &config, nullptr), MSYS_OK);
  TestState state(plugin, 0, "s", &luaL_openlibs);
  for (const char* deeper : {
           "string.gsub('x', 'x', f)",
           "table.sort({2, 1}, function() f() return false end)",
           "tostring(setmetatable({}, {__tostring = function() f() return '' end}))",
           "string.format('%s', setmetatable({}, {__tostring = function() f() return '' end}))",
           "table.concat(setmetatable({}, {__len = function() f() return 0 end}))",
           "pcall(f)",
           "coroutine.wrap(f)()",
           "load(function() f() end)",
       }) {
    const Result result = state.Run(
        "local deepest = 0 local function f(n) deepest = deepest + 1 if deepest < 100000 "
        "then " + std::string(deeper) + " end end "
        "local ok, e = msys.runInPool('small', f) return deepest > 100");
    EXPECT_EQ(result.text(), "OK true") << deeper;
  }
}

}  // namespace
}  // namespace msys::test
