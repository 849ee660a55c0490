// The callouts of one SMTP session share one _TLS and, for each module, one
// self.
//
// Threads: [loop] opens and closes; the rest is for the holder of the turn.
#pragma once

#include "anchors.h"
#include "lane.h"
#include "tls.h"

namespace msys {

class State;

struct Session {
  explicit Session(State& s) : state(s) {}

  State& state;
  int references = 1;  // the host's, and one for each callout
  Tls* tls = nullptr;
  Anchors::Slot selves = Anchors::kNone;  // table: module -> self
  Work close;  // queued when the host closes it while the state is busy
  Session* next = nullptr;
  Session* prev = nullptr;
  bool closed = false;
};

// [-1, +1, e] Replaces the module at the top of L by the session's self.
void PushSelf(Session& session, lua_State* L);
void ReleaseSession(Session& session);

}  // namespace msys
