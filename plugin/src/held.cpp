#include "held.h"

#include <cstdio>

#include "state.h"
#include "text.h"

namespace msys {

Site Site::Caller(lua_State* L) {
  Site site;
  lua_Debug ar;
  // Past pcall and its like, by which it may have been called.
  for (int level = 1; lua_getstack(L, level, &ar) != 0; ++level) {
    lua_getinfo(L, "Sl", &ar);
    const bool is_c = ar.what[0] == 'C';
    if (ar.currentline > 0) {
      std::snprintf(site.text, sizeof site.text, "%s:%d", ar.short_src, ar.currentline);
    } else if (!is_c || level == 1) {  // stripped, it has no lines
      std::snprintf(site.text, sizeof site.text, "%s", ar.short_src);
    }
    if (!is_c) break;
  }
  HideControls(site.text);
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

}  // namespace msys
