#include "held.h"

#include <cassert>
#include <cstdio>

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

}  // namespace msys
