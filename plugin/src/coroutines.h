// Coroutines for callouts and closures.  Making one costs an allocation of 1 KiB
// and work for the collector, so those of finished scripts are used again,
// unless a script could tell: it has asked for the coroutine.
//
// Threads: the holder of the state's turn.
#pragma once

#include <vector>

#include "anchors.h"
#include "lua_api.h"

namespace msys {

struct Coroutine {
  lua_State* L = nullptr;
  Anchors::Slot slot = Anchors::kNone;
};

class Coroutines {
 public:
  Coroutines(Anchors& anchors, lua_State* main) : anchors_(anchors), main_(main) {}

  // [-0, +0, -] A coroutine with an empty stack, no hook, and the extra space of the
  // main thread, as Lua makes them; L is null when memory is out.
  // `aux` is a coroutine of the state on which nothing runs.
  Coroutine Take(lua_State* aux);
  // [-0, +0, -] Makes L that.
  void Renew(lua_State* L) const;
  // [-0, +0, -] Gives one back that has ended without an error; what is on its stack
  // is dropped, since with that it would look like one that has not begun.  One that is
  // not to be used again others may have, and run: then it is left alone.
  void Return(Coroutine coroutine, bool reuse);
  // Nothing runs on L, nor is it suspended.  [-0, +0, -]
  static bool Idle(lua_State* L);
  std::size_t spares() const { return spares_.size(); }

 private:
  static constexpr std::size_t kSpares = 1024;

  static int New(lua_State* aux);
  bool Keep(Coroutine coroutine) noexcept;

  Anchors& anchors_;
  lua_State* const main_;
  std::vector<Coroutine> spares_;
};

}  // namespace msys
