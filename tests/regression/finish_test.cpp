// What finish() of a callout is called with, on, and how often.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <future>
#include <string>
#include <thread>

#include "gates.h"
#include "own_callout.h"

namespace msys::test {
namespace {

const msys_api& Api() { return *msys_plugin_entry(MSYS_ABI_MAJOR); }

// An allocator of a Lua state that gives no more as soon as it is told so.
struct Memory {
  bool out = false;
  static void* Allocate(void* ud, void* block, std::size_t old, std::size_t size) {
    if (size == 0) {
      std::free(block);
      return nullptr;
    }
    const bool more = block == nullptr || size > old;
    return static_cast<Memory*>(ud)->out && more ? nullptr : std::realloc(block, size);
  }
};

// What finish() calls sees the _TLS of its own session, and none of the session
// that had the coroutine before.
TEST(FinishTest, FinishSeesItsOwnSession) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  std::string seen;
  for (const char* mark : {"first", "second"}) {
    msys_session* session = state.OpenSession();
    OwnCallout callout;
    const std::string source = std::string("_TLS.mark = '") + mark + "'";
    callout.prepare = [&](lua_State* L) {
      return luaL_loadstring(L, source.c_str()) == LUA_OK ? 0 : -1;
    };
    callout.finish = [&](lua_State* L, msys_status) {
      if (luaL_dostring(L, "local left = tostring(_TLS.left) _TLS.left = 1 "
                           "return left .. ' ' .. tostring(_TLS.mark) .. ';'") == LUA_OK) {
        seen += lua_tostring(L, -1);
      }
    };
    ASSERT_EQ(callout.Run(state, session), MSYS_OK);
    EXPECT_EQ(callout.Wait(), MSYS_OK);
    state.CloseSession(session);
  }
  EXPECT_EQ(seen, "nil first;nil second;");
}

// The same of a callout that is cancelled before it has begun.
TEST(FinishTest, FinishOfOneThatNeverBeganSeesItsOwnSession) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  Gates gates(plugin.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  ASSERT_EQ(state.Run("ran = 0 msys.runInPool('CPU', hold, true)").text(), "OK");
  gates["hold"].AwaitArrivals();
  std::string seen;
  OwnCallout callouts[2];
  for (OwnCallout& callout : callouts) {
    callout.prepare = [](lua_State*) { return -1; };
    callout.finish = [&](lua_State* L, msys_status) {
      EXPECT_EQ(luaL_dostring(L, R"(
          local before = tostring(_TLS.mine)
          _TLS.mine = 1
          msys.runInPool('CPU', function() ran = ran + _TLS.mine end, true)
          local locked = msys.lock 'x'
          msys.unlock 'x'
          return before .. ' ' .. tostring(locked) .. ';')"), LUA_OK);
      seen += lua_tostring(L, -1);
    };
    msys_session* session = state.OpenSession();
    host.On(0, [&] {
      EXPECT_EQ(callout.RunHere(state, session), MSYS_OK);
      EXPECT_EQ(callout.CancelHere(state), MSYS_OK);
    });
    state.CloseSession(session);
  }
  gates["hold"].Open();
  for (OwnCallout& callout : callouts) EXPECT_EQ(callout.Wait(), MSYS_E_CANCELLED);
  EXPECT_EQ(seen, "nil true;nil true;");
  EXPECT_EQ(state.Run("repeat msys.runInPool('CPU', function() end) until ran == 2")
                .text(), "OK");
}

// Nor is it called with the hook that the callout had: what that uses may be gone.
TEST(FinishTest, FinishOfACancelledOneHasNoHook) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    return luaL_loadstring(L, "debug.sethook(function() error 'hooked' end, '', 50) "
                              "msys.sleep(3600)") == LUA_OK ? 0 : -1;
  };
  callout.finish = [](lua_State* L, msys_status) {
    EXPECT_EQ(lua_gethook(L), nullptr);
    EXPECT_EQ(luaL_dostring(L, "for i = 1, 1000 do end"), LUA_OK);
  };
  host.On(0, [&] {
    EXPECT_EQ(callout.RunHere(state), MSYS_OK);
    EXPECT_EQ(callout.CancelHere(state), MSYS_OK);
  });
  EXPECT_EQ(callout.Wait(), MSYS_E_CANCELLED);
}

// Memory is out when a coroutine is made for it, and a finaliser that has run there
// meanwhile has set a hook which fails every call: it is called all the same.
TEST(FinishTest, FinishIsCalledThoughAFinaliserHasHookedTheSpareCoroutine) {
  Memory memory;
  std::deque<OwnCallout> callouts;
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  msys_status last = MSYS_OK;
  bool finished = false;
  host.On(0, [&] {
    lua_setallocf(state.L, &Memory::Allocate, &memory);
    lua_pushlightuserdata(state.L, &memory);
    lua_pushcclosure(state.L, [](lua_State* L) {
      static_cast<Memory*>(lua_touserdata(L, lua_upvalueindex(1)))->out = true;
      return 0;
    }, 1);
    lua_setglobal(state.L, "memory_is_out");
    // Each waits, so that the next needs a coroutine that has to be made; the last
    // one's finds garbage.
    for (const char* policy :
         {"msys.sleep(3600)", "msys.sleep(3600)",
          "collectgarbage() collectgarbage 'stop' "
          "setmetatable({}, { __gc = function() "
          "  debug.sethook(function() error 'hooked' end, 'c') memory_is_out() end }) "
          "msys.sleep(3600)", "never begins"}) {
      OwnCallout& callout = callouts.emplace_back();
      callout.prepare = [policy](lua_State* L) {
        return luaL_loadstring(L, policy) == LUA_OK ? 0 : -1;
      };
      callout.finish = [&](lua_State*, msys_status status) {
        finished = true;
        last = status;
      };
      if (callouts.size() == 4) {
        lua_gc(state.L, LUA_GCINC, 1, 1000, 40);
        lua_gc(state.L, LUA_GCRESTART);
        ASSERT_NE(lua_checkstack(state.L, 50000), 0);  // makes the collector due
      }
      EXPECT_EQ(callout.RunHere(state), MSYS_OK);
    }
    EXPECT_TRUE(memory.out);
    memory.out = false;
    EXPECT_TRUE(finished);
    EXPECT_EQ(last, MSYS_E_NOMEM);
  });
}

// Without memory finish() is called on the plugin's own coroutine: with what a host keeps
// in the extra space, and whatever becomes of that coroutine in scripts that get it.
TEST(FinishTest, FinishIsCalledOnTheSpareCoroutineAsOften) {
  Memory memory;
  std::deque<OwnCallout> callouts;
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  int finished = 0;
  const auto run = [&](const char* policy, bool without_memory) {
    OwnCallout& callout = callouts.emplace_back();
    callout.prepare = [policy](lua_State* L) {
      return luaL_loadstring(L, policy) == LUA_OK ? 0 : -1;
    };
    callout.finish = [&](lua_State* L, msys_status status) {
      memory.out = false;
      if (status != MSYS_E_NOMEM) return;
      ++finished;
      void* extra = nullptr;
      std::memcpy(&extra, lua_getextraspace(L), sizeof extra);
      EXPECT_EQ(extra, &host);
      lua_getglobal(L, "note");
      lua_call(L, 0, 0);
    };
    memory.out = without_memory;
    EXPECT_EQ(callout.RunHere(state), MSYS_OK);
    memory.out = false;
  };
  host.On(0, [&] {
    ASSERT_EQ(luaL_dostring(state.L, "function note() kept = coroutine.running() end"),
              LUA_OK);
    lua_setallocf(state.L, &Memory::Allocate, &memory);
    void* const extra = &host;  // after attach()
    std::memcpy(lua_getextraspace(state.L), &extra, sizeof extra);
    run("msys.sleep(3600)", false);
    run("msys.sleep(3600)", true);
    EXPECT_EQ(finished, 1);
    run("status, resumed, text = coroutine.status(kept), coroutine.resume(kept) "
        "closed, why = pcall(coroutine.close, kept) msys.sleep(3600)", false);
    run("msys.sleep(3600)", true);
    EXPECT_EQ(finished, 2);
  });
  EXPECT_EQ(state.Run("return status, resumed, text").text(),
            "OK normal false cannot resume non-suspended coroutine");
  EXPECT_EQ(state.Run("return closed, why").text(),
            "OK false cannot close a normal coroutine");
}

// Nor is it called with a hook that the text of the error has set.
TEST(FinishTest, FinishHasNoHookOfAnErrorValue) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    if (luaL_dostring(L, "return setmetatable({}, {__tostring = function() "
                         "debug.sethook(function() error 'hooked' end, '', 50) "
                         "return 'text' end})") != LUA_OK) return -1;
    return lua_error(L);
  };
  std::string text;
  callout.finish = [&](lua_State* L, msys_status) {
    EXPECT_EQ(lua_gethook(L), nullptr);
    EXPECT_EQ(luaL_dostring(L, "for i = 1, 1000 do end"), LUA_OK);
    text = lua_tostring(L, -1);
  };
  ASSERT_EQ(callout.Run(state), MSYS_OK);
  EXPECT_EQ(callout.Wait(), MSYS_E_LUA);
  EXPECT_EQ(text, "text");
}

// finish() is called whatever prepare() has raised: a session waits for it.
TEST(FinishTest, PrepareRaisesWhatCannotBeMadeText) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    if (luaL_dostring(L, "return setmetatable({}, {__tostring = function() "
                         "error('mean') end})") != LUA_OK) return -1;
    return lua_error(L);
  };
  std::string text;
  callout.finish = [&](lua_State* L, msys_status) { text = lua_tostring(L, -1); };
  ASSERT_EQ(callout.Run(state), MSYS_OK);
  EXPECT_EQ(callout.Wait(), MSYS_E_LUA);
  EXPECT_EQ(text, "an error value that cannot be made text, a table");
}

// It is the host's to free once finish() has been called, whatever that does then.
TEST(FinishTest, FinishFreesItAndRaises) {
  struct Own {
    msys_callout abi{};
    std::string name = "a name that is freed, and longer than a short string";
    std::promise<void>* over;
  };
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  std::promise<void> over;
  auto* own = new Own{.over = &over};
  own->abi.struct_size = sizeof own->abi;
  own->abi.ctx = own;
  own->abi.name = own->name.c_str();
  own->abi.prepare = [](void*, lua_State*) { return -1; };
  own->abi.finish = [](void* ctx, lua_State* L, msys_status, int) {
    auto* self = static_cast<Own*>(ctx);
    self->over->set_value();
    delete self;
    luaL_error(L, "first\nsecond");
  };
  host.On(0, [&] { EXPECT_EQ(plugin.api.run(state.handle, &own->abi), MSYS_OK); });
  over.get_future().wait();
  host.On(0, [] {});
  EXPECT_EQ(host.Logged({"a name that is freed, and longer", "finish() failed: ",
                         "first | second"}), 1u);
}

void RunInFinish(TestState& state, const std::string& source) {
  OwnCallout callout;
  callout.prepare = [](lua_State* L) {
    return luaL_loadstring(L, "return 1") == LUA_OK ? 0 : -1;
  };
  callout.finish = [&](lua_State* L, msys_status) {
    EXPECT_EQ(luaL_dostring(L, source.c_str()), LUA_OK);
  };
  ASSERT_EQ(callout.Run(state), MSYS_OK);
  EXPECT_EQ(callout.Wait(), MSYS_OK);
}

TEST(FinishTest, WhatFinishSubmitsRuns) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  RunInFinish(state, "msys.runInPool('CPU', function() ran = true end, true)");
  while (plugin.Stats("CPU").done < 1) std::this_thread::yield();
  EXPECT_EQ(state.Run("return ran").text(), "OK true");
}

TEST(FinishTest, WhatFinishHasLockedIsUnlocked) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  RunInFinish(state, "msys.lock('kept')");
  EXPECT_EQ(state.Run("return msys.lock('kept')").text(), "OK true");
  EXPECT_EQ(host.Logged({"the callout finish() of state test ended without unlocking the "
                         "lock \"kept\""}), 1u);
}

// It may raise an error, which is logged.
TEST(FinishTest, FinishRaises) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  for (const bool text : {true, false}) {
    msys_callout callout{};
    callout.struct_size = sizeof callout;
    callout.name = text ? "with text" : "without";
    std::promise<void> over;
    callout.ctx = &over;
    callout.prepare = [](void*, lua_State* L) {
      return luaL_loadstring(L, "return 1") == LUA_OK ? 0 : -1;
    };
    callout.finish = [](void* ctx, lua_State* L, msys_status, int) {
      static_cast<std::promise<void>*>(ctx)->set_value();
      if (lua_tointeger(L, -1) == 1) luaL_error(L, "finish broke");
    };
    if (!text) {
      callout.finish = [](void* ctx, lua_State* L, msys_status, int) {
        static_cast<std::promise<void>*>(ctx)->set_value();
        lua_newtable(L);
        lua_error(L);
      };
    }
    host.On(0, [&] { ASSERT_EQ(plugin.api.run(state.handle, &callout), MSYS_OK); });
    over.get_future().wait();
  }
  EXPECT_EQ(state.Run("return 'goes on'").text(), "OK goes on");
  EXPECT_EQ(host.Logged({"callout: with text of state test: finish() failed: ",
                         "finish broke"}), 1u);
  EXPECT_EQ(host.Logged({"callout: without of state test: finish() failed: an error "
                         "value that is not a string"}), 1u);
}

}  // namespace
}  // namespace msys::test
