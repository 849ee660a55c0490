// Misuse of each function but open(): refused with a status, and nothing has changed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <thread>

#include "error.h"
#include "gates.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {
namespace {

const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);

class CallsTest : public testing::Test {
 protected:
  FakeHost fake{2};
  TestPlugin plugin{api, fake, {{"one", 1}}};
  TestState state{plugin};
};

TEST_F(CallsTest, CallsOnAWrongThreadAreRefused) {
  Error error;
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.prepare = [](void*, lua_State*) { return -1; };
  callout.finish = [](void*, lua_State*, msys_status, int) {};
  msys_session* session = nullptr;
  msys_state* second = nullptr;
  const auto refused = [&] {
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_THREAD);
    EXPECT_EQ(api.detach(state.handle, [](void*) {}, nullptr), MSYS_E_THREAD);
    EXPECT_EQ(api.session_open(state.handle, &session), MSYS_E_THREAD);
    EXPECT_EQ(session, nullptr);
    EXPECT_EQ(api.attach(plugin.handle, state.L, 0, "x", &second, &error),
              MSYS_E_THREAD);
    EXPECT_EQ(second, nullptr);
  };
  refused();                // here
  fake.On(1, refused);      // another loop
  std::thread(refused).join();
  fake.On(0, [&] {
    EXPECT_EQ(api.stop(plugin.handle, 0, &error), MSYS_E_THREAD);
    EXPECT_EQ(api.close(plugin.handle), MSYS_E_THREAD);
    const msys_config none{sizeof(msys_config), 0, nullptr, 0};
    EXPECT_EQ(api.configure(plugin.handle, &none, &error), MSYS_E_THREAD);
  });
  EXPECT_EQ(state.Run("return 'unharmed'").text(), "OK unharmed");
}

TEST_F(CallsTest, ASessionClosedOnAWrongThreadStaysOpenAndIsLogged) {
  msys_session* session = state.OpenSession();
  api.session_close(session);
  EXPECT_EQ(fake.Logged({"session_close", "not called on its loop"}), 1u);
  EXPECT_EQ(state.Run("_TLS.x = 1 return _TLS.x", session).text(), "OK 1");
  state.CloseSession(session);
  api.session_close(nullptr);
}

TEST_F(CallsTest, Cancel) {
  auto running = state.Start(
      "while true do msys.runInPool('one', function() end) end");
  EXPECT_EQ(running->CancelHere(), MSYS_E_THREAD);
  fake.On(1, [&] { EXPECT_EQ(running->CancelHere(), MSYS_E_THREAD); });
  EXPECT_FALSE(running->done());
  EXPECT_EQ(running->Cancel(), MSYS_OK);
  EXPECT_EQ(running->Wait().text(), "CANCELLED");
  EXPECT_EQ(running->Cancel(), MSYS_E_NOT_FOUND);
  EXPECT_EQ(api.cancel(nullptr), MSYS_E_ARG);
}

TEST_F(CallsTest, AttachTwice) {
  fake.On(0, [&] {
    Error error;
    msys_state* second = reinterpret_cast<msys_state*>(1);
    EXPECT_EQ(api.attach(plugin.handle, state.L, 0, "again", &second, &error),
              MSYS_E_LUA);
    EXPECT_EQ(second, nullptr);
    EXPECT_TRUE(Has(error, "attached already, as test")) << error.text;
  });
  EXPECT_EQ(state.Run("return 1").text(), "OK 1");
}

TEST_F(CallsTest, AttachMisuse) {
  fake.On(0, [&] {
    Error error;
    msys_state* out = nullptr;
    lua_State* L = luaL_newstate();
    EXPECT_EQ(api.attach(plugin.handle, L, 0, "x", nullptr, &error), MSYS_E_ARG);
    EXPECT_EQ(api.attach(plugin.handle, nullptr, 0, "x", &out, &error), MSYS_E_ARG);
    EXPECT_EQ(api.attach(nullptr, L, 0, "x", &out, &error), MSYS_E_ARG);
    EXPECT_EQ(api.attach(plugin.handle, L, 2, "x", &out, &error), MSYS_E_ARG);
    EXPECT_EQ(api.attach(plugin.handle, lua_newthread(L), 0, "x", &out, &error),
              MSYS_E_ARG);
    EXPECT_TRUE(Has(error, "attach: L is a coroutine")) << error.text;
    EXPECT_EQ(api.attach(plugin.handle, L, UINT32_MAX, "x", &out, &error),
              MSYS_E_ARG);
    EXPECT_TRUE(Has(error, "no loop of that number"));
    lua_close(L);
  });
}

TEST_F(CallsTest, StatesWithoutLibraries) {
  FakeHost other;
  lua_State* L = nullptr;
  fake.On(0, [&] {
    L = luaL_newstate();  // no libraries: no coroutine, no package
    msys_state* out = nullptr;
    Error error;
    ASSERT_EQ(api.attach(plugin.handle, L, 0, nullptr, &out, &error), MSYS_OK)
        << error.text;
    EXPECT_EQ(lua_getglobal(L, "msys"), LUA_TTABLE);
    EXPECT_EQ(lua_getfield(L, -1, "core"), LUA_TTABLE);
    EXPECT_EQ(lua_getglobal(L, "coroutine"), LUA_TNIL);
    lua_settop(L, 0);
    ASSERT_EQ(api.detach(out, [](void*) {}, nullptr), MSYS_OK);
    lua_close(L);
  });
}

TEST_F(CallsTest, RunMisuse) {
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.prepare = [](void*, lua_State*) { return -1; };
  callout.finish = [](void*, lua_State*, msys_status, int) { FAIL(); };
  TestState elsewhere(plugin, 1);
  msys_session* foreign = elsewhere.OpenSession();
  fake.On(0, [&] {
    EXPECT_EQ(api.run(nullptr, &callout), MSYS_E_ARG);
    EXPECT_EQ(api.run(state.handle, nullptr), MSYS_E_ARG);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{8}, offsetof(msys_callout, plugin_data)}) {
      callout.struct_size = static_cast<std::uint32_t>(size);
      EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_ABI);
    }
    callout.struct_size = sizeof callout;
    callout.flags = 1;
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_ARG);
    callout.flags = 0;
    callout.session = foreign;
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_ARG);
    callout.session = nullptr;
    auto prepare = std::exchange(callout.prepare, nullptr);
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_ARG);
    callout.prepare = prepare;
    callout.finish = nullptr;
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_E_ARG);
    EXPECT_EQ(api.detach(nullptr, [](void*) {}, nullptr), MSYS_E_ARG);
    EXPECT_EQ(api.detach(state.handle, nullptr, nullptr), MSYS_E_ARG);
    EXPECT_EQ(api.session_open(state.handle, nullptr), MSYS_E_ARG);
  });
  elsewhere.CloseSession(foreign);
}

// A host that does not look at statuses finds nothing that was left there before.
TEST_F(CallsTest, WhatIsGivenBackIsDefinedAfterAFailure) {
  msys_pool_stats stats;
  for (const auto& [handle, index] :
       {std::pair{plugin.handle, 9u}, {static_cast<msys_plugin*>(nullptr), 0u}}) {
    std::memset(&stats, '#', sizeof stats);
    stats.struct_size = sizeof stats;
    EXPECT_NE(api.pool_stats(handle, index, &stats), MSYS_OK);
    msys_pool_stats zero{};
    zero.struct_size = sizeof zero;
    EXPECT_EQ(std::memcmp(&stats, &zero, sizeof stats), 0);
  }
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  const auto failed = [&](msys_status wanted) {
    EXPECT_EQ(wanted, [&] {
      callout.plugin_data = &callout;
      return api.run(state.handle, &callout);
    }());
    EXPECT_EQ(callout.plugin_data, nullptr);
    EXPECT_EQ(api.cancel(&callout), MSYS_E_NOT_FOUND);
  };
  failed(MSYS_E_ARG);  // no functions
  callout.prepare = [](void*, lua_State*) { return -1; };
  callout.finish = [](void*, lua_State*, msys_status, int) { FAIL(); };
  failed(MSYS_E_THREAD);
  callout.plugin_data = &callout;
  EXPECT_EQ(api.run(nullptr, &callout), MSYS_E_ARG);
  EXPECT_EQ(callout.plugin_data, nullptr);
  Gates gates(api);
  TestState leaving(plugin, 0, "leaving", std::ref(gates));
  auto held = leaving.Start("msys.runInPool('one', block)");
  gates["block"].AwaitArrivals();
  leaving.Detach();
  fake.On(0, [&] {
    msys_session* session = reinterpret_cast<msys_session*>(1);
    EXPECT_EQ(api.session_open(leaving.handle, &session), MSYS_E_CLOSED);
    EXPECT_EQ(session, nullptr);
    callout.plugin_data = &callout;
    EXPECT_EQ(api.run(leaving.handle, &callout), MSYS_E_CLOSED);
    EXPECT_EQ(callout.plugin_data, nullptr);
  });
  gates["block"].Open();
}

// A thread that a C function has started is not the one that was given the turn.
TEST_F(CallsTest, AnotherThreadCannotBeginABlockingRegion) {
  Gates gates(api);
  TestState other(plugin, 0, "other", std::ref(gates));
  auto held = other.Start("return msys.runInPool('one', hold)");
  gates["hold"].AwaitArrivals();
  msys_blocking regions[2];
  std::thread([&] { api.blocking_begin(other.L, &regions[0]); }).join();
  fake.On(1, [&] { api.blocking_begin(other.L, &regions[1]); });
  auto next = other.Start("return 'it has the turn'");
  EXPECT_FALSE(next->done()) << "while the closure runs";
  for (msys_blocking& region : regions) api.blocking_end(&region);
  gates["hold"].Open();
  EXPECT_EQ(next->Wait().text(), "OK it has the turn");
  EXPECT_EQ(held->Wait().text(), "OK true");
}

// Nor does it touch the state, which others are running.
TEST_F(CallsTest, AnotherThreadsBlockingRegionLeavesTheStateAlone) {
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over) {
      msys_blocking region;
      api.blocking_begin(state.L, &region);
      api.blocking_end(&region);
    }
  });
  EXPECT_EQ(state.Run("return msys.runInPool('one', function() local n = 0 "
                      "for i = 1, 300000 do n = n + select('#', i, i, i) end "
                      "return n end)").text(), "OK true 900000");
  over = true;
  other.join();
}

TEST_F(CallsTest, ASelfNeedsASession) {
  struct Own {
    std::string text;
    std::promise<msys_status> over;
  } own;
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.ctx = &own;
  callout.prepare = [](void*, lua_State* L) {
    lua_newtable(L);
    api.session_push_self(nullptr, L);
    return 0;
  };
  callout.finish = [](void* ctx, lua_State* L, msys_status status, int) {
    auto& self = *static_cast<Own*>(ctx);
    self.text = lua_tostring(L, 1);
    self.over.set_value(status);
  };
  fake.On(0, [&] { EXPECT_EQ(api.run(state.handle, &callout), MSYS_OK); });
  EXPECT_EQ(own.over.get_future().get(), MSYS_E_LUA);
  EXPECT_EQ(own.text, "session_push_self: there is no session; open one for the callout");
}

TEST_F(CallsTest, ASelfIsForATable) {
  struct Own {
    msys_session* session = nullptr;
    std::string text;
    std::promise<msys_status> over;
  } own;
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.ctx = &own;
  callout.prepare = [](void* ctx, lua_State* L) {
    lua_pushliteral(L, "no policy");
    api.session_push_self(static_cast<Own*>(ctx)->session, L);
    return 0;
  };
  callout.finish = [](void* ctx, lua_State* L, msys_status status, int) {
    auto& self = *static_cast<Own*>(ctx);
    self.text = lua_tostring(L, 1);
    self.over.set_value(status);
  };
  fake.On(0, [&] {
    ASSERT_EQ(api.session_open(state.handle, &own.session), MSYS_OK);
    callout.session = own.session;
    EXPECT_EQ(api.run(state.handle, &callout), MSYS_OK);
  });
  EXPECT_EQ(own.over.get_future().get(), MSYS_E_LUA);
  EXPECT_NE(own.text.find("table expected, got string"), std::string::npos) << own.text;
  fake.On(0, [&] { api.session_close(own.session); });
}

TEST_F(CallsTest, PrepareThatMiscounts) {
  static msys_status seen = MSYS_OK;
  for (const int said : {-1, 0, 5, 1000}) {
    std::promise<void> finished;
    msys_callout callout{};
    callout.struct_size = sizeof callout;
    callout.name = "miscounted";
    static int arguments;
    arguments = said;
    callout.ctx = &finished;
    callout.prepare = [](void*, lua_State* L) {
      lua_getglobal(L, "print");
      lua_pushnil(L);  // one
      return arguments;
    };
    callout.finish = [](void* ctx, lua_State*, msys_status status, int) {
      seen = status;
      static_cast<std::promise<void>*>(ctx)->set_value();
    };
    fake.On(0, [&] { EXPECT_EQ(api.run(state.handle, &callout), MSYS_OK); });
    finished.get_future().wait();
    EXPECT_EQ(seen, said < 0 ? MSYS_E_NOT_FOUND : MSYS_E_LUA);
  }
}

TEST_F(CallsTest, StatisticsOfAnySize) {
  msys_pool_stats stats{};
  EXPECT_EQ(api.pool_stats(plugin.handle, 0, nullptr), MSYS_E_ARG);
  stats.struct_size = sizeof stats;
  EXPECT_EQ(api.pool_stats(nullptr, 0, &stats), MSYS_E_ARG);
  for (const std::uint32_t size : {0u, 4u, 100u}) {
    stats.struct_size = size;
    EXPECT_EQ(api.pool_stats(plugin.handle, 0, &stats), MSYS_E_ABI);
  }
  stats.completing = 7;
  stats.struct_size = offsetof(msys_pool_stats, completing);  // of ABI 1.1
  EXPECT_EQ(api.pool_stats(plugin.handle, 0, &stats), MSYS_OK);
  EXPECT_EQ(stats.completing, 7u);
  stats.struct_size = UINT32_MAX;
  EXPECT_EQ(api.pool_stats(plugin.handle, 0, &stats), MSYS_OK);
  EXPECT_EQ(stats.completing, 0u);
  EXPECT_EQ(stats.struct_size, sizeof stats);
  EXPECT_EQ(api.pool_stats(plugin.handle, 9, &stats), MSYS_E_NOT_FOUND);
  EXPECT_EQ(api.pool_stats(plugin.handle, UINT32_MAX, &stats), MSYS_E_NOT_FOUND);
  EXPECT_EQ(api.pool_count(plugin.handle), 9u);
  EXPECT_EQ(api.pool_count(nullptr), 0u);
  msys_worker worker{0, 7, "garbage"};
  EXPECT_EQ(api.current_worker(&worker), MSYS_E_ABI);
  EXPECT_EQ(api.current_worker(nullptr), MSYS_E_ARG);
  worker.struct_size = sizeof worker;
  EXPECT_EQ(api.current_worker(&worker), MSYS_E_NOT_FOUND);
  EXPECT_EQ(worker.worker, 0);
  EXPECT_EQ(worker.pool, nullptr);
  EXPECT_EQ(api.histogram_quantile_ns(nullptr, 0.5), 0u);
}

TEST_F(CallsTest, JobsArePendingUntilTheirCompletionFunctionsAreOver) {
  Gates gates(api);
  TestState other(plugin, 1, "other", std::ref(gates));
  const auto pending = [&] { return api.pending_jobs(plugin.handle); };
  EXPECT_EQ(api.pending_jobs(nullptr), 0u);
  EXPECT_EQ(pending(), 0u);
  for (const char* mode : {"nil", "msys.core.ECTP_COMPLETE_CALLBACK_SCHED"}) {
    const std::string name = mode;
    EXPECT_EQ(other.Run("msys.runInPool('one', function() block('f" + name +
                        "') end, function() msys.runInPool('IO', function() block('g" +
                        name + "') end) end, " + mode + ")").text(), "OK");
    gates["f" + name].AwaitArrivals();
    EXPECT_EQ(pending(), 1u);
    gates["f" + name].Open();
    gates["g" + name].AwaitArrivals();
    EXPECT_EQ(pending(), 2u) << "one waits for the other";
    EXPECT_EQ(plugin.Stats("one").completing, 1u);
    gates["g" + name].Open();
    while (pending() > 0) std::this_thread::yield();
    EXPECT_EQ(plugin.Stats("one").completing, 0u);
  }
}

TEST_F(CallsTest, LuaOutsideOfACallout) {
  std::string message;
  fake.On(0, [&] {
    // A policy being loaded.
    ASSERT_NE(luaL_dostring(state.L, "msys.runInPool('CPU', print)"), LUA_OK);
    message = lua_tostring(state.L, -1);
    lua_pop(state.L, 1);
  });
  EXPECT_NE(message.find("runInPool: no callout or closure is running; the mail "
                         "server must run policies by callouts"),
            std::string::npos)
      << message;
}

TEST_F(CallsTest, AnotherClose) {
  EXPECT_EQ(api.close(plugin.handle), MSYS_E_BUSY) << "stop() first";
  EXPECT_EQ(api.close(nullptr), MSYS_OK);
  EXPECT_EQ(api.stop(nullptr, 0, nullptr), MSYS_E_ARG);
  EXPECT_EQ(api.configure(nullptr, nullptr, nullptr), MSYS_E_ARG);
}

TEST_F(CallsTest, AForkWithThreadsRunningSaysSo) {
  EXPECT_EQ(state.Run("return msys.runInPool('CPU', function() end)").text(),
            "OK true");
  fake.On(0, [&] {
    const pid_t child = fork();
    if (child == 0) {
      lua_State* L = luaL_newstate();
      msys_state* out = nullptr;
      msys_callout callout{};
      callout.struct_size = sizeof callout;
      callout.prepare = [](void*, lua_State*) { return -1; };
      callout.finish = [](void*, lua_State*, msys_status, int) {};
      const bool ok =
          api.attach(plugin.handle, L, 0, "x", &out, nullptr) == MSYS_E_FORK &&
          api.run(state.handle, &callout) == MSYS_E_FORK &&
          luaL_dostring(state.L, "msys.runInPool('CPU', print)") != LUA_OK &&
          std::strstr(lua_tostring(state.L, -1), "forked") != nullptr;
      _exit(ok ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  });
}

}  // namespace
}  // namespace msys::test
