// Two copies of the plugin in one process, as two versions would be that two parts
// of a host bring along.  Each has its own pools, locks and states; what they share
// is oneTBB, and a Lua state is one copy's only.
#include <gtest/gtest.h>

#include <thread>

#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {
namespace {

constexpr char kManyCalls[] =
    "local sum = 0 for i = 1, 1000 do "
    "  sum = sum + select(2, msys.runInPool('CPU', function() return i end)) "
    "end return sum";

class CopiesTest : public testing::Test {
 protected:
  CopiesTest() { EXPECT_NE(&first, &second) << "dlopen() found the same twice"; }

  const msys_api& first = LoadApi(PLUGIN);
  const msys_api& second = LoadApi(PLUGIN_COPY);
  FakeHost host{2};
};

TEST_F(CopiesTest, WorkSideBySide) {
  TestPlugin mine(first, host, {{"mine", 1}});
  TestPlugin yours(second, host, {{"yours", 1}});
  TestState a(mine, 0, "a");
  TestState b(yours, 1, "b");
  TestState c(mine, 1, "c");
  std::vector<std::unique_ptr<Running>> all;
  for (TestState* state : {&a, &b, &c}) all.push_back(state->Start(kManyCalls));
  for (const auto& running : all) EXPECT_EQ(running->Wait().text(), "OK 500500");
  EXPECT_EQ(mine.Stats("CPU").done, 2000u);
  EXPECT_EQ(yours.Stats("CPU").done, 1000u);
  EXPECT_NE(b.Run("msys.runInPool('mine', print)").text().find("no thread pool"),
            std::string::npos);
  // Named locks are a copy's own.
  auto holder = a.Start("msys.lock 'x' held = true while not over do"
                        "  msys.runInPool('mine', function() end) end");
  EXPECT_EQ(a.Run("return held").text(), "OK true");
  EXPECT_EQ(b.Run("return msys.lock 'x'").text(), "OK true");
  EXPECT_EQ(a.Run("over = true").text(), "OK");
}

TEST_F(CopiesTest, OneEndsTheOtherGoesOn) {
  TestPlugin stays(second, host);
  TestState state(stays, 1, "stays");
  auto running = state.Start("while not over do "
                             "  msys.runInPool('IO', function() end) end");
  for (int round = 0; round < 10; ++round) {
    TestPlugin goes(first, host);
    TestState other(goes, 0, "goes");
    EXPECT_EQ(other.Run(kManyCalls).text(), "OK 500500");
  }
  EXPECT_EQ(state.Run("over = true").text(), "OK");
  EXPECT_EQ(running->Wait().text(), "OK");
}

// oneTBB counts for the whole process.  The second one is told, and its jobs wait
// for the threads there are.
TEST_F(CopiesTest, TheFirstDecidesHowManyThreadsThereAre) {
  TestPlugin small(first, host, {{"CPU", 1}, {"IO", 1}, {"SwapOut", 1}, {"SwapIn", 1},
                                 {"Unlink", 1}, {"Batch_Unlink", 1}});
  TestState a(small, 0, "a");
  TestPlugin large(second, host, {{"wide", 40}});
  EXPECT_EQ(host.Logged({"limits TBB"}), 0u);
  TestState b(large, 1, "b");
  EXPECT_EQ(host.Logged({"the pools may use 115 threads", "limits TBB to 7"}), 1u);
  EXPECT_EQ(b.Run("for i = 1, 400 do"
                  "  msys.runInPool('wide', function() n = (n or 0) + 1 end, true) end "
                  "repeat msys.sleep(0) until n == 400").text(), "OK");
  EXPECT_EQ(a.Run(kManyCalls).text(), "OK 500500");
}

// Two turns for one state would be none.
TEST_F(CopiesTest, AStateIsAttachedToOneOfThem) {
  TestPlugin mine(first, host);
  TestPlugin yours(second, host);
  auto state = std::make_unique<TestState>(mine, 0, "taken");
  host.On(0, [&] {
    msys_error error{sizeof(msys_error), ""};
    msys_state* out = nullptr;
    EXPECT_EQ(second.attach(yours.handle, state->L, 0, "again", &out, &error),
              MSYS_E_LUA);
    EXPECT_EQ(out, nullptr);
    EXPECT_STREQ(error.text, "attach: this Lua state is attached already, as taken");
  });
  EXPECT_EQ(state->Run(kManyCalls).text(), "OK 500500") << "unharmed";
  state.reset();
}

TEST_F(CopiesTest, AStateMayChangeFromOneToTheOther) {
  TestPlugin mine(first, host);
  TestPlugin yours(second, host);
  lua_State* L = nullptr;
  host.On(0, [&] { L = luaL_newstate(); });
  for (TestPlugin* plugin : {&mine, &yours, &mine}) {
    std::promise<void> gone;
    host.On(0, [&] {
      msys_state* state = nullptr;
      ASSERT_EQ(plugin->api.attach(plugin->handle, L, 0, "x", &state, nullptr),
                MSYS_OK);
      ASSERT_EQ(plugin->api.detach(
                    state,
                    [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); },
                    &gone),
                MSYS_OK);
    });
    gone.get_future().wait();
  }
  host.On(0, [&] { lua_close(L); });
}

}  // namespace
}  // namespace msys::test
