// operator new fails the n-th request made by what the host calls, n rising until
// it succeeds: each failure is a status, nothing has changed, the next call works.
#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <string>

#include "gates.h"
#include "../regression/own_callout.h"
#include "failing_new.h"
#include "memory_host.h"

extern "C" {
#include <lauxlib.h>
}

namespace msys::test {
namespace {

using Mode = FailingNew::Mode;
constexpr Mode kModes[] = {Mode::kOnce, Mode::kFromThenOn};

// Calls call(), which is the plugin's, until it gives MSYS_OK.
void ExpectCleanFailures(const char* what, const std::function<msys_status()>& call) {
  for (const Mode mode : kModes) {
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 2000);
      const long before = FailingNew::blocks();
      FailingNew::Arm(n, mode);
      const msys_status status = call();
      const bool failed = FailingNew::Disarm();
      if (status == MSYS_OK) {
        std::printf("%s: each of %ld requests has failed\n", what, n);
        break;
      }
      ASSERT_TRUE(failed) << what;
      ASSERT_EQ(status, MSYS_E_NOMEM) << what;
      ASSERT_LE(FailingNew::blocks(), before) << what;
    }
  }
}

class CxxMemoryCallsTest : public testing::Test {
 protected:
  // On the loop, whose machinery is the test's.
  template <typename Call>
  msys_status OnLoop(Call call) {
    const Exempt machinery;
    msys_status status = MSYS_OK;
    host.host.On(0, [&] {
      const NotExempt plugins;
      status = call();
    });
    return status;
  }

  MemoryHost host;
  const msys_api& api = ExemptHostApi();
};

TEST_F(CxxMemoryCallsTest, Open) {
  const msys_host abi = host.host.Abi();
  ExpectCleanFailures("open", [&] {
    msys_plugin* plugin = nullptr;
    const msys_status status = api.open(&abi, nullptr, &plugin, nullptr);
    EXPECT_EQ(status == MSYS_OK, plugin != nullptr);
    if (plugin == nullptr) return status;
    EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
    EXPECT_EQ(api.close(plugin), MSYS_OK);
    return MSYS_OK;
  });
}

TEST_F(CxxMemoryCallsTest, Configure) {
  int made = 0;
  std::uint32_t threads = host.plugin.Stats("CPU").concurrency;
  ExpectCleanFailures("configure", [&] {
    const std::string name = "new" + std::to_string(made);  // short: needs no memory
    const msys_pool_config pools[] = {
        {sizeof(msys_pool_config), threads + 1, "CPU", MSYS_UNSET, MSYS_UNSET},
        {sizeof(msys_pool_config), 300, name.c_str(), 7, MSYS_UNSET}};
    const msys_config config{sizeof(msys_config), 2, pools, 0};
    const std::uint32_t before = api.pool_count(host.plugin.handle);
    const msys_status status = api.configure(host.plugin.handle, &config, nullptr);
    EXPECT_EQ(api.pool_count(host.plugin.handle), before + (status == MSYS_OK));
    made += status == MSYS_OK;
    threads += status == MSYS_OK;
    const Exempt reading;
    EXPECT_EQ(host.plugin.Stats("CPU").concurrency, threads);
    return status;
  });
  EXPECT_EQ(host.Run("return msys.runInPool('new0', function() return 1 end)"),
            "0 true 1");
}

TEST_F(CxxMemoryCallsTest, Attach) {
  std::promise<void> gone;
  lua_State* L = luaL_newstate();
  msys_state* state = nullptr;
  ExpectCleanFailures("attach", [&] {
    return OnLoop([&] {
      if (state != nullptr) return msys_status{MSYS_OK};  // the second mode
      return api.attach(host.plugin.handle, L, 0, "memory", &state, nullptr);
    });
  });
  OnLoop([&] {
    return api.detach(
        state, [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); },
        &gone);
  });
  gone.get_future().wait();
  lua_close(L);
}

TEST_F(CxxMemoryCallsTest, Sessions) {
  ExpectCleanFailures("session_open", [&] {
    msys_session* session = nullptr;
    const msys_status status =
        OnLoop([&] { return api.session_open(host.state.handle, &session); });
    EXPECT_EQ(status == MSYS_OK, session != nullptr);
    OnLoop([&] {
      api.session_close(session);
      return msys_status{MSYS_OK};
    });
    return status;
  });
}

TEST_F(CxxMemoryCallsTest, FiguresAndCommands) {
  ExpectCleanFailures("pool_stats", [&] {
    msys_pool_stats stats{};
    stats.struct_size = sizeof stats;
    return api.pool_stats(host.plugin.handle, 0, &stats);
  });
  for (const char* command :
       {"threads stats", "threads busy", "threads CPU queue", "threads CPU stats"}) {
    ExpectCleanFailures(command, [&] {
      return api.console(
          host.plugin.handle, command, [](void*, const char*, std::size_t) {},
          nullptr);
    });
  }
}

TEST_F(CxxMemoryCallsTest, ARefusedCallIsCountedAndLogged) {
  std::uint64_t refused = 0;
  for (long n = 0;; ++n) {
    ASSERT_LT(n, 2000);
    const Exempt machinery;
    // Of a new state, which has no job to use again.
    TestState fresh(host.plugin, 0, "fresh");
    FailingNew::Arm(n, Mode::kFromThenOn);
    const std::string result = ExemptCall::Run(
        api, host.host, fresh.handle,
        "weak = setmetatable({ function() return weak end }, { __mode = 'v' }) "
        "return pcall(msys.runInPool, 'CPU', weak[1], true)");
    const bool failed = FailingNew::Disarm();
    if (result.find("runInPool: not enough memory") != result.npos) {
      ++refused;
      EXPECT_EQ(ExemptCall::Run(api, host.host, fresh.handle,
                                "collectgarbage() collectgarbage() return weak[1]"),
                "0 nil");
    }
    EXPECT_EQ(host.plugin.Stats("CPU").refused, refused) << result;
    EXPECT_EQ(host.host.Logged({"was refused: not enough memory"}), refused) << result;
    if (!failed) break;
  }
  EXPECT_GT(refused, 0u);
}

// cancel() and detach() cannot fail: what they do needs no memory.
TEST_F(CxxMemoryCallsTest, CancelAndDetachNeedNone) {
  Gates gates(api);
  host.host.On(0, [&] { gates(host.state.L); });
  std::list<OwnCallout> all;  // which need no memory to be finished
  for (const char* policy :
       {"msys.runInPool('CPU', block)", "pcall(msys.sleep, 3600)",
        "msys.lock 'x' msys.runInPool('IO', block)", "pcall(msys.lock, 'x')",
        "msys.runInPool('CPU', function() msys.runInPool('IO', block) end)"}) {
    OwnCallout& callout = all.emplace_back();
    callout.prepare = [policy](lua_State* L) {
      return luaL_loadstring(L, policy) == LUA_OK ? 0 : -1;
    };
    ASSERT_EQ(callout.Run(host.state), MSYS_OK);
  }
  gates["block"].AwaitArrivals(3);
  const Exempt machinery;
  FailingNew::Arm(0, Mode::kFromThenOn);
  for (OwnCallout* callout : {&all.front(), &*std::next(all.begin())}) {
    EXPECT_EQ(OnLoop([&] { return callout->CancelHere(host.state); }), MSYS_OK);
  }
  host.state.Detach();
  gates["block"].Open();
  for (OwnCallout& callout : all) callout.Wait();
  host.state.AwaitDetached();
  FailingNew::Disarm();
  host.ExpectBalance();
}

}  // namespace
}  // namespace msys::test
