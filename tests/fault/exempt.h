// Callouts whose own machinery (loading the policy, reading the results) does not
// count when memory is made to fail: only the plugin and the policy do.
#pragma once

#include <msys/plugin.h>

#include <future>
#include <string>

#include "fake_host.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace msys::test {

// Above zero: what the thread does belongs to the test.
inline thread_local int exempt = 0;

class Exempt {
 public:
  Exempt() { ++exempt; }
  ~Exempt() { --exempt; }
};
class NotExempt {
 public:
  NotExempt() : saved_(exempt) { exempt = 0; }
  ~NotExempt() { exempt = saved_; }

 private:
  const int saved_;
};

// "0 true 1": the status and the results of a policy.
class ExemptCall {
 public:
  static std::string Run(const msys_api& api, FakeHost& host, msys_state* state,
                         const char* source) {
    ExemptCall call;
    call.source_ = source;
    call.callout_.struct_size = sizeof call.callout_;
    call.callout_.ctx = &call;
    call.callout_.name = "test";
    call.callout_.prepare = &Prepare;
    call.callout_.finish = &Finish;
    msys_status status = MSYS_OK;
    host.On(0, [&] {
      const NotExempt guard;
      status = api.run(state, &call.callout_);
    });
    if (status != MSYS_OK) return "run " + std::to_string(status);
    call.over_.get_future().wait();
    return call.result_;
  }

 private:
  static int Prepare(void* ctx, lua_State* L) {
    const Exempt guard;
    luaL_loadstring(L, static_cast<ExemptCall*>(ctx)->source_);
    return 0;
  }
  static void Finish(void* ctx, lua_State* L, msys_status status, int count) {
    const Exempt guard;
    auto& call = *static_cast<ExemptCall*>(ctx);
    call.result_ = std::to_string(status);
    for (int i = 1; i <= count; ++i) {
      call.result_ += ' ';
      call.result_ += luaL_tolstring(L, i, nullptr);
      lua_pop(L, 1);
    }
    call.over_.set_value();
  }

  msys_callout callout_{};
  const char* source_ = nullptr;
  std::string result_;
  std::promise<void> over_;
};

}  // namespace msys::test
