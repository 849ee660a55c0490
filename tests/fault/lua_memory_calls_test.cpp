// Lua's memory fails in what the host calls: attach, run and session_push_self,
// cancel in every kind of wait, detach and stop with all of them in flight.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "gates.h"
#include "failing_allocator.h"
#include "memory_host.h"

extern "C" {
#include <lauxlib.h>
}

namespace msys::test {
namespace {

using Mode = FailingAllocator::Mode;
constexpr Mode kModes[] = {Mode::kOnce, Mode::kFromThenOn};

// Refused with a word, nothing kept; the one that succeeds works.
TEST(LuaMemoryCallsTest, Attach) {
  FakeHost host;
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  for (const Mode mode : kModes) {
    TestPlugin plugin(api, host);
    lua_State* L = nullptr;
    FailingAllocator allocator;
    host.On(0, [&] { L = lua_newstate(&FailingAllocator::Allocate, &allocator); });
    ASSERT_NE(L, nullptr);
    msys_state* state = nullptr;
    long n = 0;
    for (;; ++n) {
      ASSERT_LT(n, 5000);
      msys_error error{sizeof(msys_error), ""};
      msys_status status = MSYS_OK;
      allocator.Arm(n, mode);
      host.On(0, [&] {
        status = api.attach(plugin.handle, L, 0, "memory", &state, &error);
      });
      const bool failed = allocator.Disarm();
      if (status == MSYS_OK) break;
      ASSERT_TRUE(failed) << error.text;
      ASSERT_EQ(status, MSYS_E_NOMEM) << error.text;
      ASSERT_EQ(state, nullptr);
      ASSERT_NE(std::string(error.text).find("not enough memory"), std::string::npos);
      int top = -1;
      host.On(0, [&] { top = lua_gettop(L); });
      ASSERT_EQ(top, 0);
    }
    EXPECT_GT(n, 10);
    std::promise<void> gone;
    host.On(0, [&] {
      ASSERT_EQ(api.detach(
                    state,
                    [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); },
                    &gone),
                MSYS_OK);
    });
    gone.get_future().wait();
    host.On(0, [&] { lua_close(L); });
    EXPECT_EQ(allocator.bytes(), 0u);
  }
}

// What nobody waits for is in the log when it fails, each closure and each completion
// function.
TEST(LuaMemoryCallsTest, WhatFailsAsynchronouslyIsLogged) {
  for (const Mode mode : kModes) {
    std::uint64_t closures = 0, functions = 0;
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 5000);
      MemoryHost host;
      ASSERT_EQ(host.Run("accepted, ran = 0, 0"), "0");
      host.allocator.Arm(n, mode);
      // One thread, so that the last call waits for the others.
      host.Run("local function count() ran = ran + 1 end "
               "msys.runInPool('SpoolIn', function() return {} end, true) "
               "if msys.runInPool('SpoolIn', function() return {} end, count) then "
               "  accepted = accepted + 1 end "
               "if msys.runInPool('SpoolIn', function() kept = coroutine.running() end, "
               "  count, msys.core.ECTP_COMPLETE_CALLBACK_SCHED) then "
               "  accepted = accepted + 1 end "
               "msys.runInPool('SpoolIn', type, nil)");
      const bool failed = host.allocator.Disarm();
      host.AwaitRest();
      const std::string counted = host.Run("return accepted - ran");
      const std::uint64_t lost = host.host.Logged({"the completion function for"});
      EXPECT_EQ(counted, "0 " + std::to_string(lost)) << n;
      const std::uint64_t logged = host.host.Logged({"runInPool", "SpoolIn: closure"});
      EXPECT_GE(host.Failed("SpoolIn"), logged) << n;
      EXPECT_LE(host.Failed("SpoolIn"), logged + 1) << "the last one's caller is told";
      closures += logged;
      functions += lost;
      if (!failed) break;
    }
    EXPECT_GT(closures, 0u);
    if (mode == Mode::kFromThenOn) {
      EXPECT_GT(functions, 0u);
    }
  }
}

// Neither the traceback of an error that another one replaced, nor what a refused call
// had kept already.
TEST(LuaMemoryCallsTest, NothingIsKeptOfWhatHasFailed) {
  MemoryHost host;
  Gates gates(host.plugin.api);
  host.host.On(0, [&] { gates(host.state.L); });
  const auto run = [&](const char* source) {
    for (int i = 0; i < MemoryHost::kTimes; ++i) EXPECT_EQ(host.Run(source), "0");
  };
  constexpr char kReplaced[] =
      "msys.runInPool('CPU', function() "
      "  local x <close> = setmetatable({}, { __close = function() error('two') end }) "
      "  error('one') end, true)";
  constexpr char kRefused[] =
      "_TLS.x = {} "
      "table.sort({ 1, 2 }, function() "
      "  assert(not pcall(msys.runInPool, 'tiny', function() end, true)) "
      "  assert(not pcall(msys.runInPool, 'tiny', function() end, function() end)) "
      "  return false end)";
  run(kReplaced);
  const std::size_t before = host.WhatIsKept().anchors;
  run(kReplaced);
  EXPECT_EQ(host.WhatIsKept().anchors, before) << "after replaced errors";
  EXPECT_EQ(host.Run("msys.runInPool('tiny', block, true)"), "0");
  gates["block"].AwaitArrivals();
  EXPECT_EQ(host.Run("msys.runInPool('tiny', function() end, true)"), "0");
  run(kRefused);
  gates["block"].Open();
  EXPECT_EQ(host.WhatIsKept().anchors, before) << "after refusals";
}

// A phase of a session, in whose prepare() and finish() Lua may raise.
class Phase {
 public:
  Phase(MemoryHost& host, msys_session* session) : host_(host), session_(session) {
    callout_.struct_size = sizeof callout_;
    callout_.ctx = this;
    callout_.session = session;
    callout_.prepare = [](void* ctx, lua_State* L) {
      auto& self = *static_cast<Phase*>(ctx);
      lua_getglobal(L, "policy");
      lua_getfield(L, -1, "phase");
      lua_insert(L, -2);
      self.host_.plugin.api.session_push_self(self.session_, L);
      lua_pushinteger(L, 1);
      return 2;
    };
    callout_.finish = [](void* ctx, lua_State* L, msys_status status, int) {
      static_cast<Phase*>(ctx)->over_.set_value(status);  // it may be gone now
      lua_createtable(L, 10, 10);
    };
  }
  // What finish() was told; once.
  msys_status Run() {
    msys_status status = MSYS_OK;
    host_.host.On(0, [&] {
      status = host_.plugin.api.run(host_.state.handle, &callout_);
    });
    EXPECT_EQ(status, MSYS_OK);
    return over_.get_future().get();
  }

 private:
  MemoryHost& host_;
  msys_session* session_;
  msys_callout callout_{};
  std::promise<msys_status> over_;
};

TEST(LuaMemoryCallsTest, RunOfASessionsPhase) {
  for (const Mode mode : kModes) {
    MemoryHost host;
    ASSERT_EQ(host.Run("policy = { phase = function(self, n)"
                       "  self.n = (self.n or 0) + n _TLS.n = self.n return self.n end }"),
              "0");
    bool failed = false;
    const auto phase = [&](long n) {
      msys_session* session = host.state.OpenSession();
      if (n >= 0) host.allocator.Arm(n, mode);
      const msys_status status = Phase(host, session).Run();
      host.state.CloseSession(session);
      failed |= host.allocator.Disarm();
      return status;
    };
    for (int i = 0; i < 8; ++i) ASSERT_EQ(phase(-1), MSYS_OK);
    const Kept before = host.WhatIsKept();
    for (long n = 0;; ++n) {
      ASSERT_LT(n, 5000);
      failed = false;
      for (int i = 0; i < MemoryHost::kTimes; ++i) {
        const msys_status status = phase(n);
        EXPECT_TRUE(status == MSYS_OK || status == MSYS_E_LUA ||
                    status == MSYS_E_NOMEM)
            << status;
      }
      host.ExpectNothingLeft();
      ASSERT_EQ(phase(-1), MSYS_OK) << "after request " << n;
      host.ExpectKept(before, "after request " + std::to_string(n));
      if (HasNonfatalFailure()) return;
      if (!failed) break;
    }
  }
}

// ---- what waits, and is ended --------------------------------------------------

struct Waiting {
  const char* name;
  const char* policy;
};

constexpr Waiting kWaits[] = {
    {"for_a_running_job", "msys.runInPool('CPU', block)"},
    {"for_a_queued_job", "msys.runInPool('SpoolIn', function() end)"},
    {"with_queued_jobs",
     "for i = 1, 3 do msys.runInPool('SpoolIn', function() end, true) end "
     "msys.runInPool('SpoolIn', function() end, function() end) msys.sleep(3600)"},
    {"for_room", "msys.runInPool('tiny', function() end)"},
    {"for_room_asynchronously", "msys.runInPool('tiny', function() end, true)"},
    {"for_a_job_object",
     "local _, job = msys.runInPool('SpoolIn', function() end, function() end) "
     "job:wait()"},
    {"asleep", "msys.sleep(3600)"},
    {"for_a_lock", "msys.lock 'held'"},
    {"for_a_mutex", "held:lock()"},
    {"with_locks", "msys.lock 'mine' thread.mutex():lock() msys.sleep(3600)"},
    {"for_another_loop",
     "msys.runInInst(1, function() msys.runInPool('SpoolIn', function() end) end)"},
    {"nested",
     "msys.runInPool('IO', function() msys.runInPool('SpoolIn', function() end) end)"},
    {"in_a_generator",
     "coroutine.wrap(function() coroutine.wrap(function() "
     "  xpcall(function() msys.runInPool('SpoolIn', function() end) end, function() end) end)() end)()"},
};

// Others have what it waits for, until the gates are opened.
constexpr char kOccupied[] =
    "msys.runInPool('SpoolIn', block, true) "
    "for i = 1, 2 do msys.runInPool('tiny', block, true) end "
    "msys.lock 'held' held = held or thread.mutex() held:lock() "
    "msys.runInPool('CPU', block) msys.unlock 'held' held:unlock()";

std::string Guarded(const Waiting& wait) {
  return "local guard <close> = setmetatable({}, { __close = function() "
         "  closed = (closed or 0) + 1 error 'in closing' end }) " +
         std::string(wait.policy);
}

// A host in which one callout has all, and others may wait for it.
class Round {
 public:
  explicit Round(MemoryHost& host) : host_(host), gates_(host.plugin.api) {
    host_.host.On(0, [&] { gates_(host_.state.L); });
    occupied_ = host_.state.Start(kOccupied);
    gates_["block"].AwaitArrivals(3);
  }
  ~Round() {
    Open();
    occupied_->Wait();
    if (!detached_) host_.AwaitRest();  // nobody is in a gate, or on the way to one
  }
  std::unique_ptr<Running> Start(const Waiting& wait) {
    auto running = host_.state.Start(Guarded(wait));
    host_.Run("return 1");  // behind it: it has begun
    return running;
  }
  // All that it can, on the way to what it waits for, is done.
  void Settle() {
    for (int i = 0; i < 3; ++i) host_.Run("msys.runInPool('IO', function() end)");
  }
  void Open() { gates_["block"].Open(); }
  void Detached() {
    host_.state.AwaitDetached();
    detached_ = true;
  }

 private:
  MemoryHost& host_;
  Gates gates_;
  std::unique_ptr<Running> occupied_;
  bool detached_ = false;
};

class LuaMemoryWaitTest : public testing::TestWithParam<Waiting> {};

TEST_P(LuaMemoryWaitTest, Cancel) {
  for (const Mode mode : kModes) {
    MemoryHost host;
    bool failed = false;
    const auto cancel = [&](long n) {
      Round round(host);
      auto running = round.Start(GetParam());
      round.Settle();
      if (n >= 0) host.allocator.Arm(n, mode);
      EXPECT_EQ(running->Cancel(), MSYS_OK);
      EXPECT_EQ(running->Wait().text(), "CANCELLED");
      failed |= host.allocator.Disarm();
    };
    for (int i = 0; i < 16; ++i) cancel(-1);
    const Kept before = host.WhatIsKept();
    long n = 0;
    for (;; ++n) {
      ASSERT_LT(n, 5000);
      failed = false;
      for (int i = 0; i < MemoryHost::kTimes; ++i) cancel(n);
      host.ExpectNothingLeft();
      host.ExpectKept(before, "after request " + std::to_string(n));
      if (HasNonfatalFailure()) return;
      if (!failed) break;
    }
    EXPECT_EQ(host.Run("closed = 0"), "0");
    cancel(-1);
    EXPECT_EQ(host.Run("return closed"), "0 1");
    std::printf("%s: each of %ld requests has failed\n", GetParam().name, n);
  }
}

INSTANTIATE_TEST_SUITE_P(Waits, LuaMemoryWaitTest, testing::ValuesIn(kWaits),
                         [](const auto& i) { return std::string(i.param.name); });

// Ends a state in which all of that goes on, as `end` does it, while the n-th
// request fails, for every `step`-th n.
void EndWithEverythingInFlight(
    int step, const std::function<void(MemoryHost& host)>& end) {
  for (const Mode mode : kModes) {
    for (long n = 0;; n += step) {
      ASSERT_LT(n, 5000);
      bool failed = false;
      {
        MemoryHost host;
        {
          Round round(host);
          std::vector<std::unique_ptr<Running>> all;
          for (const Waiting& wait : kWaits) all.push_back(round.Start(wait));
          round.Settle();
          host.allocator.Arm(n, mode);
          end(host);
          round.Open();
          for (const auto& running : all) running->Wait();
          round.Detached();
          failed = host.allocator.Disarm();
        }
        for (std::uint32_t i = 0; i < host.plugin.api.pool_count(host.plugin.handle);
             ++i) {
          msys_pool_stats s{};
          s.struct_size = sizeof s;
          host.plugin.api.pool_stats(host.plugin.handle, i, &s);
          ASSERT_EQ(s.queued + s.running + s.suspended, 0u) << s.name;
          ASSERT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused);
        }
        host.host.On(0, [&] { EXPECT_EQ(lua_gettop(host.state.L), 0); });
      }
      if (!failed) {
        EXPECT_GT(n, 10);
        break;
      }
    }
  }
}

TEST(LuaMemoryCallsTest, Detach) {
  EndWithEverythingInFlight(1, [](MemoryHost& host) { host.state.Detach(); });
}

TEST(LuaMemoryCallsTest, Stop) {
  // Each takes the time that stop() gives to what is cancelled.
  EndWithEverythingInFlight(7, [](MemoryHost& host) {
    EXPECT_EQ(host.plugin.Stop(0), MSYS_E_BUSY);
    host.state.Detach();
  });
}

}  // namespace
}  // namespace msys::test
