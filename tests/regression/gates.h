// Places in policies where the test stops them.
#pragma once

#include "gate.h"
#include "test_plugin.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {

// For TestState's `before`.  Policies find two functions:
//   pass()  waits for `passed` in a blocking region, hold()  waits for `held` with
//   the state's turn.
class Gates {
 public:
  explicit Gates(const msys_api& api) : api_(api) {}
  ~Gates() {
    passed.Open();
    held.Open();
  }

  void operator()(lua_State* L) {
    Set(L, "pass", [](lua_State* co) {
      Gates& self = Of(co);
      msys_blocking region;
      self.api_.blocking_begin(co, &region);
      self.passed.Pass();
      self.api_.blocking_end(&region);
      return 0;
    });
    Set(L, "hold", [](lua_State* co) {
      Of(co).held.Pass();
      return 0;
    });
  }

  Gate passed, held;

 private:
  static Gates& Of(lua_State* L) {
    return *static_cast<Gates*>(lua_touserdata(L, lua_upvalueindex(1)));
  }
  void Set(lua_State* L, const char* name, lua_CFunction f) {
    lua_pushlightuserdata(L, this);
    lua_pushcclosure(L, f, 1);
    lua_setglobal(L, name);
  }

  const msys_api& api_;
};

}  // namespace msys::test
