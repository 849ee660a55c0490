// A policy, or a C library that it calls, ends the process: os.exit(), exit().
// It ends at once and with that status, whatever else runs; nothing is drained.
// Each case is a process of its own, forked before there are threads.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "gates.h"
#include "child.h"

namespace msys::test {
namespace {

struct Case {
  const char* name;
  const char* policy;
};

constexpr Case kCases[] = {
    {"os_exit_in_a_closure", "msys.runInPool('CPU', function() os.exit(3) end)"},
    // Closes the Lua state first, on the pool's thread and under the closure.
    {"os_exit_that_closes_in_a_closure",
     "setmetatable({}, { __gc = function() pcall(msys.runInPool, 'IO', print, true) "
     "end }) guard = thread.mutex() guard:lock() "
     "msys.runInPool('CPU', function() coroutine.wrap(function() _TLS.x = 1 end)() "
     "  os.exit(3, true) end)"},
    {"os_exit_in_a_coroutine",
     "msys.runInPool('CPU', coroutine.wrap(function() os.exit(3, true) end))"},
    {"exit_by_c_in_a_closure", "msys.runInPool('CPU', function() c_exit(3) end)"},
    {"exit_by_c_in_a_blocking_region",
     "msys.runInPool('CPU', function() c_exit_blocking(3) end)"},
    {"in_a_completion",
     "local _, job = msys.runInPool('CPU', function() end, "
     "  function() os.exit(3, true) end) job:wait() msys.sleep(3600)"},
    {"in_a_completion_on_the_loop",
     "msys.runInPool('CPU', function() end, function() os.exit(3) end, "
     "  msys.core.ECTP_COMPLETE_CALLBACK_SCHED) msys.sleep(3600)"},
    {"in_a_finaliser",
     "msys.runInPool('CPU', function() "
     "  setmetatable({}, { __gc = function() os.exit(3) end }) "
     "  collectgarbage() end)"},
    {"in_a_callout", "os.exit(3)"},
    {"that_closes_in_a_callout", "os.exit(3, true)"},
    {"while_nested",
     "msys.runInPool('SpoolIn', function() msys.runInPool('SpoolIn', function() "
     "  os.exit(3, true) end) end)"},
};

int CExit(lua_State* L) { std::exit(static_cast<int>(luaL_checkinteger(L, 1))); }

const msys_api* api;
int CExitBlocking(lua_State* L) {
  const auto status = static_cast<int>(luaL_checkinteger(L, 1));
  msys_blocking region;
  api->blocking_begin(L, &region);
  std::exit(status);
}

// Does not return.
void UntilExit(const char* policy) {
  api = &LoadApi(PLUGIN);
  FakeHost host(2);
  TestPlugin plugin(*api, host, {{"here", 2}, {"there", 2}});
  Gates gates(*api), elsewhere(*api);
  TestState state(plugin, 0, "ends", [&](lua_State* L) {
    gates(L);
    lua_register(L, "c_exit", &CExit);
    lua_register(L, "c_exit_blocking", &CExitBlocking);
  });
  TestState other(plugin, 1, "other", std::ref(elsewhere));
  // What runs, waits and is queued meanwhile, here and in another state.
  auto here = state.Start("for i = 1, 10 do msys.runInPool('here', block, true) end "
                          "msys.runInPool('IO', function() msys.sleep(3600) end, true)");
  auto there = other.Start("for i = 1, 10 do msys.runInPool('there', block, true) end");
  gates["block"].AwaitArrivals(2);
  elsewhere["block"].AwaitArrivals(2);
  auto sleeps = other.Start("msys.sleep(3600)");
  auto ends = state.Start(policy);
  ends->Wait();
  sleeps->Wait();
}

class ExitTest : public testing::TestWithParam<Case> {};

TEST_P(ExitTest, EndsTheProcessAtOnceWithItsStatus) {
  EXPECT_EQ(InChild([] {
              UntilExit(GetParam().policy);
              return 99;
            }),
            "exit 3");
}

INSTANTIATE_TEST_SUITE_P(Ways, ExitTest, testing::ValuesIn(kCases),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace msys::test
