// What comes too late: calls after stop(), and a host that has ended its loops.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "gates.h"

namespace msys::test {
namespace {

const msys_api& Api() {
  static const msys_api& api = LoadApi(PLUGIN);
  return api;
}

// A host that must not hear of the plugin any more once `silent` is set.
struct Listener {
  msys_host inner;
  std::atomic<bool> silent{false};
  std::atomic<int> heard{0};

  msys_host Abi() {
    msys_host abi = inner;
    abi.ctx = this;
    abi.post = [](void* ctx, std::uint32_t loop, msys_task* task) {
      Listener& self = Of(ctx);
      self.inner.post(self.inner.ctx, loop, task);
    };
    abi.on_loop = [](void* ctx, std::uint32_t loop) {
      Listener& self = Of(ctx);
      return self.inner.on_loop(self.inner.ctx, loop);
    };
    abi.log = [](void* ctx, std::int32_t, const char*, const char*) { Of(ctx); };
    return abi;
  }
  static Listener& Of(void* ctx) {
    Listener& self = *static_cast<Listener*>(ctx);
    self.heard += self.silent;
    return self;
  }
};

// Threads of the pools are on their way out when stop() returns: none of them
// calls the host again, so it may end its loops at once.
TEST(AfterStopTest, TheHostHearsNothingMore) {
  for (int round = 0; round < 200; ++round) {
    FakeHost host;
    Listener listener{host.Abi()};
    const msys_host abi = listener.Abi();
    msys_plugin* plugin = nullptr;
    ASSERT_EQ(Api().open(&abi, nullptr, &plugin, nullptr), MSYS_OK);
    std::promise<void> gone;
    lua_State* L = luaL_newstate();
    msys_callout callout{};
    host.On(0, [&] {
      msys_state* state = nullptr;
      ASSERT_EQ(Api().attach(plugin, L, 0, "x", &state, nullptr), MSYS_OK);
      callout.struct_size = sizeof callout;
      callout.prepare = [](void*, lua_State* co) {
        return luaL_loadstring(
                   co, "for i = 1, 20 do "
                       "  msys.runInPool('IO', function() end, true) "
                       "  msys.runInPool('CPU', function() end, true) end") == LUA_OK
                   ? 0
                   : -1;
      };
      callout.finish = [](void*, lua_State*, msys_status status, int) {
        EXPECT_EQ(status, MSYS_OK);
      };
      ASSERT_EQ(Api().run(state, &callout), MSYS_OK);
      ASSERT_EQ(Api().detach(
                    state,
                    [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); },
                    &gone),
                MSYS_OK);
    });
    gone.get_future().wait();
    lua_close(L);
    ASSERT_EQ(Api().stop(plugin, 10'000, nullptr), MSYS_OK);
    listener.silent = true;
    ASSERT_EQ(Api().close(plugin), MSYS_OK);
    ASSERT_EQ(listener.heard, 0);
  }
}

class CallsAfterStop : public testing::Test {
 protected:
  void ExpectRefused() {
    msys_error error{sizeof(msys_error), ""};
    const msys_config config{sizeof(msys_config), 0, nullptr, 0};
    EXPECT_EQ(Api().configure(plugin.handle, &config, &error), MSYS_E_CLOSED);
    host.On(0, [&] {
      lua_State* fresh = luaL_newstate();
      msys_state* out = nullptr;
      EXPECT_EQ(Api().attach(plugin.handle, fresh, 0, "late", &out, &error),
                MSYS_E_CLOSED);
      EXPECT_EQ(out, nullptr);
      lua_close(fresh);
    });
    EXPECT_EQ(plugin.Stats("CPU").submitted, 0u) << "figures can still be read";
    EXPECT_NE(plugin.Console("threads CPU stats").find("CPU"), std::string::npos);
  }

  FakeHost host;
  TestPlugin plugin{Api(), host};
};

TEST_F(CallsAfterStop, AreRefused) {
  {
    TestState state(plugin);
    EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY) << "a state is attached";
    ExpectRefused();
    EXPECT_EQ(state.Start("return 1")->started(), MSYS_E_CLOSED);
  }
  EXPECT_EQ(plugin.Stop(1000), MSYS_OK);
  ExpectRefused();
  EXPECT_EQ(plugin.Stop(0), MSYS_OK);
}

// The loop does not run its tasks any more, which the header forbids: stop() says
// BUSY in time, again and again, and nothing waits for ever.
TEST(AfterStopTest, ALoopThatIsDeadKeepsStopBusy) {
  FakeHost host;
  Gate dead;
  TestPlugin plugin(Api(), host);
  Gates gates(Api());
  TestState state(plugin, 0, "stranded", std::ref(gates));
  auto waiting = state.Start("return msys.runInPool('CPU', function() block() end)");
  gates["block"].AwaitArrivals();
  host.Later(0, [&] { dead.Pass(); });
  dead.AwaitArrivals();
  gates["block"].Open();  // the result goes to a loop that never fetches it
  while (plugin.Stats("CPU").done == 0) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) {
    std::string text;
    EXPECT_EQ(plugin.Stop(0, &text), MSYS_E_BUSY);
    EXPECT_EQ(text, "stop: 1 Lua states are still attached; detach them and call "
                    "stop() again");
    EXPECT_EQ(Api().close(plugin.handle), MSYS_E_BUSY);
  }
  dead.Open();
  EXPECT_EQ(waiting->Wait().text(), "OK true");
}

}  // namespace
}  // namespace msys::test
