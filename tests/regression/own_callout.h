// A callout whose prepare() and finish() are the test's own functions; both are
// called on the home loop.
#pragma once

#include <functional>
#include <future>

#include "test_plugin.h"

struct lua_State;

namespace msys::test {

class OwnCallout {
 public:
  std::function<int(lua_State*)> prepare;
  std::function<void(lua_State*, msys_status)> finish = [](auto...) {};

  // [loop]
  msys_status RunHere(TestState& state, msys_session* session = nullptr) {
    abi_.struct_size = sizeof abi_;
    abi_.ctx = this;
    abi_.session = session;
    abi_.name = "own";
    abi_.prepare = [](void* ctx, lua_State* L) {
      return static_cast<OwnCallout*>(ctx)->prepare(L);
    };
    abi_.finish = [](void* ctx, lua_State* L, msys_status status, int) {
      auto& self = *static_cast<OwnCallout*>(ctx);
      self.finish(L, status);
      self.over_.set_value(status);
    };
    return state.plugin.api.run(state.handle, &abi_);
  }
  // [not a loop]
  msys_status Run(TestState& state, msys_session* session = nullptr) {
    msys_status status = MSYS_OK;
    state.plugin.host.On(state.loop, [&] { status = RunHere(state, session); });
    return status;
  }
  // [loop]
  msys_status CancelHere(TestState& state) { return state.plugin.api.cancel(&abi_); }
  // [not a loop] What finish() got; once.
  msys_status Wait() { return over_.get_future().get(); }

 private:
  msys_callout abi_{};
  std::promise<msys_status> over_;
};

}  // namespace msys::test
