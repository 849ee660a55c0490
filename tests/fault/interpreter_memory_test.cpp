// require "msys" in an interpreter without a host, when memory is missing: operator
// new fails the n-th request, n rising until none fails any more.
#include <gtest/gtest.h>
#include <oneapi/tbb/info.h>

#include "failing_new.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
int luaopen_msys(lua_State* L);
}

namespace msys::test {
namespace {

TEST(InterpreterMemoryTest, LoadingFailsCleanlyAndTheNextTimeWorks) {
  // oneTBB waits for ever for a first use of its own that has failed.
  ASSERT_GT(tbb::info::default_concurrency(), 0);
  lua_State* L = luaL_newstate();
  luaL_openlibs(L);
  for (long n = 0;; ++n) {
    ASSERT_LT(n, 2000);
    lua_pushcfunction(L, &luaopen_msys);
    FailingNew::Arm(n, FailingNew::Mode::kOnceAnywhere);
    const int status = lua_pcall(L, 0, 1, 0);
    const bool failed = FailingNew::Disarm();
    if (status == LUA_OK) {
      EXPECT_FALSE(failed) << "a failure was taken for success";
      EXPECT_GT(n, 5);
      break;
    }
    EXPECT_TRUE(failed);
    EXPECT_STREQ(lua_tostring(L, -1), "msys: not enough memory");
    lua_settop(L, 0);
    // It looks for the state that is not there.
    ASSERT_EQ(luaL_dostring(L, "return coroutine.running()"), LUA_OK);
    lua_settop(L, 0);
  }
  lua_setglobal(L, "msys");
  EXPECT_EQ(luaL_dostring(L, "assert(msys.runInPool('CPU', function() end))"),
            LUA_OK)
      << lua_tostring(L, -1);
  lua_close(L);
}

}  // namespace
}  // namespace msys::test
