// A host with one attached state whose memory can be made to fail, and what must
// be the same before and after a failure.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <string>
#include <thread>

#include "exempt.h"
#include "failing_allocator.h"
#include "fake_host.h"
#include "forms.h"
#include "state.h"
#include "test_plugin.h"

namespace msys::test {

// The plugin, with a host whose callbacks are exempt: they are the test's.
inline const msys_api& ExemptHostApi() {
  static const msys_api api = [] {
    msys_api copy = *msys_plugin_entry(MSYS_ABI_MAJOR);
    copy.open = [](const msys_host* host, const msys_config* config,
                   msys_plugin** out, msys_error* error) {
      static std::list<msys_host> hosts;
      msys_host abi = *host;
      {
        const Exempt guard;
        abi.ctx = &hosts.emplace_back(*host);
      }
      abi.post = [](void* ctx, std::uint32_t loop, msys_task* task) {
        const Exempt guard;
        const auto& inner = *static_cast<msys_host*>(ctx);
        inner.post(inner.ctx, loop, task);
      };
      abi.on_loop = [](void* ctx, std::uint32_t loop) {
        const auto& inner = *static_cast<msys_host*>(ctx);
        return inner.on_loop(inner.ctx, loop);
      };
      abi.log = [](void* ctx, std::int32_t level, const char* component,
                   const char* text) {
        const Exempt guard;
        const auto& inner = *static_cast<msys_host*>(ctx);
        inner.log(inner.ctx, level, component, text);
      };
      return msys_plugin_entry(MSYS_ABI_MAJOR)->open(&abi, config, out, error);
    };
    return copy;
  }();
  return api;
}

// What a state keeps when nothing runs in it.
struct Kept {
  std::size_t bytes;    // of Lua's memory
  std::size_t anchors;  // values that C++ keeps alive, but for spare coroutines
};

class MemoryHost {
 public:
  static constexpr int kTimes = 8;

  explicit MemoryHost(int returns = MSYS_COMPLETION_RETURNS_JOB)
      : plugin(ExemptHostApi(), host, {{"CPU", 2}, {"tiny", 1, 1}}, returns),
        state(plugin, 0, "memory", [this](lua_State* L) {
          lua_setallocf(L, &FailingAllocator::Allocate, &allocator);
          OpenForForms(L);
        }) {}

  // A policy's status and results; only what it does itself is not exempt.
  std::string Run(const char* source) {
    const Exempt machinery;
    return ExemptCall::Run(plugin.api, host, state.handle, source);
  }

  // What runs asynchronously, and finalisers that submit, may still be going on.
  void AwaitRest() {
    do {
      Run("collectgarbage() collectgarbage()");
      for (std::uint32_t i = 0; i < plugin.api.pool_count(plugin.handle); ++i) {
        while (InPool(i)) std::this_thread::yield();
      }
    } while (Inside().jobs() > 0);
    // Who has ended the last one may still have the turn, without which the loop is
    // about to use Lua: a callout gets it after him.
    Run("");
  }

  // Every job has ended once.
  void ExpectBalance() {
    for (std::uint32_t i = 0; i < plugin.api.pool_count(plugin.handle); ++i) {
      const msys_pool_stats s = Stats(i);
      EXPECT_EQ(s.queued + s.running + s.suspended, 0u) << s.name;
      EXPECT_EQ(s.submitted, s.done + s.failed + s.cancelled + s.refused) << s.name;
    }
  }
  void ExpectNothingLeft() {
    ExpectBalance();
    host.On(0, [&] {
      EXPECT_EQ(lua_gettop(state.L), 0) << "of the main thread";
      EXPECT_EQ(lua_gettop(Inside().aux), 0) << "of the plugin's own";
      EXPECT_EQ(Inside().jobs(), 0u);
      EXPECT_EQ(Inside().engine.locks().size(), 0u);
    });
  }

  std::uint64_t Failed(const std::string& pool) const {
    return plugin.Stats(pool).failed;
  }

  Kept WhatIsKept() {
    AwaitRest();
    Kept kept{};
    host.On(0, [&] {
      // Each collection gives back half of the call frames that a coroutine keeps.
      std::size_t before = 0;
      for (int i = 0; i < 20 && before != allocator.bytes(); ++i) {
        before = allocator.bytes();
        lua_gc(state.L, LUA_GCCOLLECT);
        lua_gc(state.L, LUA_GCCOLLECT);
      }
      kept = {allocator.bytes(),
              Inside().anchors.kept() - Inside().coroutines.spares()};
    });
    return kept;
  }
  void ExpectKept(const Kept& before, const std::string& when) {
    const Kept now = WhatIsKept();
    EXPECT_EQ(now.anchors, before.anchors) << when;
    EXPECT_LE(now.bytes, before.bytes + kSlack) << when;
  }

  FakeHost host{2};
  TestPlugin plugin;
  FailingAllocator allocator;
  TestState state;

 private:
  // An _OSTLS (104 bytes) for each thread that has not been there before: a pool may
  // bring four.  Whoever wants to see smaller things that are left behind leaves them
  // kTimes times.
  static constexpr std::size_t kSlack = 512;

  State& Inside() { return *reinterpret_cast<State*>(state.handle); }
  msys_pool_stats Stats(std::uint32_t pool) {
    msys_pool_stats s{};
    s.struct_size = sizeof s;
    EXPECT_EQ(plugin.api.pool_stats(plugin.handle, pool, &s), MSYS_OK);
    return s;
  }
  bool InPool(std::uint32_t pool) {
    const msys_pool_stats s = Stats(pool);
    return s.queued + s.running + s.suspended > 0;
  }
};

}  // namespace msys::test
