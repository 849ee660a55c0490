// require "msys" in an interpreter without a host, when memory is missing: operator
// new fails the n-th request, n rising until none fails any more.
#include <gtest/gtest.h>
#include <oneapi/tbb/info.h>

#include <atomic>
#include <cstdlib>
#include <new>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
int luaopen_msys(lua_State* L);
}

namespace {

std::atomic<long> requests_left{-1};  // negative: all succeed
std::atomic<bool> has_failed{false};

void* Allocate(std::size_t size) {
  if (requests_left >= 0 && requests_left-- == 0) {
    has_failed = true;
    return nullptr;
  }
  return std::malloc(size == 0 ? 1 : size);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* p = Allocate(size)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }

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
    has_failed = false;
    requests_left = n;
    const int status = lua_pcall(L, 0, 1, 0);
    requests_left = -1;
    if (status == LUA_OK) {
      EXPECT_GT(n, 5);
      break;
    }
    EXPECT_TRUE(has_failed);
    EXPECT_STREQ(lua_tostring(L, -1), "msys: not enough memory");
    lua_settop(L, 0);
    // It looks for the state that is not there.
    ASSERT_EQ(luaL_dostring(L, "return coroutine.running()"), LUA_OK);
    lua_settop(L, 0);
  }
  EXPECT_FALSE(has_failed) << "a failure was taken for success";
  lua_setglobal(L, "msys");
  EXPECT_EQ(luaL_dostring(L, "assert(msys.runInPool('CPU', function() end))"),
            LUA_OK)
      << lua_tostring(L, -1);
  lua_close(L);
}

}  // namespace
}  // namespace msys::test
