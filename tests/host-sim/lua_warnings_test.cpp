#include "lua_warnings.h"

#include <gtest/gtest.h>

#include <memory>

namespace hostsim {
namespace {

class LuaWarningsTest : public testing::Test {
 protected:
  LuaWarningsTest() {
    luaL_openlibs(L_.get());
    warnings_.Install(L_.get());
  }

  // What the chunk makes the host log, without the time.
  std::string Logged(const char* chunk) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(luaL_dostring(L_.get(), chunk), LUA_OK);
    std::string log = testing::internal::GetCapturedStderr();
    for (std::size_t at = 0; at < log.size(); at = log.find('\n', at) + 1)
      log.erase(at, log.find(' ', at) + 1 - at);
    return log;
  }

  LuaWarnings warnings_;
  std::unique_ptr<lua_State, void (*)(lua_State*)> L_{luaL_newstate(), lua_close};
};

TEST_F(LuaWarningsTest, AWarningIsOneLine) {
  EXPECT_EQ(Logged("warn('all', ' in ', 'pieces') warn('next')"),
            "warning lua: all in pieces\nwarning lua: next\n");
}

TEST_F(LuaWarningsTest, AnErrorInAFinaliserIsOneLine) {
  EXPECT_EQ(Logged("setmetatable({}, { __gc = function() error('oops', 0) end }) "
                   "collectgarbage()"),
            "warning lua: error in __gc (oops)\n");
}

TEST_F(LuaWarningsTest, ControlMessagesAreNotLogged) {
  EXPECT_EQ(Logged("warn('@on') warn('@what')"), "");
  EXPECT_EQ(Logged("warn('@off') warn('silent', 'ly') warn('@on') warn('again')"),
            "warning lua: again\n");
}

TEST_F(LuaWarningsTest, OnlyASinglePieceIsAControlMessage) {
  EXPECT_EQ(Logged("warn('@off', '') warn('a', '@off') warn('on')"),
            "warning lua: @off\nwarning lua: a@off\nwarning lua: on\n");
}

}  // namespace
}  // namespace hostsim
