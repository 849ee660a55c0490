#include "job_box.h"

#include <algorithm>

#include "state.h"

namespace msys {
namespace {

void WakeWaiters(Job& job) {
  while (BoxWait* wait = job.waiters) {
    Script& script = *wait->script;
    // A coroutine that strangers have closed has no box any more; nor is it told.
    if (lua_gettop(wait->L) >= 2 && PushResults(wait->L, *job.box, 2) < 0) {
      if (!job.state.TextFor(script, wait, kTooManyResults)) continue;  // it is gone
      lua_pushboolean(wait->L, 0);
      lua_xmove(job.state.aux, wait->L, 1);
    }
    job.waiters = wait->next;
    AnswerScript(job, script);
    delete wait;
  }
}

void Unlink(BoxWait& wait) {
  BoxWait** link = &wait.job->waiters;
  while (*link != &wait) link = &(*link)->next;
  *link = wait.next;
}

}  // namespace

void BoxWait::Abandon() {
  Unlink(*this);
  delete this;
}

void BoxWait::Cancel(const char* why) {
  // The job itself ends soon, one way or the other; but perhaps only after its
  // closure has, and the waiting script should not be held up by that.
  Script& waiting = *script;
  State& state = waiting.state;
  if (!state.TextFor(waiting, this, why)) return;
  Unlink(*this);
  lua_pushboolean(L, 0);
  lua_xmove(state.aux, L, 1);
  WakeScript(waiting);
  delete this;
}

Script* BoxWait::Needs() const { return job->Running(); }

void KeepResults(Job& job, lua_State* L, int box_index, int first) {
  JobBox& box = *job.box;
  const int count = lua_gettop(L) - first;
  if (count <= JobBox::kInline) {
    for (int i = 0; i < count; ++i) {
      lua_pushvalue(L, first + 1 + i);
      lua_setiuservalue(L, box_index, JobBox::kResults + i);
    }
  } else {
    Coroutine keeper = job.state.TakeCoroutine();
    if (keeper.L == nullptr) return KeepFailure(job, "not enough memory", false);
    if (!CopyValues(L, first + 1, keeper.L)) {
      job.state.coroutines.Return(keeper, true);
      return KeepFailure(job, kTooManyResults, false);
    }
    job.state.anchors.Push(L, keeper.slot);
    lua_setiuservalue(L, box_index, JobBox::kResults);
    job.state.anchors.Drop(keeper.slot);  // it is the box's alone
    box.in_coroutine = true;
  }
  box.results = count;
  box.ok = !job.failed;
  WakeWaiters(job);
}

void KeepFailure(Job& job, const char* why, bool cancelled) {
  JobBox& box = *job.box;
  lua_State* aux = job.state.aux;
  job.state.anchors.Push(aux, job.slot);
  job.state.PushText(aux, why);
  lua_setiuservalue(aux, -2, JobBox::kResults);
  lua_pop(aux, 1);
  box.results = 1;
  box.ok = false;
  box.cancelled = cancelled;
  WakeWaiters(job);
}

int PushResults(lua_State* L, JobBox& box, int index) {
  index = lua_absindex(L, index);
  if (!lua_checkstack(L, JobBox::kInline + 2)) return -1;
  lua_pushboolean(L, box.ok);
  const int count = box.results + 1;
  if (!box.in_coroutine) {
    for (int i = 0; i < box.results; ++i) {
      lua_getiuservalue(L, index, JobBox::kResults + i);
    }
    return count;
  }
  lua_getiuservalue(L, index, JobBox::kResults);
  lua_State* co = lua_tothread(L, -1);
  lua_pop(L, 1);
  if (CopyValues(co, 1, L)) return count;
  lua_pop(L, 1);
  return -1;
}

bool CopyValues(lua_State* from, int first, lua_State* to) {
  const int count = lua_gettop(from) - (first - 1);
  int piece = std::min(count, 1024);
  while (piece > 0 && !lua_checkstack(from, piece)) piece /= 2;
  if (!lua_checkstack(to, count + 1) || (piece == 0 && count > 0)) return false;
  for (int done = 0; done < count;) {
    const int n = std::min(piece, count - done);
    for (int i = 1; i <= n; ++i) lua_pushvalue(from, first - 1 + done + i);
    lua_xmove(from, to, n);
    done += n;
  }
  return true;
}

}  // namespace msys
