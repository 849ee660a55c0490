// The largest Stack_Size of all pools: a program of its own, since it is one
// value for the process, as of the first attach.
#include <gtest/gtest.h>
#include <pthread.h>

#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
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

}  // namespace
}  // namespace msys::test
