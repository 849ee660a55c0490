// stop(): what it says, waits for and refuses; see also engine_test.cpp.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>

#include "error.h"
#include "gates.h"
#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {
namespace {

const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);

// A plugin that was opened on a loop, where stop() may not wait, and one state.  Long
// before its deadline.
class StopOnALoopTest : public testing::Test {
 protected:
  StopOnALoopTest() {
    host.On(0, [&] {
      EXPECT_EQ(api.open(&abi, nullptr, &plugin, nullptr), MSYS_OK);
      L = luaL_newstate();
      EXPECT_EQ(api.attach(plugin, L, 0, "x", &state, nullptr), MSYS_OK);
    });
  }
  ~StopOnALoopTest() override {
    std::promise<void> gone;
    host.On(0, [&] {
      const auto done = [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); };
      EXPECT_EQ(api.detach(state, done, &gone), MSYS_OK);
    });
    gone.get_future().wait();
    host.On(0, [&] {
      lua_close(L);
      EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
      EXPECT_EQ(api.close(plugin), MSYS_OK);
    });
  }
  std::string WhatStopSays() {
    Error error;
    host.On(0, [&] { EXPECT_EQ(api.stop(plugin, 3'600'000, &error), MSYS_E_BUSY); });
    return error.text;
  }

  FakeHost host;
  const msys_host abi = host.Abi();
  msys_plugin* plugin = nullptr;
  msys_state* state = nullptr;
  lua_State* L = nullptr;
};

TEST_F(StopOnALoopTest, ItSaysWhatIsLeft) {
  EXPECT_EQ(WhatStopSays(),
            "stop: 1 Lua states are still attached; detach them and call stop() again");
  host.On(0, [&] {
    msys_session* session = reinterpret_cast<msys_session*>(1);
    EXPECT_EQ(api.session_open(state, &session), MSYS_E_CLOSED);
    EXPECT_EQ(session, nullptr);
  });
}

TEST_F(StopOnALoopTest, ItSaysWhatItDrains) {
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.prepare = [](void*, lua_State* co) {
    return luaL_loadstring(co, "msys.runInPool('Close', function() msys.sleep(3600) end, "
                               "true)") == LUA_OK ? 0 : -1;
  };
  callout.finish = [](void*, lua_State*, msys_status status, int) {
    EXPECT_EQ(status, MSYS_OK);
  };
  host.On(0, [&] { EXPECT_EQ(api.run(state, &callout), MSYS_OK); });
  EXPECT_EQ(WhatStopSays(), "stop: 1 jobs are still being drained; call stop() again");
}

// A second SIGTERM, say.
TEST_F(StopOnALoopTest, ALaterCallMayBringTheDeadlineNearer) {
  std::promise<msys_status> over;
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.ctx = &over;
  callout.prepare = [](void*, lua_State* co) {
    return luaL_loadstring(co, "msys.sleep(3600)") == LUA_OK ? 0 : -1;
  };
  callout.finish = [](void* ctx, lua_State*, msys_status status, int) {
    static_cast<std::promise<msys_status>*>(ctx)->set_value(status);
  };
  host.On(0, [&] {
    EXPECT_EQ(api.run(state, &callout), MSYS_OK);
    for (const std::uint32_t deadline_ms : {3'600'000u, 0u, 3'600'000u}) {
      EXPECT_EQ(api.stop(plugin, deadline_ms, nullptr), MSYS_E_BUSY);
    }
  });
  EXPECT_EQ(over.get_future().get(), MSYS_E_LUA) << "cancelled: ...";
}

// Although nothing runs: close() is not what ends it.
TEST(StopTest, CloseComesAfterIt) {
  FakeHost host;
  const msys_host abi = host.Abi();
  msys_plugin* plugin = nullptr;
  Error error;
  std::strcpy(error.text, "of another call");
  ASSERT_EQ(api.open(&abi, nullptr, &plugin, &error), MSYS_OK);
  EXPECT_STREQ(error.text, "");
  EXPECT_EQ(api.close(plugin), MSYS_E_BUSY);
  EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
  EXPECT_EQ(api.close(plugin), MSYS_OK);
}

// Lua's memory, of which the first request after Arm() waits at a gate.
struct SlowMemory {
  Gate gate;
  std::atomic<bool> armed{false};

  static void* Allocate(void* ud, void* block, std::size_t, std::size_t size) {
    auto& self = *static_cast<SlowMemory*>(ud);
    if (self.armed.exchange(false)) self.gate.Pass();
    if (size != 0) return std::realloc(block, size);
    std::free(block);
    return nullptr;
  }
};

// It is the stop that ends the sleep, and refuses the job: nobody has detached anything.
TEST(StopTest, ARefusalNamesIt) {
  FakeHost host;
  TestPlugin plugin(api, host);
  TestState state(plugin);
  auto sleeps = state.Start("pcall(msys.sleep, 3600) return msys.runInPool('CPU', print)");
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  EXPECT_EQ(sleeps->Wait().text(), "OK false cancelled: the mail server is stopping");
}

// A mutex that log() takes may be held around a call by another thread.
TEST(StopTest, ItLogsWithoutLocks) {
  FakeHost host;
  const TestPlugin* open = nullptr;
  int looked = 0;
  host.logged = [&](const LogLine& line) {
    if (line.component != "stop") return;
    std::thread([&] { EXPECT_EQ(api.pending_jobs(open->handle), 1u); }).join();
    ++looked;
  };
  TestPlugin plugin(api, host);
  open = &plugin;
  Gates gates(api);
  TestState state(plugin, 0, "test", std::ref(gates));
  auto held = state.Start("msys.runInPool('CPU', hold)");
  gates["hold"].AwaitArrivals();
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  EXPECT_EQ(looked, 1);
  gates["hold"].Open();
}

TEST(StopTest, AfterItNoWaitForAJobBegins) {
  FakeHost host;
  TestPlugin plugin(api, host);
  Gates gates(api);
  TestState state(plugin, 0, "test", std::ref(gates));
  auto caller = state.Start(
      "local ok, job = msys.runInPool('CPU', function() block('job') end, "
      "function() end) "
      "msys.runInPool('IO', function() block('stop') block(select(2, job:wait())) end)");
  gates["job"].AwaitArrivals();
  gates["stop"].AwaitArrivals();
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  gates["stop"].Open();
  gates["cancelled: the mail server is stopping"].AwaitArrivals();
  gates["cancelled: the mail server is stopping"].Open();
  gates["job"].Open();
}

// stop() takes a state that is being attached for one that is, or else the plugin
// could be closed under it; and none is attached any more once it has begun.
TEST(StopTest, AnAttachUnderWayIsWaitedForAndRefused) {
  FakeHost host;
  TestPlugin plugin(api, host);
  SlowMemory memory;
  std::promise<msys_status> attached;
  Error error;
  msys_state* state = reinterpret_cast<msys_state*>(1);
  host.Later(0, [&] {
    lua_State* L = lua_newstate(&SlowMemory::Allocate, &memory);
    memory.armed = true;
    const msys_status status = api.attach(plugin.handle, L, 0, "x", &state, &error);
    lua_close(L);
    attached.set_value(status);
  });
  memory.gate.AwaitArrivals();
  std::string text;
  EXPECT_EQ(plugin.Stop(0, &text), MSYS_E_BUSY);
  EXPECT_EQ(text, "stop: 1 Lua states are still attached; detach them and call "
                  "stop() again");
  EXPECT_EQ(api.close(plugin.handle), MSYS_E_BUSY);
  memory.gate.Open();
  EXPECT_EQ(attached.get_future().get(), MSYS_E_CLOSED);
  EXPECT_TRUE(Has(error, "attach: stop() has begun")) << error.text;
  EXPECT_EQ(state, nullptr);
  EXPECT_EQ(plugin.Stop(0), MSYS_OK);
}

}  // namespace
}  // namespace msys::test
