// What callouts see and leave behind, and what the first attach() may overlap.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gates.h"
#include "own_callout.h"

namespace msys::test {
namespace {

const msys_api& Api() { return *msys_plugin_entry(MSYS_ABI_MAJOR); }

// cancel() before its first slice: the policy of a session that is gone is not
// begun.
TEST(CalloutTest, CancelledBeforeItStartsRunsNothing) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run("msys.runInPool('CPU', hold, true)").text(), "OK");
  gates["hold"].AwaitArrivals();
  bool prepared = false;
  OwnCallout callout;
  callout.prepare = [&](lua_State*) {
    prepared = true;
    return -1;
  };
  host.On(0, [&] {
    EXPECT_EQ(callout.RunHere(state), MSYS_OK);
    EXPECT_EQ(callout.CancelHere(state), MSYS_OK);
  });
  gates["hold"].Open();
  EXPECT_EQ(callout.Wait(), MSYS_E_CANCELLED);
  EXPECT_FALSE(prepared);
}

// Its job is queued when it is cancelled, and its memory is not kept: so many
// have ended before that there is enough for the next.
TEST(CalloutTest, CancelledWithAQueuedJobAfterManyJobs) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run("for i = 1, 10000 do"
                      "  msys.runInPool('CPU', function() end, true) "
                      "end "
                      "repeat msys.runInPool('CPU', function() end)"
                      " until msys.threadpool.stat('CPU').job_num_queued == 0"
                      ).text(), "OK");
  ASSERT_EQ(state.Run("msys.runInPool('SpoolIn', block, true)").text(), "OK");
  gates["block"].AwaitArrivals();
  auto waiting = state.Start("return msys.runInPool('SpoolIn', function() end)");
  EXPECT_EQ(plugin.Stats("SpoolIn").queued, 1u);
  EXPECT_EQ(waiting->Cancel(), MSYS_OK);
  EXPECT_EQ(waiting->Wait().text(), "CANCELLED");
  gates["block"].Open();
}

// The stack is the host's to count from.
TEST(CalloutTest, PrepareBeginsWithAnEmptyStack) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    EXPECT_EQ(lua_gettop(L), 0);
    lua_pushinteger(L, 42);
    if (luaL_loadstring(L, "return 'the policy ran', ...") != LUA_OK) return -1;
    lua_insert(L, 1);
    return lua_gettop(L) - 1;
  };
  std::string results;
  callout.finish = [&](lua_State* L, msys_status) {
    results = std::string(lua_tostring(L, 1)) + ' ' + lua_tostring(L, 2);
  };
  ASSERT_EQ(callout.Run(state), MSYS_OK);
  EXPECT_EQ(callout.Wait(), MSYS_OK);
  EXPECT_EQ(results, "the policy ran 42");
}

// Another state's closure has the only thread of SpoolIn, for a while.
class BusySpoolIn {
 public:
  explicit BusySpoolIn(TestPlugin& plugin)
      : gates_(plugin.api), state_(plugin, 1, "other", std::ref(gates_)) {
    running_ = state_.Start("msys.runInPool('SpoolIn', block)");
    gates_["block"].AwaitArrivals();
  }
  void End() {
    gates_["block"].Open();
    running_->Wait();
  }

 private:
  Gates gates_;
  TestState state_;
  std::unique_ptr<Running> running_;
};

// It is cancelled when what it waits for has come, and its loop has not seen that yet.
TEST(CalloutTest, CancelledAfterItsResultRunsNoMore) {
  FakeHost host(2);
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  BusySpoolIn busy(plugin);
  auto waits = state.Start(
      "for i = 1, 5 do msys.runInPool('SpoolIn', function() ran = true end, true) end "
      "msys.runInPool('CPU', hold) went_on = true");
  gates["hold"].AwaitArrivals();
  host.On(0, [&] {
    gates["hold"].Open();
    while (plugin.Stats("CPU").threads > 0) std::this_thread::yield();
    EXPECT_EQ(waits->CancelHere(), MSYS_OK);
  });
  EXPECT_EQ(waits->Wait().text(), "CANCELLED");
  EXPECT_EQ(plugin.Stats("SpoolIn").cancelled, 5u);
  busy.End();
  EXPECT_EQ(state.Run("return ran, went_on").text(), "OK nil nil");
}

// The same, but the result comes behind the cancellation.
TEST(CalloutTest, ItsResultComesWhenItIsBeingCancelled) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  auto waits = state.Start("return msys.runInPool('CPU', hold)");
  gates["hold"].AwaitArrivals();
  EXPECT_EQ(waits->Cancel(), MSYS_OK);  // which needs the turn
  gates["hold"].Open();
  EXPECT_EQ(waits->Wait().text(), "CANCELLED");
  EXPECT_EQ(state.Run("return 1").text(), "OK 1");
}

// A C function of its policy cancels it, and it ends before the loop comes to that.
TEST(CalloutTest, CancelledFromInsideItsJobsAreDropped) {
  FakeHost host(2);
  TestPlugin plugin(Api(), host);
  std::unique_ptr<Running> running;
  TestState state(plugin, 0, "test", [&](lua_State* L) {
    lua_pushlightuserdata(L, &running);
    lua_pushcclosure(L, [](lua_State* co) {
      auto* self = static_cast<std::unique_ptr<Running>*>(
          lua_touserdata(co, lua_upvalueindex(1)));
      (*self)->CancelHere();
      return 0;
    }, 1);
    lua_setglobal(L, "cancel");
  });
  BusySpoolIn busy(plugin);
  running = state.Start(
      "msys.sleep(0.001) while not go do msys.sleep(0) end "
      "for i = 1, 5 do msys.runInPool('SpoolIn', function() ran = true end, true) end "
      "cancel() return 'ended'");
  ASSERT_EQ(state.Run("go = true").text(), "OK");
  EXPECT_EQ(running->Wait().text(), "CANCELLED");
  EXPECT_EQ(plugin.Stats("SpoolIn").cancelled, 5u);
  busy.End();
  EXPECT_EQ(state.Run("return ran").text(), "OK nil");
}

// For ThreadSanitizer: the main thread configures while loops attach the first
// states, and each state submits at once.
TEST(CalloutTest, FirstAttachWhileBeingConfigured) {
  for (int round = 0; round < 20; ++round) {
    FakeHost host(2);
    TestPlugin plugin(Api(), host);
    std::vector<std::unique_ptr<TestState>> states(2);
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        states[i] = std::make_unique<TestState>(plugin, i);
        EXPECT_EQ(states[i]->Run("return msys.runInPool('CPU', function() end)").text(),
                  "OK true");
      });
    }
    for (std::uint32_t n = 1; n <= 8; ++n) {
      EXPECT_EQ(plugin.Configure({{"CPU", n}, {"new", n}}), MSYS_OK);
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// What is dropped with it is a text for who waits, to make which may run a finaliser.
TEST(CalloutTest, AFinaliserResumesOneThatIsBeingCancelled) {
  FakeHost host;
  TestPlugin plugin(Api(), host, {{"one", 1}}, MSYS_COMPLETION_RETURNS_RESULTS);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", [&](lua_State* L) {
    gates(L);
    ASSERT_EQ(luaL_dostring(L, "stock_resume = coroutine.resume"), LUA_OK);
  });
  ASSERT_EQ(state.Run("msys.runInPool('one', block, true)").text(), "OK");
  gates["block"].AwaitArrivals();
  auto waits = state.Start("co = coroutine.running() return pcall(msys.runInPool, 'one', "
                           "function() end, function() end)");
  ASSERT_EQ(state.Run(R"(
    collectgarbage() collectgarbage 'stop'
    collectgarbage('incremental', 100, 1000, 40) collectgarbage('setpause', 0)
    msys.runInPool('CPU', function()
      local t = {}
      setmetatable({}, { __gc = function() resumed = stock_resume(co) ~= nil end })
      hold()
      collectgarbage 'restart' t[1] = true t[2] = 1 t[3] = 1
    end, true))").text(), "OK");
  gates["hold"].AwaitArrivals();
  waits->Cancel();
  gates["hold"].Open();
  EXPECT_EQ(waits->Wait().text(), "CANCELLED");
  EXPECT_EQ(state.Run("return resumed").text(), "OK true");
  gates["block"].Open();
}

// A closing method of an inner coroutine closes the outer ones, and collects them.
TEST(CalloutTest, AnInnerCoroutineClosesTheOuterOnesWhenItIsCancelled) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin, 0, "test", [&](lua_State* L) {
    ASSERT_EQ(luaL_dostring(L, "stock_close = coroutine.close"), LUA_OK);
  });
  auto waits = state.Start(
      "co = coroutine.running() "
      "coroutine.wrap(function() coroutine.wrap(function() "
      "  local x <close> = setmetatable({}, { __close = function() "
      "    closed = stock_close(co) collectgarbage() collectgarbage() end }) "
      "  msys.sleep(3600) end)() end)()");
  waits->Cancel();
  EXPECT_EQ(waits->Wait().text(), "CANCELLED");
  EXPECT_EQ(state.Run("return closed ~= nil").text(), "OK true");
}

}  // namespace
}  // namespace msys::test
