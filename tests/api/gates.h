// Gates by name, for closures: block(name) waits at one in a blocking region,
// hold(name) with the state's turn kept.
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

  Gate& operator[](const std::string& name) {
    const std::lock_guard lock(mu_);
    return gates_[name];
  }

  // For TestState's `before`.
  void Bind(lua_State* L) {
    for (const bool region : {true, false}) {
      lua_pushlightuserdata(L, this);
      lua_pushboolean(L, region);
      lua_pushcclosure(L, &Pass, 2);
      lua_setglobal(L, region ? "block" : "hold");
    }
  }

 private:
  static int Pass(lua_State* L) {
    auto& self = *static_cast<Gates*>(lua_touserdata(L, lua_upvalueindex(1)));
    Gate& gate = self[luaL_checkstring(L, 1)];
    msys_blocking region;
    const bool leaves = lua_toboolean(L, lua_upvalueindex(2)) != 0;
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
