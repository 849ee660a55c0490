#include "held.h"

#include <cassert>
#include <cstdio>
#include <cstring>

#include "job.h"
#include "state.h"

namespace msys {

Site Site::Caller(lua_State* L) {
  Site site;
  lua_Debug ar;
  if (lua_getstack(L, 1, &ar) == 0 || lua_getinfo(L, "Sl", &ar) == 0) {
    return site;
  }
  if (ar.currentline > 0) {
    std::snprintf(site.text, sizeof site.text, "%s:%d", ar.short_src,
                  ar.currentline);
  } else {
    std::snprintf(site.text, sizeof site.text, "%s", ar.short_src);
  }
  return site;
}

void AddHeld(Script& script, Held& held) {
  held.next = script.held;
  script.held = &held;
}

void RemoveHeld(Script& script, Held& held) {
  // Mostly the one that was taken last.
  Held** link = &script.held;
  while (*link != &held) link = &(*link)->next;
  *link = held.next;
}

void ReleaseHeld(Script& script) {
  char who[192];
  DescribeScript(script, who, sizeof who);
  while (Held* held = script.held) {
    script.held = held->next;
    char what[128];
    held->Describe(what, sizeof what);
    script.state.engine.host().Log(
        MSYS_LOG_ERROR, "lock",
        "%s of state %s ended without unlocking the %s that it locked at %s; "
        "it is unlocked now",
        who, script.state.name.c_str(), what, held->site.text);
    held->LetGo();
  }
}

void Quote(const char* bytes, std::size_t length, char* out, std::size_t size) {
  constexpr char kCut[] = "...";
  std::size_t n = 0;
  out[n++] = '"';
  for (std::size_t i = 0; i < length; ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    char piece[8];
    if (c == '"' || c == '\\') {
      std::snprintf(piece, sizeof piece, "\\%c", c);
    } else if (c < 0x20 || c >= 0x7f) {
      std::snprintf(piece, sizeof piece, "\\x%02X", c);
    } else {
      std::snprintf(piece, sizeof piece, "%c", c);
    }
    const std::size_t wanted = std::strlen(piece);
    if (n + wanted + sizeof kCut + 1 > size) {
      std::memcpy(out + n, kCut, sizeof kCut - 1);
      n += sizeof kCut - 1;
      break;
    }
    std::memcpy(out + n, piece, wanted);
    n += wanted;
  }
  out[n++] = '"';
  out[n] = '\0';
}

}  // namespace msys
