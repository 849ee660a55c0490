// A host that forks.  Before the first attach() both processes may use the plugin;
// afterwards the child has none of its threads, and mutexes may be locked for
// ever, so that every function refuses at once and touches nothing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "child.h"
#include "gate.h"
#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace msys::test {
namespace {

// Older than the plugin, as oneTBB's own handler is.
bool in_child = false;
[[maybe_unused]] const int handler = std::atexit([] {
  if (in_child) _exit(7);
});

const msys_api& Api() {
  static const msys_api& api = LoadApi(PLUGIN);
  return api;
}

constexpr char kRoundTrip[] =
    "return msys.runInPool('IO', function() return 'there and back' end)";

// All of a plugin's life.
int Use() {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  return state.Run(kRoundTrip).text() == "OK true there and back" ? 0 : 1;
}

class ForkTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not support children of a process with "
                    "threads: they end, or fill the memory";
#endif
  }
};

TEST_F(ForkTest, BeforeTheFirstAttachBothMayUseThePlugin) {
  FakeHost host;
  TestPlugin opened(Api(), host, {{"many", 100}});
  // In a process without threads of the plugin; the fake host's loop is one of
  // the parent's, so the child opens the plugin anew.
  EXPECT_EQ(InChild(&Use), "exit 0");
  EXPECT_EQ(InChild([&] {
              msys_error error{sizeof(msys_error), ""};
              return opened.api.stop(opened.handle, 0, &error) == MSYS_OK &&
                             opened.api.close(opened.handle) == MSYS_OK
                         ? 0
                         : 1;
            }),
            "exit 0");
  EXPECT_EQ(Use(), 0);
}

// Nothing runs in `state`: what a fork does to a Lua state that another thread is
// in the middle of is nobody's to mend.
class AfterAttach : public ForkTest {
 protected:
  // While other threads take the plugin's mutexes all the time, one of which may
  // be locked at the moment of the fork, and then is in the child for ever.
  template <typename Body>
  void ForkUnderFire(Body body) {
    EXPECT_EQ(state.Run(kRoundTrip).text(), "OK true there and back");
#ifdef __SANITIZE_ADDRESS__
    // GCC 12's AddressSanitizer, unlike glibc, does not hold the locks of its
    // allocator across a fork: a child would wait for one of those.
    ForkOften(body);
#else
    std::atomic<bool> over{false};
    std::jthread fire([&] {
      while (!over) {
        plugin.Stats("CPU");
        plugin.Console("threads busy");
      }
    });
    auto busy = firing.Start("while not over do"
                             "  msys.runInPool('CPU', function() end)"
                             "  msys.runInPool('IO', function() end, true) end");
    ForkOften(body);
    over = true;
    EXPECT_EQ(firing.Run("over = true").text(), "OK");
    EXPECT_EQ(busy->Wait().text(), "OK");
#endif
    EXPECT_EQ(state.Run(kRoundTrip).text(), "OK true there and back");
  }

  template <typename Body>
  void ForkOften(Body body) {
    for (int i = 0; i < 20; ++i) {
      std::string ended;
      // On the loop's thread, which every check of a thread would let pass.
      host.On(0, [&] { ended = InChild(body); });
      EXPECT_EQ(ended, "exit 0");
    }
  }

  FakeHost host{2};
  TestPlugin plugin{Api(), host};
  TestState state{plugin};
  TestState firing{plugin, 1};
};

// The number of the first that does not refuse; 0: all do.
int FirstThatDoesNotRefuse(const msys_api& api, TestState& state,
                           msys_plugin* plugin) {
  int number = 0;
  int failed = 0;
  const auto refuses = [&](msys_status status) {
    ++number;
    if (status != MSYS_E_FORK && failed == 0) failed = number;
  };
  msys_error error{sizeof(msys_error), ""};
  msys_state* attached = nullptr;
  msys_session* session = nullptr;
  msys_plugin* opened = nullptr;
  const msys_config config{sizeof(msys_config), 0, nullptr, 0};
  const msys_host host = state.plugin.host.Abi();
  msys_pool_stats stats{};
  stats.struct_size = sizeof stats;
  msys_callout callout{};
  callout.struct_size = sizeof callout;
  callout.prepare = [](void*, lua_State*) { return -1; };
  callout.finish = [](void*, lua_State*, msys_status, int) { _exit(100); };
  lua_State* fresh = luaL_newstate();
  refuses(api.open(&host, nullptr, &opened, &error));                       // 1
  refuses(api.attach(plugin, fresh, 0, "x", &attached, &error));            // 2
  refuses(api.run(state.handle, &callout));                                 // 3
  refuses(api.session_open(state.handle, &session));                        // 4
  refuses(api.detach(state.handle, [](void*) { _exit(101); }, nullptr));    // 5
  refuses(api.configure(plugin, &config, &error));                          // 6
  refuses(api.pool_stats(plugin, 0, &stats));                               // 7
  refuses(api.console(plugin, "threads", [](void*, const char*, std::size_t) {},
                      nullptr));                                            // 8
  refuses(api.stop(plugin, 1000, &error));                                  // 9
  refuses(api.close(plugin));                                               // 10
  msys_worker worker{sizeof worker, 7, "garbage"};
  refuses(api.current_worker(&worker));                                     // 11
  refuses(api.cancel(&callout));                                            // 12
  if (worker.pool != nullptr || stats.concurrency != 0) return 13;
  return failed;
}

TEST_F(AfterAttach, EveryFunctionOfTheChildRefuses) {
  ForkUnderFire([&] {
    return FirstThatDoesNotRefuse(Api(), state, plugin.handle);
  });
}

TEST_F(AfterAttach, WhatHasNoStatusDoesNothing) {
  msys_session* session = state.OpenSession();
  ForkUnderFire([&] {
    lua_createtable(state.L, 0, 0);
    const void* module = lua_topointer(state.L, -1);
    Api().session_push_self(session, state.L);
    if (lua_topointer(state.L, -1) != module) return 2;
    Api().session_close(session);
    msys_blocking region;
    Api().blocking_begin(state.L, &region);
    Api().blocking_end(&region);
    return Api().pool_count(plugin.handle) == 8 ? 0 : 1;
  });
}

TEST_F(AfterAttach, LuaFunctionsOfTheChildSayWhy) {
  ForkUnderFire([&] {
    lua_State* L = state.L;
    for (const char* call :
         {"msys.runInPool('CPU', print)", "msys.runInPool('CPU', print, true)",
          "msys.runInInst(0, print)", "msys.sleep(0)", "msys.lock 'x'",
          "msys.unlock 'x'", "thread.mutex()", "msys.threadpool.stat 'CPU'",
          "msys.threadpool.count()", "return _TLS.x", "_OSTLS.x = 1"}) {
      if (luaL_dostring(L, call) == LUA_OK) return 1;
      if (std::strstr(lua_tostring(L, -1), "this process was forked after the "
                                           "pools' threads had started") == nullptr) {
        return 2;
      }
      lua_settop(L, 0);
    }
    return 0;
  });
}

// A host's child usually becomes another program, or ends; also by exit(), which
// leaves out the handlers that are older than the plugin.
TEST_F(AfterAttach, TheChildMayCloseItsLuaStateAndExit) {
  ASSERT_EQ(state.Run("guard = thread.mutex() guard:lock() coroutine.wrap("
                      "function() _TLS.x = 1 end)() "
                      "setmetatable({}, { __gc = function() pcall(msys.runInPool, "
                      "'CPU', print, true) end })").text(), "OK");
  std::string ended;
  host.On(0, [&] {
    ended = InChild([&]() -> int {
      lua_close(state.L);
      in_child = true;
      std::exit(0);
    });
  });
  EXPECT_EQ(ended, "exit 0");
  host.On(0, [&] {
    ended = InChild([]() -> int {
      execl("/bin/true", "true", nullptr);
      return 1;
    });
  });
  EXPECT_EQ(ended, "exit 0");
  EXPECT_EQ(state.Run(kRoundTrip).text(), "OK true there and back");
}

// Why those are left out: at the moment of the fork one of oneTBB's threads may have
// locked what oneTBB's own handler would lock.  Seldom enough to be found by many
// forks only.
TEST_F(AfterAttach, TheChildMayExitWhateverThreadsDid) {
  for (int i = 0; i < 10; ++i) {
    ForkUnderFire([]() -> int {
      in_child = true;
      std::exit(0);
    });
  }
}

// A C function of a policy's closure forks on a pool's thread.
TEST_F(AfterAttach, AForkInAClosure) {
  static std::string ended;
  host.On(0, [&] {
    lua_register(state.L, "fork", [](lua_State* L) {
      const pid_t child = fork();
      if (child == 0) {
        // The closure could go on here, but for what needs the plugin.
        const bool refused = luaL_dostring(L, "msys.sleep(0)") != LUA_OK;
        _exit(refused ? 0 : 1);
      }
      ended = Ended(child);
      return 0;
    });
  });
  EXPECT_EQ(state.Run("return msys.runInPool('CPU', function() fork() end)").text(),
            "OK true");
  EXPECT_EQ(ended, "exit 0");
}

// In the child nobody will ever give back the turn that another closure has.
TEST_F(AfterAttach, AForkInABlockingRegion) {
  static Gate inside, held;
  static std::string ended;
  inside.Open();
  host.On(0, [&] {
    lua_register(state.L, "hold", [](lua_State*) {
      held.Pass();
      return 0;
    });
    lua_register(state.L, "fork", [](lua_State* L) {
      msys_blocking region;
      Api().blocking_begin(L, &region);
      inside.Pass();
      held.AwaitArrivals();
      const pid_t child = fork();
      if (child == 0) {
        Api().blocking_end(&region);
        Api().blocking_begin(L, &region);
        Api().blocking_end(&region);
        _exit(0);
      }
      ended = Ended(child);
      held.Open();
      Api().blocking_end(&region);
      return 0;
    });
  });
  auto forks = state.Start("return msys.runInPool('CPU', fork)");
  inside.AwaitArrivals();
  auto holds = state.Start("return msys.runInPool('IO', hold)");
  EXPECT_EQ(forks->Wait().text(), "OK true");
  EXPECT_EQ(holds->Wait().text(), "OK true");
  EXPECT_EQ(ended, "exit 0");
}

}  // namespace
}  // namespace msys::test
