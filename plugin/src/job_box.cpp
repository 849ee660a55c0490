#include "job_box.h"

#include <algorithm>

#include "state.h"

namespace msys {
namespace {

void WakeWaiters(const Job& job) {
  JobBox& box = *job.box;
  BoxWait* wait = box.waiters;
  box.waiters = nullptr;
  while (wait != nullptr) {
    BoxWait* next = wait->next;
    // A coroutine that strangers have closed has no box any more; nor is it told.
    if (lua_gettop(wait->L) >= 2 && PushResults(wait->L, box, 2) < 0) {
      lua_pushboolean(wait->L, 0);
      wait->script->state.PushText(wait->L, kTooManyResults);
    }
    AnswerScript(job, *wait->script);
    delete wait;
    wait = next;
  }
}

void Unlink(BoxWait& wait) {
  BoxWait** link = &wait.box->waiters;
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
  Unlink(*this);
  lua_pushboolean(L, 0);
  script->state.PushText(L, why);
  WakeScript(*script);
  delete this;
}

Script* BoxWait::Needs() const {
  return box->job == nullptr ? nullptr : box->job->Running();
}

void KeepResults(Job& job, lua_State* co) {
  JobBox& box = *job.box;
  const int count = lua_gettop(co);
  if (!lua_checkstack(co, 2)) return KeepFailure(job, "too many results", false);
  job.state.anchors.Push(co, job.slot);
  if (count <= JobBox::kInline) {
    for (int i = 0; i < count; ++i) {
      lua_pushvalue(co, i + 1);
      lua_setiuservalue(co, -2, JobBox::kResults + i);
    }
  } else {
    lua_pushthread(co);
    lua_setiuservalue(co, -2, JobBox::kResults);
    box.in_coroutine = true;
    job.runner->exposed = true;
  }
  lua_pop(co, 1);
  box.results = count;
  WakeWaiters(job);
}

void KeepFailure(Job& job, const char* why, bool cancelled) {
  JobBox& box = *job.box;
  lua_State* aux = job.state.aux;
  job.state.anchors.Push(aux, job.slot);
  lua_pushboolean(aux, 0);
  lua_setiuservalue(aux, -2, JobBox::kResults);
  job.state.PushText(aux, why);
  lua_setiuservalue(aux, -2, JobBox::kResults + 1);
  lua_pop(aux, 1);
  box.results = 2;
  box.cancelled = cancelled;
  WakeWaiters(job);
}

int PushResults(lua_State* L, JobBox& box, int index) {
  index = lua_absindex(L, index);
  const int count = box.results;
  if (!box.in_coroutine) {
    if (!lua_checkstack(L, count + 1)) return -1;
    for (int i = 0; i < count; ++i) {
      lua_getiuservalue(L, index, JobBox::kResults + i);
    }
    return count;
  }
  if (!lua_checkstack(L, 1)) return -1;
  lua_getiuservalue(L, index, JobBox::kResults);
  lua_State* co = lua_tothread(L, -1);
  lua_pop(L, 1);
  return CopyValues(co, L) ? count : -1;
}

bool CopyValues(lua_State* from, lua_State* to) {
  const int count = lua_gettop(from);
  int piece = std::min(count, 1024);
  while (piece > 0 && !lua_checkstack(from, piece)) piece /= 2;
  if (!lua_checkstack(to, count + 1) || (piece == 0 && count > 0)) return false;
  for (int done = 0; done < count;) {
    const int n = std::min(piece, count - done);
    for (int i = 1; i <= n; ++i) lua_pushvalue(from, done + i);
    lua_xmove(from, to, n);
    done += n;
  }
  return true;
}

}  // namespace msys
