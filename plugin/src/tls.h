// Whose _TLS a script sees.  Counted, since a session, its scripts, the jobs they
// submit and the completions share one; but a job whose caller waits for it has that
// caller's.  The table itself is made when it is first touched.
//
// That of a coroutine which a script has made is inside of a userdata, its box,
// which has the table as its user value and lives as long as the coroutine does;
// only while jobs share it is the box anchored.  So a table that refers to its
// coroutine keeps it alive no longer than that, and nothing of an attach is left
// in a box when the state is attached again.
//
// Threads: the holder of the state's turn.
#pragma once

#include "anchors.h"

namespace msys {

struct Tls {
  int references = 1;      // in a box: of jobs
  bool in_box = false;
  Anchors::Slot slot = Anchors::kNone;  // the table, or the box

  // Not the first of one in a box: GiveTls() sees to that.
  Tls* Share() {
    ++references;
    return this;
  }
  // The pointer is void afterwards.
  void Release(Anchors& anchors) {
    if (--references > 0) return;
    anchors.Drop(slot);
    if (!in_box) delete this;
  }
};

}  // namespace msys
