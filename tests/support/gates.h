// Gates by name, for policies: block(name) waits at one in a blocking region,
// hold(name) with the state's turn kept.  Without a name, at the gate "block" or
// "hold".
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "gate.h"
#include "test_plugin.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {

class Gates {
 public:
  explicit Gates(const msys_api& api) : api_(api) {}
  ~Gates() {
    for (auto& [name, gate] : gates_) gate.Open();
  }

  Gate& operator[](const std::string& name) {
    const std::lock_guard lock(mu_);
    return gates_[name];
  }

  // For TestState's `before`.
  void operator()(lua_State* L) {
    for (const bool leaves : {true, false}) {
      lua_pushlightuserdata(L, this);
      lua_pushboolean(L, leaves);
      lua_pushcclosure(L, &Pass, 2);
      lua_setglobal(L, Name(leaves));
    }
  }

 private:
  static const char* Name(bool leaves) { return leaves ? "block" : "hold"; }
  static int Pass(lua_State* L) {
    auto& self = *static_cast<Gates*>(lua_touserdata(L, lua_upvalueindex(1)));
    const bool leaves = lua_toboolean(L, lua_upvalueindex(2)) != 0;
    Gate& gate = self[luaL_optstring(L, 1, Name(leaves))];
    msys_blocking region;
    if (leaves) self.api_.blocking_begin(L, &region);
    gate.Pass();
    if (leaves) self.api_.blocking_end(&region);
    return 0;
  }

  const msys_api& api_;
  std::mutex mu_;
  std::map<std::string, Gate> gates_;
};

}  // namespace msys::test
