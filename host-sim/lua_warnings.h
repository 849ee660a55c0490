// Lua's warnings (warn(), errors in finalisers) as lines of the log, one each.  As
// with the stock function "@off" silences them and "@on" undoes that; they are on
// to begin with.
//
// Threads: whichever runs the Lua state.
#pragma once

#include <lua.hpp>
#include <string>

namespace hostsim {

class LuaWarnings {
 public:
  LuaWarnings() = default;
  LuaWarnings(const LuaWarnings&) = delete;
  LuaWarnings& operator=(const LuaWarnings&) = delete;

  // This object outlives L.
  void Install(lua_State* L) { lua_setwarnf(L, &OnPiece, this); }

 private:
  static void OnPiece(void* self, const char* piece, int to_be_continued);
  void Add(const char* piece, bool to_be_continued);

  std::string text_;     // the pieces so far
  bool within_ = false;  // a warning: there are some
  bool on_ = true;
};

}  // namespace hostsim
