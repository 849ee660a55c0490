// Whose _TLS a script sees.  Counted, since a session, its scripts, the jobs they
// submit and the completions share one; the table itself is made when it is
// first touched.
//
// Threads: the holder of the state's turn.
#pragma once

#include "anchors.h"

namespace msys {

struct Tls {
  int references = 1;
  Anchors::Slot table = Anchors::kNone;

  Tls* Share() {
    ++references;
    return this;
  }
  // The pointer is void afterwards.
  void Release(Anchors& anchors) {
    if (--references > 0) return;
    anchors.Drop(table);
    delete this;
  }
};

}  // namespace msys
