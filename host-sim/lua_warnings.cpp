#include "lua_warnings.h"

#include <new>

#include "log.h"

namespace hostsim {

// Called by Lua, which no exception may cross.
void LuaWarnings::OnPiece(void* self, const char* piece, int to_be_continued) {
  auto& warnings = *static_cast<LuaWarnings*>(self);
  try {
    warnings.Add(piece, to_be_continued != 0);
  } catch (const std::bad_alloc&) {
    // Without memory there is no line either.
    warnings.within_ = to_be_continued != 0;
  }
}

void LuaWarnings::Add(const char* piece, bool to_be_continued) {
  if (!within_) {
    text_.clear();
    if (!to_be_continued && piece[0] == '@') {
      const std::string control = piece + 1;
      if (control == "on" || control == "off") on_ = control == "on";
      return;
    }
  }
  within_ = to_be_continued;
  text_ += piece;
  if (!to_be_continued && on_) Log(MSYS_LOG_WARNING, "lua", text_);
}

}  // namespace hostsim
