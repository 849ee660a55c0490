// What a script has taken and must give back before it ends: named locks and
// mutexes.
//
// Threads: the holder of the turn of the script's state.
#pragma once

#include <cstddef>

#include "lua_api.h"

namespace msys {

struct Script;

// Where a script called, "policy.lua:12": a copy, since the function may be gone
// when somebody asks.
struct Site {
  char text[LUA_IDSIZE + 12] = "?";

  // Of the innermost Lua function on L; of the running C function's caller when there
  // is none.  [-0, +0, -]
  static Site Caller(lua_State* L);
};

class Held {
 public:
  // `lock "spool"`: what the log calls it.
  virtual void Describe(char* out, std::size_t size) const = 0;
  // The script, which has ended, does not hold it any more.
  virtual void LetGo() = 0;

  Site site;             // where it was taken
  Held* next = nullptr;  // of the same script

 protected:
  ~Held() = default;
};

void AddHeld(Script& script, Held& held);
void RemoveHeld(Script& script, Held& held);

// The script has ended and holds something: a bug in it.  Logged, and let go.
void ReleaseHeld(Script& script);

}  // namespace msys
