// Lua's allocator fails the n-th request, n rising until a form of the call
// gets by: after each failure every job is accounted for, nothing is left
// behind, and the next call works.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "exempt.h"
#include "fake_host.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

// Used by the holder of the turn only, but armed by the test's thread.
struct Allocator {
  std::atomic<long> left{-1};  // requests that succeed; negative: all
  std::atomic<bool> retry{false};
  std::atomic<bool> failed{false};
  std::atomic<std::size_t> bytes{0};

  static void* Allocate(void* ud, void* block, std::size_t old_size,
                        std::size_t new_size) {
    auto& self = *static_cast<Allocator*>(ud);
    if (block == nullptr) old_size = 0;  // then it is a kind of object
    if (new_size == 0) {
      std::free(block);
      self.bytes -= old_size;
      return nullptr;
    }
    // Lua counts on shrinking to succeed.
    if (new_size > old_size && exempt == 0 && self.left >= 0) {
      const long left = self.left--;
      // Lua collects garbage and asks once more.
      if (left == 0) self.retry = true;
      if (left == 0) return nullptr;
    } else if (new_size > old_size && exempt == 0 && self.retry) {
      self.retry = false;
      self.failed = true;
      return nullptr;
    }
    void* made = std::realloc(block, new_size);
    if (made != nullptr) self.bytes += new_size - old_size;
    return made;
  }

  void Arm(long n) {
    failed = retry = false;
    left = n;
  }
  bool Disarm() {
    left = -1;
    retry = false;
    return failed;
  }
};

struct Form {
  const char* name;
  const char* source;
  const char* expected;
};

constexpr Form kForms[] = {
    {"sync", "return msys.runInPool('CPU', function() return 1, 'two' end)",
     "0 true 1 two"},
    {"sync_error",
     "local ok, e = msys.runInPool('CPU', function() error({}) end) "
     "return ok, type(e)",
     "0 false table"},
    {"async",
     "msys.runInPool('CPU', function() return {} end, true) "
     "return msys.runInPool('CPU', function() end)",
     "0 true"},
    {"async_error",
     "msys.runInPool('CPU', function() error('expected') end, true) "
     "return msys.runInPool('CPU', function() end)",
     "0 true"},
    {"completion",
     "local got; local _, job = msys.runInPool('CPU', "
     "  function() return 1, 2, 3, 4, 5, 6 end, function(...) got = {...} end) "
     "return select('#', job:wait())",
     "0 7"},
    {"completion_sched",
     "local _, job = msys.runInPool('IO', function() return {} end, "
     "  function(ok, t) t.x = ok end, msys.core.ECTP_COMPLETE_CALLBACK_SCHED) "
     "local _, t = job:wait() return type(t)",
     "0 table"},
    {"nested",
     "return msys.runInPool('CPU', function() "
     "  return msys.runInPool('IO', function() return 'in' end) end)",
     "0 true true in"},
    {"generator",
     "local g = coroutine.wrap(function() for i = 1, 2 do "
     "  coroutine.yield(select(2, msys.runInPool('CPU', function() return i end)))"
     " end end) return g(), g()",
     "0 1 2"},
    {"sharing",
     "_TLS.x = {} _OSTLS.y = {} return msys.runInPool('CPU', function() "
     "  _OSTLS.z = 1 return type(_TLS.x) end)",
     "0 true table"},
    {"cancelled_job",
     "local _, job = msys.runInPool('CPU', function() end, function() end) "
     "return job:cancel(), job:status(), job:wait()",
     "0 true cancelled false cancelled: by job:cancel()"},
    {"coroutine_of_script",
     "local co = coroutine.running() local ok = msys.runInPool('CPU', "
     "  function() return coroutine.running() end) return ok, type(co)",
     "0 true thread"},
};

class LuaMemoryTest : public testing::TestWithParam<Form> {
 protected:
  void ExpectAllOver() {
    for (const char* pool : {"CPU", "IO"}) {
      const msys_pool_stats s = plugin_.Stats(pool);
      EXPECT_EQ(s.queued, 0u) << pool;
      EXPECT_EQ(s.running, 0u) << pool;
      EXPECT_EQ(s.suspended, 0u) << pool;
      EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused)
          << pool;
    }
  }
  std::string Run(const char* source) {
    return ExemptCall::Run(plugin_.api, host_, state_.handle, source);
  }
  // Everything that is garbage is collected, twice for what finalisers free.
  std::size_t Bytes() {
    EXPECT_EQ(Run("collectgarbage() collectgarbage() return 0"), "0 0");
    return allocator_.bytes;
  }

  FakeHost host_;
  TestPlugin plugin_{*msys_plugin_entry(MSYS_ABI_MAJOR), host_};
  Allocator allocator_;
  TestState state_{plugin_, 0, "memory", [this](lua_State* L) {
                     lua_setallocf(L, &Allocator::Allocate, &allocator_);
                   }};
};

TEST_P(LuaMemoryTest, EachFailureIsCleanAndTheNextCallWorks) {
  const Form& form = GetParam();
  // Stacks and caches grow to the size that they keep.
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Run(form.source), form.expected);
  }
  const std::size_t before = Bytes();
  for (long n = 0;; ++n) {
    ASSERT_LT(n, 5000) << "it never gets by";
    allocator_.Arm(n);
    const std::string result = Run(form.source);
    // Asynchronous work may still be going on: a call behind it in its pool
    // ends after it.
    const bool failed = allocator_.Disarm();
    for (const char* pool : {"'CPU'", "'IO'"}) {
      Run((std::string("return msys.runInPool(") + pool + ", function() end)")
              .c_str());
    }
    ExpectAllOver();
    ASSERT_EQ(Run(form.source), form.expected)
        << "after the failure of request " << n;
    ASSERT_LE(Bytes(), before + 2048) << "after the failure of request " << n;
    if (!failed) {
      EXPECT_EQ(result, form.expected);
      break;
    }
  }
  EXPECT_LE(Bytes(), before + 2048) << "what is left behind must not add up";
}

INSTANTIATE_TEST_SUITE_P(Forms, LuaMemoryTest, testing::ValuesIn(kForms),
                         [](const auto& i) { return std::string(i.param.name); });

// attach() on a state whose n-th request fails: refused with a word, nothing
// kept; the one that succeeds works.
TEST(LuaMemoryAttachTest, AttachFailsCleanly) {
  FakeHost host;
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  TestPlugin plugin(api, host);
  lua_State* L = nullptr;
  Allocator allocator;
  host.On(0, [&] { L = lua_newstate(&Allocator::Allocate, &allocator); });
  ASSERT_NE(L, nullptr);
  msys_state* state = nullptr;
  long n = 0;
  for (;; ++n) {
    ASSERT_LT(n, 5000);
    msys_error error{};
    error.struct_size = sizeof error;
    msys_status status = MSYS_OK;
    allocator.Arm(n);
    host.On(0, [&] {
      status = api.attach(plugin.handle, L, 0, "memory", &state, &error);
    });
    const bool failed = allocator.Disarm();
    if (status == MSYS_OK) break;
    ASSERT_TRUE(failed) << error.text;
    ASSERT_EQ(status, MSYS_E_NOMEM) << error.text;
    ASSERT_EQ(state, nullptr);
    ASSERT_NE(std::string(error.text).find("not enough memory"),
              std::string::npos);
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
  EXPECT_EQ(allocator.bytes, 0u);
}

}  // namespace
}  // namespace msys::test
