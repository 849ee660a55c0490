// What detach() promises to those who are still busy with the state.
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "gates.h"
#include "own_callout.h"

namespace msys::test {
namespace {

const msys_api& Api() { return *msys_plugin_entry(MSYS_ABI_MAJOR); }

TEST(DetachTest, FinishMayCloseItsSession) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  // One before and one behind it in the list of sessions.
  msys_session* first = state.OpenSession();
  msys_session* session = state.OpenSession();
  msys_session* last = state.OpenSession();
  ASSERT_TRUE(first != nullptr && last != nullptr);
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    return luaL_loadstring(L, "msys.runInPool('IO', block)") == LUA_OK ? 0 : -1;
  };
  callout.finish = [&](lua_State*, msys_status) {
    plugin.api.session_close(session);
  };
  ASSERT_EQ(callout.Run(state, session), MSYS_OK);
  gates["block"].AwaitArrivals();
  state.Detach();
  gates["block"].Open();
  callout.Wait();
  state.AwaitDetached();
}

TEST(DetachTest, WhatABlockingRegionHadSubmittedIsDropped) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run("msys.runInPool('CPU', function()"
                      "  msys.runInPool('IO', function() ran = true end, true)"
                      "  block()"
                      " end, true)").text(), "OK");
  gates["block"].AwaitArrivals();
  state.Detach();
  host.On(0, [] {});  // the loop has dropped what was queued
  gates["block"].Open();
  state.AwaitDetached();
  host.On(0, [&] {
    EXPECT_EQ(lua_getglobal(state.L, "ran"), LUA_TNIL);
    lua_pop(state.L, 1);
  });
  const msys_pool_stats io = plugin.Stats("IO");
  EXPECT_EQ(io.submitted, 1u);
  EXPECT_EQ(io.cancelled, 1u);
  EXPECT_EQ(host.Logged({"IO: closure test:1 of state test: cancelled: the Lua state is "
                         "being detached"}), 1u);
}

// Each text for who waits is an allocation, and may run a finaliser.
constexpr char kCancelOthers[] = R"(
  jobs = {}
  function cancel_others()
    for i = 2, #jobs do if jobs[i]:cancel() then cancelled = (cancelled or 0) + 1 end end
  end
  function submit()
    for i = 1, 50 do
      local _
      _, jobs[i] = msys.runInPool('IO', function() end, function() end)
    end
  end
  collectgarbage() collectgarbage 'stop'
  collectgarbage('incremental', 100, 1000, 40) collectgarbage('setpause', 0)
)";

void ExpectEachCancelledOnce(FakeHost& host, TestPlugin& plugin, TestState& state) {
  host.On(0, [&] {
    EXPECT_EQ(lua_getglobal(state.L, "cancelled"), LUA_TNUMBER) << "no finaliser has run";
    lua_pop(state.L, 1);
  });
  const msys_pool_stats io = plugin.Stats("IO");
  EXPECT_EQ(io.submitted, 50u);
  EXPECT_EQ(io.cancelled, 50u);
}

TEST(DetachTest, AFinaliserCancelsWhatIsBeingDropped) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run(std::string(kCancelOthers) + R"(
    msys.runInPool('CPU', function()
      submit()
      setmetatable({}, { __gc = cancel_others })
      block()
      collectgarbage 'restart'
    end, true))").text(), "OK");
  gates["block"].AwaitArrivals();
  state.Detach();
  host.On(0, [] {});  // the loop has dropped what was queued
  gates["block"].Open();
  state.AwaitDetached();
  ExpectEachCancelledOnce(host, plugin, state);
}

// The same of what finalisers themselves submit, outside of scripts: the loop takes a
// coroutine for a callout, and detaches the state behind it.
TEST(DetachTest, AFinaliserCancelsWhatAnotherHasSubmitted) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run("coroutine.running() " + std::string(kCancelOthers) + R"(
    msys.runInPool('CPU', function()
      coroutine.running()
      local many = {}
      for i = 1, 50000 do many[i] = i end
      local function second()
        setmetatable({}, { __gc = function()
          if jobs[1]:status() == 'queued' then second() else cancel_others() end
        end })
      end
      collectgarbage() collectgarbage 'stop'
      setmetatable({}, { __gc = function() submit() second() end })
      hold()
      collectgarbage 'restart'
      table.unpack(many)
    end, true))").text(), "OK");
  gates["hold"].AwaitArrivals();
  auto callout = state.Start("return 1");
  state.Detach();
  gates["hold"].Open();
  state.AwaitDetached();
  ExpectEachCancelledOnce(host, plugin, state);
  host.On(0, [&] {  // the one that waits for what is over now
    lua_pushcfunction(state.L, [](lua_State*) { return 0; });
    lua_setglobal(state.L, "cancel_others");
  });
}

// What it had queued is gone, and so is its lane's place in the pool's line.
TEST(DetachTest, WaitsForNoPlaceInAPoolThatIsBusy) {
  FakeHost host;
  TestPlugin plugin(Api(), host, {{"one", 1}});
  Gates gates(plugin.api);
  TestState other(plugin, 0, "other", std::ref(gates));
  auto busy = other.Start("msys.runInPool('one', block)");
  gates["block"].AwaitArrivals();
  auto state = std::make_unique<TestState>(plugin);
  auto queued = state->Start("return msys.runInPool('one', function() end)");
  state->Detach();
  state->AwaitDetached();
  queued->Wait();
  EXPECT_EQ(plugin.Stats("one").running, 1u);
  gates["block"].Open();
}

// A lane without work, parked at its state's turn, has nothing to wait for in a
// pool that another state keeps busy.
TEST(DetachTest, WaitsForNoOtherStatesClosure) {
  FakeHost host(2);
  TestPlugin plugin(Api(), host, {{"one", 1}});
  Gates gates(plugin.api), first(plugin.api), second(plugin.api);
  TestState other(plugin, 1, "other", std::ref(first));
  ASSERT_EQ(other.Run("msys.runInPool('one', hold, true)").text(), "OK");
  first["hold"].AwaitArrivals();
  auto state = std::make_unique<TestState>(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state->Run("msys.runInPool('one', function() end, true)"
                       "msys.runInPool('CPU', hold, true)").text(), "OK");
  gates["hold"].AwaitArrivals();
  first["hold"].Open();
  // The thread of "one" has found the lane's state busy and left.
  while (plugin.Stats("one").threads_active > 0) std::this_thread::yield();
  host.On(1, [&] { second(other.L); });
  ASSERT_EQ(other.Run("msys.runInPool('one', hold, true)").text(), "OK");
  second["hold"].AwaitArrivals();

  state->Detach();
  gates["hold"].Open();
  state->AwaitDetached();  // while the closure of the other state still runs
  EXPECT_EQ(plugin.Stats("one").running, 1u);
  state.reset();
  second["hold"].Open();
}

// Coroutines may outlive an attach.  What is collected of theirs in the second one
// must let go of nothing there.
TEST(DetachTest, CoroutinesOfAnEarlierAttachAreCollected) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  EXPECT_EQ(state.Run("kept = {} for i = 1, 300 do coroutine.wrap(function()"
                      "  _TLS.x, kept[i] = i, coroutine.running() end)() end"
                      "  return #kept").text(), "OK 300");
  state.AttachAgain();
  EXPECT_EQ(state.Run("_TLS.mine = 'mine' local jobs = {}"
                      "for i = 1, 30 do"
                      "  local _, job = msys.runInPool('CPU', function()"
                      "    return i + _TLS.n end, print) jobs[i] = job end "
                      "_TLS.n = 100 kept = nil collectgarbage() local sum = 0 "
                      "for i = 1, 30 do sum = sum + select(2, jobs[i]:wait()) end "
                      "return sum, _TLS.mine").text(), "OK 3465 mine");
}

}  // namespace
}  // namespace msys::test
