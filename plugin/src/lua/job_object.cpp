// The job object: job:wait(), job:status(), job:cancel().
#include <new>

#include "../job_box.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kJob[] = "msys.job";
const char kMeta = 0;

JobBox& CheckBox(lua_State* L) {
  return *static_cast<JobBox*>(CheckKind(L, &kMeta, kJob));
}

BoxWait* NewBoxWait() noexcept { return new (std::nothrow) BoxWait; }

// job:wait()  ->  true, results... | false, error, as soon as the closure has
// ended; at once when it has.
int l_wait(lua_State* L) {
  State& state = CheckState(L);
  JobBox& box = CheckBox(L);
  if (box.results < 0 && box.job != nullptr) {
    CheckCanSuspend(L, state, "job:wait", "call it elsewhere");
    ReserveForWait(L, state);  // a finaliser may cancel the job now
  }
  if (box.results >= 0) {
    const int count = PushResults(L, box, 1);
    if (count >= 0) return count;
    lua_pushboolean(L, 0);
    lua_pushstring(L, kTooManyResults);
    return 2;
  }
  if (box.job == nullptr) {
    return luaL_error(L, "job:wait: the job was refused: the call that was to submit "
                      "it has raised an error");
  }
  if (const char* why = state.why_cancelled()) {
    lua_pushboolean(L, 0);
    lua_pushstring(L, why);
    return 2;
  }
  Slice& slice = *state.current;
  const Script* closure = box.job->Running();
  if (closure == slice.script) {
    return luaL_error(L, "job:wait: a closure cannot wait for its own end");
  }
  if (Needs(closure, *slice.script)) {
    return luaL_error(L, "job:wait: the job waits for the script that would wait "
                      "for it: neither would go on");
  }
  BoxWait* wait = NewBoxWait();
  if (wait == nullptr) return luaL_error(L, "job:wait: not enough memory");
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  MarkSuspended(L);                           // mark box
  wait->job = box.job;
  wait->next = nullptr;
  BoxWait** link = &box.job->waiters;
  while (*link != nullptr) link = &(*link)->next;
  *link = wait;
  return Suspend(L, slice, *wait, &ReturnAboveKept);
}

const char* Status(const JobBox& box) {
  if (box.cancelled) return "cancelled";
  if (box.results >= 0 || box.job == nullptr) return "done";
  switch (box.job->stage) {
    case JobStage::kWaiting:
    case JobStage::kQueued: return "queued";
    case JobStage::kRunning: return "running";
    default: return "done";
  }
}

int l_status(lua_State* L) {
  lua_pushstring(L, Status(CheckBox(L)));
  return 1;
}

// job:cancel()  ->  true: the closure will not run; false: it has started.
int l_cancel(lua_State* L) {
  CheckState(L);
  JobBox& box = CheckBox(L);
  lua_pushboolean(L, box.job != nullptr &&
                         CancelJob(*box.job, "cancelled: by job:cancel()"));
  return 1;
}

int l_tostring(lua_State* L) {
  JobBox& box = CheckBox(L);
  lua_pushfstring(L, "%s (%s): %p", kJob, Status(box), static_cast<void*>(&box));
  return 1;
}

constexpr luaL_Reg kMethods[] = {
    {"wait", l_wait},
    {"status", l_status},
    {"cancel", l_cancel},
    {nullptr, nullptr},
};

constexpr luaL_Reg kMetamethods[] = {
    {"__tostring", l_tostring},
    {nullptr, nullptr},
};

}  // namespace

JobBox* NewJobBox(lua_State* L, int closure, int completion, int metatable) {
  auto* box = static_cast<JobBox*>(
      lua_newuserdatauv(L, sizeof(JobBox), JobBox::kUserValues));
  *box = JobBox{nullptr, -1, false, false, false};
  lua_pushvalue(L, closure);
  lua_setiuservalue(L, -2, JobBox::kClosure);
  lua_pushvalue(L, completion);
  lua_setiuservalue(L, -2, JobBox::kCompletion);
  lua_pushvalue(L, metatable);
  lua_setmetatable(L, -2);
  return box;
}

void PushJobMetatable(lua_State* L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &kMeta); }

void OpenJobObject(lua_State* L) { OpenKind(L, &kMeta, kJob, kMethods, kMetamethods); }

}  // namespace msys
