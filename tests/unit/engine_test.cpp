// Loops, detaching and stopping, through the ABI, with closures that stop at
// gates.
#include <gtest/gtest.h>

#include "gates.h"
#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace msys::test {
namespace {

const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);

class EngineTest : public testing::Test {
 protected:
  // And note(x), which adds to the trail.
  void Offer(lua_State* L) {
    gates(L);
    lua_pushlightuserdata(L, this);
    lua_pushcclosure(
        L,
        [](lua_State* s) {
          auto* self = static_cast<EngineTest*>(lua_touserdata(s, lua_upvalueindex(1)));
          self->trail += lua_tostring(s, 1);
          return 0;
        },
        1);
    lua_setglobal(L, "note");
  }
  std::unique_ptr<TestState> NewState(TestPlugin& plugin, std::uint32_t loop = 0,
                                      const std::string& name = "test") {
    return std::make_unique<TestState>(plugin, loop, name,
                                       [this](lua_State* L) { Offer(L); });
  }

  Gates gates{api};
  std::string trail;  // written by the holder of the turn
  FakeHost host{2};
};

// ---- turns, from outside ---------------------------------------------------------

TEST_F(EngineTest, T3_ALoopGoesOnWhileAClosureKeepsTheTurn) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto holding = state->Start("return msys.runInPool('one', hold)");
  gates["hold"].AwaitArrivals();
  // run() and cancel() return although the state is busy, other tasks run.
  auto waits = state->Start("return 'served'");
  auto never = state->Start("return 'cancelled before it began'");
  EXPECT_EQ(never->Cancel(), MSYS_OK);
  bool ran = false;
  host.On(0, [&] { ran = true; });
  EXPECT_TRUE(ran);
  EXPECT_FALSE(waits->done());
  EXPECT_FALSE(never->done());
  gates["hold"].Open();
  EXPECT_EQ(waits->Wait().text(), "OK served");
  never->Wait();
  EXPECT_EQ(holding->Wait().text(), "OK true");
}

TEST_F(EngineTest, T4_AWorkerOfABusyStateServesOthers) {
  TestPlugin plugin(api, host, {{"one", 1}, {"other", 1}});
  auto busy = NewState(plugin, 0);
  auto free_one = NewState(plugin, 1);
  auto holding = busy->Start("return msys.runInPool('other', hold)");
  gates["hold"].AwaitArrivals();
  auto parked = busy->Start("return msys.runInPool('one', function() end)");
  EXPECT_EQ(free_one->Run("return msys.runInPool('one', function() return 1 end)").text(),
            "OK true 1");
  EXPECT_FALSE(parked->done());
  gates["hold"].Open();
  EXPECT_EQ(parked->Wait().text(), "OK true");
}

TEST_F(EngineTest, T6_ABlockingClosureDoesNotKeepTheState) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto running = state->Start("return msys.runInPool('one', block)");
  gates["block"].AwaitArrivals();
  EXPECT_EQ(state->Run("return 'meanwhile'").text(), "OK meanwhile");
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true");
}

TEST_F(EngineTest, T9_AWorkerGoesOnWithTheSameStatesJobs) {
  TestPlugin plugin(api, host, {{"a", 1}, {"b", 1}});
  auto state = NewState(plugin);
  // Two pools want the state: without batches they take turns, in every round.
  // A worker that loses its CPU ends its batch early, so not every round counts.
  int changes = 0;
  for (unsigned round = 1; round <= 100; ++round) {
    trail.clear();
    state->Run(
        "for i = 1, 8 do "
        "msys.runInPool('a', function() note('a') end, true) "
        "msys.runInPool('b', function() note('b') end, true) end");
    while (plugin.Stats("a").done + plugin.Stats("b").done < 16 * round) {
      std::this_thread::yield();
    }
    state->Run("return 1");  // the trail is the holder's
    ASSERT_EQ(trail.size(), 16u);
    changes = 0;
    for (std::size_t i = 1; i < 16; ++i) changes += trail[i] != trail[i - 1];
    if (changes < 8) break;
  }
  EXPECT_LT(changes, 8) << trail;
}

TEST_F(EngineTest, T9_ALoopThatWaitsForTheTurnEndsTheBatch) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  state->Run(
      "msys.runInPool('one', function() hold() note('first ') end, true) "
      "for i = 1, 3 do msys.runInPool('one', function() note('job ') end, true) end");
  gates["hold"].AwaitArrivals();
  auto callout = state->Start("note('callout ')");
  gates["hold"].Open();
  callout->Wait();
  while (plugin.Stats("one").done < 4) std::this_thread::yield();
  state->Run("return 1");
  EXPECT_EQ(trail, "first callout job job job ");
}

TEST_F(EngineTest, ALoopIsWokenOnceForManyResults) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  std::vector<std::unique_ptr<Running>> all;
  auto holding = state->Start("return msys.runInPool('one', hold)");
  gates["hold"].AwaitArrivals();
  for (int i = 0; i < 20; ++i) {
    all.push_back(state->Start("return msys.runInPool('one', function() end)"));
  }
  const auto posts = host.posts(0);
  gates["hold"].Open();
  for (auto& running : all) EXPECT_EQ(running->Wait().text(), "OK true");
  EXPECT_LT(host.posts(0) - posts, 20u);
}

// ---- detach ----------------------------------------------------------------------

TEST_F(EngineTest, DetachCancelsWhatIsQueuedAndWaitsForWhatRuns) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin, 0, "leaving");
  auto running = state->Start("return msys.runInPool('one', function() block() return 1 end)");
  gates["block"].AwaitArrivals();
  auto queued = state->Start("return msys.runInPool('one', function() note('ran') end)");
  state->Start("msys.runInPool('one', function() note('ran') end, true)")->Wait();
  state->Detach();
  const std::string cancelled =
      "OK false cancelled: the Lua state is being detached";
  EXPECT_EQ(queued->Wait().text(), cancelled);
  EXPECT_EQ(host.Logged({"one: 2 queued jobs of state leaving: cancelled"}), 1u);
  // The host's calls are refused from now on.
  auto refused = state->Start("return 1");
  EXPECT_EQ(refused->started(), MSYS_E_CLOSED);
  host.On(0, [&] {
    msys_session* session = nullptr;
    EXPECT_EQ(api.session_open(state->handle, &session), MSYS_E_CLOSED);
    EXPECT_EQ(api.detach(state->handle, [](void*) {}, nullptr), MSYS_E_CLOSED);
  });
  EXPECT_FALSE(running->done());
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true 1");
  state->AwaitDetached();
  const auto stats = plugin.Stats("one");
  EXPECT_EQ(stats.submitted, 3u);
  EXPECT_EQ(stats.done, 1u);
  EXPECT_EQ(stats.cancelled, 2u);
  EXPECT_EQ(trail, "");
}

TEST_F(EngineTest, WhileDetachingNewJobsAreRefused) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto running = state->Start(
      "msys.runInPool('one', block) "
      "return msys.runInPool('one', function() note('ran') end)");
  gates["block"].AwaitArrivals();
  state->Detach();
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(),
            "OK false cancelled: the Lua state is being detached");
  state->AwaitDetached();
  EXPECT_EQ(host.Logged({"one: closure test:1 of state test was refused"}), 1u);
  EXPECT_EQ(plugin.Stats("one").refused, 1u);
}

TEST_F(EngineTest, DetachEndsWaitsForJobsNestedInRunningOnes) {
  TestPlugin plugin(api, host, {{"one", 1}, {"two", 1}});
  auto state = NewState(plugin);
  auto busy = state->Start("return msys.runInPool('two', block)");
  gates["block"].AwaitArrivals();
  auto nested = state->Start(
      "return msys.runInPool('one', function() "
      "  return msys.runInPool('two', function() note('ran') end) end)");
  while (plugin.Stats("one").suspended == 0) std::this_thread::yield();
  state->Detach();
  EXPECT_EQ(nested->Wait().text(),
            "OK true false cancelled: the Lua state is being detached");
  gates["block"].Open();
  busy->Wait();
  state->AwaitDetached();
}

TEST_F(EngineTest, DetachRunsCompletionsOfRunningJobs) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  state->Run("msys.runInPool('one', block, function(ok) note('completed ') end) "
             "msys.runInPool('one', block, function(ok) note('never') end)");
  gates["block"].AwaitArrivals();
  state->Detach();
  gates["block"].Open();
  state->AwaitDetached();
  EXPECT_EQ(trail, "completed ");
}

// The closure has returned: what it has submitted is on its way, whatever its completion
// function does.
TEST_F(EngineTest, JobsOfAClosureStartWhileItsCompletionFunctionBlocks) {
  TestPlugin plugin(api, host, {{"one", 1}, {"two", 1}});
  auto state = NewState(plugin);
  state->Run("msys.runInPool('one', function() "
             "  msys.runInPool('two', function() note('ran') end, true) end, function() block() end)");
  gates["block"].AwaitArrivals();
  while (plugin.Stats("two").done < 1) std::this_thread::yield();
  EXPECT_EQ(state->Run("return 1").text(), "OK 1");
  EXPECT_EQ(trail, "ran");
  gates["block"].Open();
}

TEST_F(EngineTest, AfterDetachTheLuaStateIsOfUseWithoutThePlugin) {
  TestPlugin plugin(api, host);
  auto state = NewState(plugin);
  EXPECT_EQ(state->Run("co = coroutine.create(function() coroutine.yield(5) end) "
                       "_TLS.x = 1 return 1").text(), "OK 1");
  state->Detach();
  state->AwaitDetached();
  host.On(0, [&] {
    const auto run = [&](const char* source) {
      const bool ok = luaL_dostring(state->L, source) == LUA_OK;
      const std::string text = luaL_tolstring(state->L, -1, nullptr);
      lua_settop(state->L, 0);
      return std::to_string(ok) + " " + text;
    };
    EXPECT_EQ(run("return select(2, coroutine.resume(co))"), "1 5");
    EXPECT_NE(run("msys.runInPool('CPU', print)").find("not attached"),
              std::string::npos);
    EXPECT_NE(run("return _TLS.x").find("not attached"), std::string::npos);
    EXPECT_EQ(run("return coroutine.wrap(function() return 3 end)()"), "1 3");
  });
}

TEST_F(EngineTest, AStateCanBeAttachedAgain) {
  TestPlugin plugin(api, host);
  lua_State* L = nullptr;
  host.On(0, [&] { L = luaL_newstate(), luaL_openlibs(L); });
  for (int round = 0; round < 3; ++round) {
    std::promise<void> detached;
    host.On(0, [&] {
      msys_state* state = nullptr;
      ASSERT_EQ(api.attach(plugin.handle, L, 0, "again", &state, nullptr), MSYS_OK);
      ASSERT_EQ(api.detach(state, [](void* p) {
        static_cast<std::promise<void>*>(p)->set_value();
      }, &detached), MSYS_OK);
    });
    detached.get_future().wait();
  }
  host.On(0, [&] { lua_close(L); });
}

TEST_F(EngineTest, WhatWasMadeBeforeASecondAttachIsStillOfUse) {
  TestPlugin plugin(api, host);
  auto state = NewState(plugin);
  EXPECT_EQ(state->Run("_, job = msys.runInPool('CPU', function() return 5 end, print) "
                       "m = thread.mutex() return job:wait()").text(), "OK true 5");
  state->Detach();
  state->AwaitDetached();
  std::promise<void> detached;
  host.On(0, [&] {
    msys_state* again = nullptr;
    ASSERT_EQ(api.attach(plugin.handle, state->L, 0, "again", &again, nullptr), MSYS_OK);
    EXPECT_EQ(luaL_dostring(state->L, "assert(select(2, job:wait()) == 5) "
                                      "return job:status() .. tostring(m):sub(1, 12)"),
              LUA_OK);
    EXPECT_STREQ(lua_tostring(state->L, -1), "donethread.mutex");
    lua_settop(state->L, 0);
    api.detach(again, [](void* p) {
      static_cast<std::promise<void>*>(p)->set_value();
    }, &detached);
  });
  detached.get_future().wait();
}

// ---- stop ------------------------------------------------------------------------

TEST_F(EngineTest, StopReportsWhatStillRunsAndIsBusy) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin, 0, "stuck");
  auto running = state->Start("\nreturn msys.runInPool('one', function() block() end)");
  gates["block"].AwaitArrivals();
  std::string text;
  EXPECT_EQ(plugin.Stop(20, &text), MSYS_E_BUSY);
  EXPECT_EQ(text, "stop: 1 closures still run; see the log");
  EXPECT_EQ(host.Logged({"stop: one: test:2 of state stuck still runs, for 0.", " s"}),
            1u);
  EXPECT_EQ(api.close(plugin.handle), MSYS_E_BUSY);
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true");
  EXPECT_EQ(plugin.Stop(0, &text), MSYS_E_BUSY);
  EXPECT_NE(text.find("Lua states are still attached; detach them"),
            std::string::npos) << text;
  state.reset();
  EXPECT_EQ(plugin.Stop(0), MSYS_OK);
  EXPECT_EQ(plugin.Stop(0), MSYS_OK);
}

TEST_F(EngineTest, StopRefusesEverywhere) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto running = state->Start(
      "msys.runInPool('one', block) return msys.runInPool('one', print)");
  gates["block"].AwaitArrivals();
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  EXPECT_EQ(plugin.Configure({{"one", 2}}), MSYS_E_CLOSED);
  EXPECT_EQ(state->Start("return 1")->started(), MSYS_E_CLOSED);
  host.On(0, [&] {
    lua_State* L = luaL_newstate();
    msys_state* out = nullptr;
    EXPECT_EQ(api.attach(plugin.handle, L, 0, "late", &out, nullptr), MSYS_E_CLOSED);
    lua_close(L);
  });
  gates["block"].Open();
  const std::string text = running->Wait().text();
  EXPECT_EQ(text.substr(0, 20), "OK false cancelled: ") << text;
}

TEST_F(EngineTest, StopDrainsQueuedJobsUntilTheDeadline) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  state->Run("msys.runInPool('one', block, true) "
             "for i = 1, 10 do msys.runInPool('one', function() note('x') end, true) end");
  gates["block"].AwaitArrivals();
  std::jthread opens([&] {
    while (state->Start("return 1")->started() != MSYS_E_CLOSED) {}
    gates["block"].Open();
    while (plugin.Stats("one").done < 11) std::this_thread::yield();
    state->Detach();
  });
  EXPECT_EQ(plugin.Stop(60'000), MSYS_OK);
  opens.join();
  EXPECT_EQ(trail, "xxxxxxxxxx");
}

TEST_F(EngineTest, StopRefusesNewJobsWhileItDrains) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto running = state->Start(
      "msys.runInPool('one', block) return msys.runInPool('one', print)");
  gates["block"].AwaitArrivals();
  std::jthread opens([&] {
    while (state->Start("return 1")->started() != MSYS_E_CLOSED) {}
    gates["block"].Open();
    running->Wait();
    state->Detach();
  });
  EXPECT_EQ(plugin.Stop(60'000), MSYS_OK);
  opens.join();
  EXPECT_EQ(running->Wait().text(), "OK false cancelled: the mail server is stopping");
  EXPECT_EQ(plugin.Stats("one").refused, 1u);
  EXPECT_EQ(host.Logged({"one: closure [C] of state test was refused: the mail server is "
                         "stopping"}), 1u);
}

TEST_F(EngineTest, AfterTheDeadlineQueuedJobsAreCancelled) {
  TestPlugin plugin(api, host, {{"one", 1}});
  auto state = NewState(plugin);
  auto running = state->Start("return msys.runInPool('one', block)");
  gates["block"].AwaitArrivals();
  auto queued = state->Start("return msys.runInPool('one', function() note('ran') end)");
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  EXPECT_EQ(queued->Wait().text(), "OK false cancelled: the mail server is stopping");
  EXPECT_EQ(host.Logged({"one: 1 queued jobs of state test: cancelled"}), 1u);
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true");
  EXPECT_EQ(trail, "");
}

TEST_F(EngineTest, StopOnALoopNeverWaits) {
  // The main thread is the loop of this host.
  static std::thread::id loop_thread;
  loop_thread = std::this_thread::get_id();
  msys_host abi = host.Abi();
  abi.loop_count = 1;
  abi.on_loop = [](void*, std::uint32_t) -> int {
    return loop_thread == std::this_thread::get_id();
  };
  msys_plugin* plugin = nullptr;
  ASSERT_EQ(api.open(&abi, nullptr, &plugin, nullptr), MSYS_OK);
  lua_State* L = luaL_newstate();
  luaL_openlibs(L);
  msys_state* state = nullptr;
  ASSERT_EQ(api.attach(plugin, L, 0, "x", &state, nullptr), MSYS_OK);
  EXPECT_EQ(api.stop(plugin, UINT32_MAX, nullptr), MSYS_E_BUSY);  // returns
  bool done = false;
  ASSERT_EQ(api.detach(state, [](void* p) { *static_cast<bool*>(p) = true; }, &done),
            MSYS_OK);
  EXPECT_TRUE(done) << "nothing ran: it ends at once";
  lua_close(L);
  while (api.stop(plugin, 0, nullptr) != MSYS_OK) std::this_thread::yield();
  EXPECT_EQ(api.close(plugin), MSYS_OK);
}

TEST_F(EngineTest, OpenStopOpen) {
  for (int round = 0; round < 20; ++round) {
    TestPlugin plugin(api, host, {{"mine", 2}});
    auto state = NewState(plugin, static_cast<std::uint32_t>(round % 2));
    EXPECT_EQ(state->Run("return msys.runInPool('mine', function() return 1 end)").text(),
              "OK true 1");
    EXPECT_EQ(plugin.Stats("mine").submitted, 1u);
  }
}

TEST_F(EngineTest, NothingStartsBeforeTheFirstAttach) {
  TestPlugin plugin(api, host, {{"many", 1000}});
  // So a host may fork here, and the child may use the plugin.
  EXPECT_EQ(host.Logged({"pool"}), 0u);
}

// ---- configuration while it runs ---------------------------------------------------

TEST_F(EngineTest, ConfigureWithJobsInFlight) {
  TestPlugin plugin(api, host, {{"p", 1}});
  auto state = NewState(plugin);
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(state->Start("return msys.runInPool('p', block)"));
  }
  gates["block"].AwaitArrivals(1);
  EXPECT_EQ(plugin.Configure({{"P", 3}, {"new", 1}}), MSYS_OK);
  gates["block"].AwaitArrivals(3);
  EXPECT_EQ(state->Run("return msys.runInPool('new', function() return 1 end)").text(),
            "OK true 1");
  EXPECT_EQ(plugin.Configure({{"p", 0}}), MSYS_OK);
  gates["block"].Open();
  for (auto& running : all) EXPECT_EQ(running->Wait().text(), "OK true");
  EXPECT_EQ(state->Run("return msys.runInPool('p', function() return 1 end)").text(),
            "OK true 1");
}

TEST_F(EngineTest, AFinishThatRunsTheNextPhase) {
  TestPlugin plugin(api, host);
  auto state = NewState(plugin);
  struct Phases {
    msys_state* state;
    msys_callout callout{};
    int left = 100;
    std::promise<void> over;
  } phases{state->handle, {}, 100, {}};
  phases.callout.struct_size = sizeof phases.callout;
  phases.callout.ctx = &phases;
  phases.callout.prepare = [](void*, lua_State* L) {
    luaL_loadstring(L, "return select(2, msys.runInPool('CPU', function() return 1 end))");
    return 0;
  };
  phases.callout.finish = [](void* ctx, lua_State*, msys_status status, int count) {
    auto& p = *static_cast<Phases*>(ctx);
    EXPECT_EQ(status, MSYS_OK);
    EXPECT_EQ(count, 1);
    if (--p.left == 0) return p.over.set_value();
    EXPECT_EQ(api.run(p.state, &p.callout), MSYS_OK);
  };
  host.On(0, [&] { EXPECT_EQ(api.run(state->handle, &phases.callout), MSYS_OK); });
  phases.over.get_future().wait();
}

}  // namespace
}  // namespace msys::test
