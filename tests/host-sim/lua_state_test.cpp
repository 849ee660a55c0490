// A Lua state of the host that is closed before it has opened.
#include "lua_state.h"

#include <gtest/gtest.h>

#include <future>

#include "plugin_loader.h"

namespace hostsim {
namespace {

TEST(LuaStateTest, OneThatIsClosedWhileItOpensOpensNoFurther) {
  SetThreadIsMain();
  std::string error;
  const auto loaded = LoadPlugin(FAKE_PLUGIN, &error);
  ASSERT_TRUE(loaded) << error;
  EventLoops loops;
  loops.push_back(std::make_unique<EventLoop>(0));
  Plugin plugin(loaded->api, loops);
  ASSERT_EQ(plugin.Open(Config{}, &error), MSYS_OK) << error;
  loops[0]->Start();
  Policy policy;
  policy.scripts.push_back({"one", "@one.lua", "print 'the first has run'"});
  policy.scripts.push_back({"two", "@two.lua", "print 'the second has run'"});
  testing::internal::CaptureStderr();
  LuaState state(0, plugin, *loops[0], policy, std::chrono::seconds(60));
  bool ready = true;
  std::promise<void> closed;
  loops[0]->Defer([&] {
    state.WhenReady([&](bool good) { ready = good; });
    state.Close([&] { closed.set_value(); });
  });
  closed.get_future().wait();
  EXPECT_EQ(plugin.Stop(0, &error), MSYS_OK) << error;
  EXPECT_EQ(plugin.Close(), MSYS_OK);
  loops[0]->Stop();
  EXPECT_FALSE(ready);
  EXPECT_EQ(state.life(), LuaState::Life::kClosed);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("the first has run"), std::string::npos) << log;
  EXPECT_EQ(log.find("second"), std::string::npos) << log;
  EXPECT_EQ(log.find("error"), std::string::npos) << log;
}

}  // namespace
}  // namespace hostsim
