// The job object of runInPool's completion form: what scripts see of a job.  A
// userdata that the job keeps until it is over, and scripts as long as they
// like; afterwards it still holds the results.
//
// Threads: the holder of the state's turn.
#pragma once

#include "job.h"

namespace msys {

// A script in job:wait(), at the C function's index 2: the box of the job, which is
// not over.
struct BoxWait final : Wait {
  void Abandon() override;
  void Cancel(const char* why) override;
  Script* Needs() const override;
  const char* what() const override { return "job"; }

  Job* job = nullptr;
  BoxWait* next = nullptr;
};

// Small, since there is one for each such call: with Lua's own header it fits into
// the largest block that glibc's allocator frees without a lock.
struct JobBox {
  static constexpr int kClosure = 1;     // user values: the closure,
  static constexpr int kCompletion = 2;  // the completion function until it runs,
  static constexpr int kResults = 2;     // the results, up to kInline of them,
  static constexpr int kInline = 3;      // or the coroutine that has them all
  static constexpr int kUserValues = kResults + kInline - 1;

  // Nothing here is an attach's any more once the job is over.
  Job* job;           // null then
  int results;        // without the leading boolean; -1: not there yet
  bool ok;            // the leading boolean
  bool in_coroutine;
  bool cancelled;
};

inline constexpr char kTooManyResults[] =
    "too many results for the stack of the caller";

// The closure of the job has ended; from index `first` on L holds what pcall would
// return, at `box` the box, and there is room for one more.  Scripts that wait go on.
// [-0, +0, -]
void KeepResults(Job& job, lua_State* L, int box, int first);
// It never will: the results are false and `why`.
void KeepFailure(Job& job, const char* why, bool cancelled);

// [-0, +n, -] Pushes copies of the values of `from` from index `first` on, which may
// fill its stack nearly to the end, onto one that has room for one more then; false:
// no room.
[[nodiscard]] bool CopyValues(lua_State* from, int first, lua_State* to);

// [-0, +n, -] Pushes the results of the box at `index`, and there is room for one
// more; -1: no room.
int PushResults(lua_State* L, JobBox& box, int index);

}  // namespace msys
