// The job object of runInPool's completion form: what scripts see of a job.  A
// userdata that the job keeps until it is over, and scripts as long as they
// like; afterwards it still holds the results.
//
// Threads: the holder of the state's turn.
#pragma once

#include "job.h"

namespace msys {

// A script in job:wait(), at the C function's index 2: the box.
struct BoxWait final : Wait {
  void Abandon() override;
  void Cancel(const char* why) override;
  Script* Needs() const override;
  const char* what() const override { return "job"; }

  JobBox* box = nullptr;
  BoxWait* next = nullptr;
};

struct JobBox {
  static constexpr int kClosure = 1;     // user values: the closure,
  static constexpr int kCompletion = 2;  // the completion function,
  static constexpr int kResults = 3;     // the results, up to kInline of them,
  static constexpr int kInline = 4;      // or the coroutine that has them all
  static constexpr int kUserValues = kResults + kInline - 1;

  // Nothing here is an attach's any more once the job is over.
  Job* job;           // null then
  BoxWait* waiters;
  int results;        // with the leading boolean; -1: not there yet
  bool in_coroutine;
  bool cancelled;
};

inline constexpr char kTooManyResults[] =
    "too many results for the stack of the caller";

// The closure of the job has ended; co holds what pcall would return.  Scripts
// that wait go on.
void KeepResults(Job& job, lua_State* co);
// It never will: the results are false and `why`.
void KeepFailure(Job& job, const char* why, bool cancelled);

// [-0, +n, -] Pushes copies of all values of `from`, which may fill its stack
// nearly to the end, onto one that has room for one more then; false: no room.
[[nodiscard]] bool CopyValues(lua_State* from, lua_State* to);

// [-0, +n, -] Pushes the results of the box at `index`, and there is room for one
// more; -1: no room.
int PushResults(lua_State* L, JobBox& box, int index);

}  // namespace msys
