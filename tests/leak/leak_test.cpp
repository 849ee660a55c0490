// Memory stays flat over 100,000 calls, 1,000 attach/detach cycles, 1,000 open/stop
// cycles, and as many of a whole plugin from dlopen() to dlclose().  Each does a share first, so that what is kept for reuse is there, then
// all of it; what glibc has handed out, what Lua counts and what is resident may
// differ only by what a single object leaked each time would exceed.
//
// MSYS_LEAK_PERMILLE=10 does a hundredth, for valgrind.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "fake_host.h"
#include "test_plugin.h"

extern "C" {
#include <lua.h>
}

namespace msys::test {
namespace {

// The plugin, with a host that does not keep what is logged.
const msys_api& Api() {
  static const msys_api quiet = [] {
    msys_api api = *msys_plugin_entry(MSYS_ABI_MAJOR);
    api.open = [](const msys_host* host, const msys_config* config,
                  msys_plugin** out, msys_error* error) {
      msys_host silent = *host;
      silent.log = [](void*, std::int32_t, const char*, const char*) {};
      return msys_plugin_entry(MSYS_ABI_MAJOR)->open(&silent, config, out, error);
    };
    return api;
  }();
  return quiet;
}

int Share(int count) {
  const char* value = std::getenv("MSYS_LEAK_PERMILLE");
  return value == nullptr ? count : std::max(1, count * std::atoi(value) / 1000);
}

struct Memory {
  long handed_out = 0;  // bytes, by malloc
  long resident = 0;    // bytes
};

Memory Now() {
  Memory now;
  const struct mallinfo2 info = mallinfo2();
  now.handed_out = static_cast<long>(info.uordblks + info.hblkhd);
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  statm >> size >> now.resident;
  now.resident *= sysconf(_SC_PAGESIZE);
  return now;
}

// Eight bytes leaked each time would be more than `slack`, for 100,000 times;
// for 1,000, the smallest object of the plugin would.
void ExpectFlat(const char* what, int count, long slack,
                const std::function<void(int)>& work) {
  work(std::max(1, count / 5));
  const Memory before = Now();
  work(count);
  const Memory after = Now();
  std::printf("%s, %d times: handed out %+ld bytes, resident %+ld bytes\n", what,
              count, after.handed_out - before.handed_out,
              after.resident - before.resident);
  if (count < 1000) return;  // under valgrind, whose figures these are
  EXPECT_LE(after.handed_out - before.handed_out, slack);
  EXPECT_LE(after.resident - before.resident, 8L << 20);
}

long LuaBytes(TestState& state) {
  long bytes = 0;
  state.plugin.host.On(state.loop, [&] {
    lua_gc(state.L, LUA_GCCOLLECT, 0);
    lua_gc(state.L, LUA_GCCOLLECT, 0);
    bytes = lua_gc(state.L, LUA_GCCOUNT, 0) * 1024L + lua_gc(state.L, LUA_GCCOUNTB, 0);
  });
  return bytes;
}

// Every form of a call, `n` calls in all.
constexpr const char* kCalls = R"(
  local n = ...
  for i = 1, n // 10 do
    msys.runInPool("CPU", function() return i end)
    msys.runInPool("IO", function() error("x", 0) end)
    msys.runInPool("IO", function() _TLS.x = i end, true)
    msys.runInPool("CPU", function() _OSTLS.x = {} end, true)
    local _, job = msys.runInPool("CPU", function() return {} end, function() end)
    job:wait()
    local _, late = msys.runInPool("IO", function() end, function() end)
    late:cancel()
    msys.runInPool("CPU", function()
      msys.runInPool("IO", function() end)
    end)
    msys.runInPool("CPU", coroutine.wrap(function() end))
    msys.lock("name")
    msys.unlock("name")
    local guard = thread.mutex()
    guard:lock()
    coroutine.wrap(function() _TLS.y = i end)()
    msys.runInPool("IO", function() setmetatable({}, { __gc = function() end }) end)
  end
)";

std::string Calls(int n) {
  return "(function(...) " + std::string(kCalls) + " end)(" + std::to_string(n) + ")";
}

TEST(LeakTest, CallsLeaveNothing) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  TestState state(plugin);
  const int count = Share(100'000);
  long lua = 0;
  ExpectFlat("calls", count, 256L << 10, [&](int n) {
    // In callouts of a thousand: each begins and ends as a session's phase.
    for (int left = n; left > 0; left -= 1000) {
      msys_session* session = state.OpenSession();
      ASSERT_EQ(state.Run(Calls(std::min(left, 1000)), session).text(), "OK");
      state.CloseSession(session);
    }
    while (plugin.Stats("CPU").queued + plugin.Stats("IO").queued +
           plugin.Stats("CPU").running + plugin.Stats("IO").running > 0) {
      state.Run("msys.runInPool('CPU', function() end)");
    }
    const long now = LuaBytes(state);
    if (lua != 0) {
      std::printf("Lua: %+ld bytes\n", now - lua);
      EXPECT_LE(now - lua, 256L << 10);
    }
    lua = now;
  });
}

TEST(LeakTest, StatesLeaveNothing) {
  FakeHost host;
  TestPlugin plugin(Api(), host);
  ExpectFlat("attach and detach", Share(1000), 256L << 10, [&](int n) {
    for (int i = 0; i < n; ++i) {
      TestState state(plugin);
      msys_session* session = state.OpenSession();
      ASSERT_NE(session, nullptr);
      auto call = state.Start(Calls(10), session);
      if (i % 2 == 0) call->Wait();  // the others are ended by detach()
      state.Detach();
      state.AwaitDetached();
    }
  });
}

TEST(LeakTest, PluginsLeaveNothing) {
  ExpectFlat("open and stop", Share(1000), 256L << 10, [](int n) {
    FakeHost host;
    for (int i = 0; i < n; ++i) {
      TestPlugin plugin(Api(), host, {{"CPU", 2}, {"new", 1}});
      TestState state(plugin);
      ASSERT_EQ(state.Run("msys.runInPool('new', function() end)").text(), "OK");
    }
  });
}

TEST(LeakTest, LoadsLeaveNothing) {
  ExpectFlat("load, open, stop and unload", Share(1000), 256L << 10, [](int n) {
    FakeHost host;
    for (int i = 0; i < n; ++i) {
      void* library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
      ASSERT_NE(library, nullptr) << dlerror();
      const auto entry = reinterpret_cast<msys_plugin_entry_fn>(
          dlsym(library, MSYS_PLUGIN_ENTRY));
      {
        TestPlugin plugin(*entry(MSYS_ABI_MAJOR), host);
        TestState state(plugin);
        ASSERT_EQ(state.Run("msys.runInPool('IO', function() end)").text(), "OK");
      }
      ASSERT_EQ(dlclose(library), 0);
    }
  });
}

}  // namespace
}  // namespace msys::test
