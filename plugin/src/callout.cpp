// The part of State that runs callouts, and keeps sessions.
#include <cstdio>
#include <new>
#include <utility>

#include "clock.h"
#include "held.h"
#include "session.h"
#include "state.h"
#include "text.h"

namespace msys {
namespace {

constexpr char kSessionGone[] = "cancelled: the session is gone";

// The first function of a callout, which gets its script; once prepare() has been called
// its stack is: message handler, function, arguments...  It returns what pcall would, a
// traceback or nil after a failure, and nothing at all if there is no function to call.
int CalloutDone(lua_State* L, int status, lua_KContext) {
  const bool ok = status == LUA_OK || status == LUA_YIELD;
  // The results may fill the stack to its last slot; raising ends the script.
  luaL_checkstack(L, 1, "too many results");
  lua_pushboolean(L, ok);
  lua_replace(L, 1);
  if (ok) return lua_gettop(L);
  lua_settop(L, 2);
  PushTraceback(L);
  return 3;
}

// For logs and errors.
void CopyName(const msys_callout& callout, char* out, std::size_t size) {
  std::snprintf(out, size, "%s", callout.name != nullptr ? callout.name : "callout");
  HideControls(out);
}

int CalloutMain(lua_State* L) {
  Script* script = static_cast<Script*>(lua_touserdata(L, 1));
  const msys_callout& callout = *static_cast<Callout*>(script)->callout;
  lua_settop(L, 0);  // it may count on an empty stack
  const int arguments = callout.prepare(callout.ctx, L);
  if (arguments < 0) return 0;
  if (arguments != lua_gettop(L) - 1) {
    char name[64];
    CopyName(callout, name, sizeof name);
    return luaL_error(
        L, "callout %s: prepare() said %d arguments but left %d values; it "
        "must push the function and exactly that many arguments",
        name, arguments, lua_gettop(L));
  }
  luaL_checkstack(L, 1, "too many arguments");
  lua_pushcfunction(L, &KeepTraceback);
  lua_insert(L, 1);
  return CalloutDone(
      L, lua_pcallk(L, arguments, LUA_MULTRET, 1, 0, &CalloutDone), 0);
}

struct Finish {
  State* state;
  void (*finish)(void* ctx, lua_State* L, msys_status status, int count);
  void* ctx;
  msys_status status;
  bool called = false;
  char name[64] = "";  // a copy: finish() may free the callout, and raise then
};

// finish, values...
int FinishMain(lua_State* L) {
  auto* request = static_cast<Finish*>(lua_touserdata(L, 1));
  lua_remove(L, 1);
  if (request->status == MSYS_E_LUA) {
    lua_settop(L, 2);  // error value, traceback
    if (lua_type(L, 2) != LUA_TSTRING) {
      request->state->PushErrorText(L, 1);
      lua_replace(L, 2);
    }
  }
  lua_sethook(L, nullptr, 0, 0);  // of the error value's __tostring
  request->called = true;
  request->finish(request->ctx, L, request->status, lua_gettop(L));
  return 0;
}

void LogFinishError(State& state, const Finish& request, lua_State* L) {
  char text[2048] = "an error value that is not a string";
  if (lua_type(L, -1) == LUA_TSTRING) OneLine(StringAt(L, -1), text, sizeof text);
  state.engine.host().Log(MSYS_LOG_ERROR, "callout", "%s of state %s: finish() failed: %s",
                          request.name, state.name.c_str(), text);
}

// Calls finish() with the values on top of L, above nothing else; or not at all, if
// memory is missing.
void CallFinish(State& state, Finish& request, lua_State* L) {
  // Of a script that was cancelled, or of a finaliser that has run on the spare one:
  // it could fail the call.
  lua_sethook(L, nullptr, 0, 0);
  const int count = lua_gettop(L);
  if (!lua_checkstack(L, 3)) {
    lua_settop(L, 0);
    request.status = MSYS_E_NOMEM;
    return CallFinish(state, request, L);
  }
  lua_pushcfunction(L, &FinishMain);
  lua_pushlightuserdata(L, &request);
  lua_rotate(L, 1, 2);
  if (lua_pcall(L, count + 1, 0, 0) == LUA_OK) return;
  if (request.called) LogFinishError(state, request, L);
  lua_settop(L, 0);
}

}  // namespace

// ---- callouts ------------------------------------------------------------------

msys_status State::Run(msys_callout& callout) {
  if (detach_called_ || engine.stopping()) return MSYS_E_CLOSED;
  auto* script = new (std::nothrow) Callout(*this);
  auto* tls = callout.session == nullptr ? new (std::nothrow) Tls : nullptr;
  if (script == nullptr || (callout.session == nullptr && tls == nullptr)) {
    delete script;
    delete tls;
    return MSYS_E_NOMEM;
  }
  script->callout = &callout;
  script->tls = tls;
  script->session = reinterpret_cast<Session*>(callout.session);
  script->lane = home_lane_.get();
  script->start.run = &OnStart;
  script->resume.run = &OnResume;
  script->cancel.run = &OnCancel;
  callout.plugin_data = script;
  RunAtHome(script->start);
  return MSYS_OK;
}

void State::OnStart(Work* work) {
  Callout& script = Callout::OfWork(work);
  State& state = script.state;
  Slice& slice = *state.current;
  script.id = state.NextId();
  script.next = state.callouts_;
  if (script.next != nullptr) script.next->prev = &script;
  state.callouts_ = &script;
  // Counts are the turn's, so they are taken here and not in Run().
  if (script.session != nullptr) {
    ++script.session->references;
    script.tls = script.session->tls->Share();
  }
  script.co = state.TakeCoroutine();  // finish() needs one in any case
  if (state.closing_ || script.cancelled) {
    return state.EndCallout(slice, script, MSYS_E_CANCELLED);
  }
  if (script.co.L == nullptr) {
    return state.EndCallout(slice, script, MSYS_E_NOMEM);
  }
  state.Trace(MSYS_TRACE_START, &slice, &script, nullptr);
  lua_pushcfunction(script.co.L, &CalloutMain);
  lua_pushlightuserdata(script.co.L, static_cast<Script*>(&script));
  state.AfterSlice(slice, script, RunScript(slice, script, 1));
}

void State::OnResume(Work* work) {
  Callout& script = Callout::OfWork(work);
  if (script.cancelled) return;  // OnCancel() comes
  Slice& slice = *script.state.current;
  script.state.AfterSlice(slice, script, ResumeScript(slice, script));
}

void State::AfterSlice(Slice& slice, Callout& script, Outcome outcome) {
  if (outcome == Outcome::kSuspended) return;
  lua_State* co = script.co.L;
  if (co == nullptr) return EndCallout(slice, script, MSYS_E_NOMEM);
  const int count = lua_gettop(co);
  if (count == 0) return EndCallout(slice, script, MSYS_E_NOT_FOUND);
  const bool ok = lua_toboolean(co, 1) != 0;
  lua_remove(co, 1);
  EndCallout(slice, script, ok ? MSYS_OK : MSYS_E_LUA);
}

void State::EndCallout(Slice& slice, Callout& script, msys_status status) {
  if (script.held != nullptr) ReleaseHeld(script);
  if (script.cancelled) {
    // It has ended by itself before OnCancel() came.
    if (home_lane_->Remove(&script.cancel)) DropAllQueued(kSessionGone, script.id);
    status = MSYS_E_CANCELLED;
  }
  Trace(MSYS_TRACE_END, &slice, &script, nullptr,
        {.outcome = status == MSYS_OK || status == MSYS_E_NOT_FOUND
                        ? MSYS_OUTCOME_DONE
                    : status == MSYS_E_CANCELLED ? MSYS_OUTCOME_CANCELLED
                                                 : MSYS_OUTCOME_FAILED});
  (script.prev == nullptr ? callouts_ : script.prev->next) = script.next;
  if (script.next != nullptr) script.next->prev = script.prev;

  msys_callout& callout = *script.callout;
  Finish request{this, callout.finish, callout.ctx, status};
  CopyName(callout, request.name, sizeof request.name);
  callout.plugin_data = nullptr;
  script.callout = nullptr;  // the host's again, and gone once finish() has been called
  // Only a cancelled one's may be in other hands.
  if (script.co.L != nullptr && !Coroutines::Idle(script.co.L)) RenewCoroutine(script);
  const Coroutine own = script.co;
  // What finish() calls is the script's, as to _TLS and what it submits.
  slice.script = &script;
  if (own.L != nullptr) {
    if (status != MSYS_OK && status != MSYS_E_LUA) lua_settop(own.L, 0);
    CallFinish(*this, request, own.L);
  }
  if (!request.called) {
    // No memory for a coroutine, or for a call on it: on the spare one, which is
    // empty and has all that a call takes.
    if (request.status != MSYS_E_CANCELLED) request.status = MSYS_E_NOMEM;
    script.co = {aux, Anchors::kNone};
    coroutines.Renew(aux);
    CallFinish(*this, request, aux);
  }
  slice.script = nullptr;
  slice.now = NowNs();
  Flush(slice, script.outbox);
  if (own.L != nullptr) coroutines.Return(own, !script.exposed);
  if (script.held != nullptr) ReleaseHeld(script);
  if (script.session != nullptr) ReleaseSession(*script.session);
  script.tls->Release(anchors);
  FreeScript(script);
  FinishDetachIfOver();
}

msys_status State::Cancel(msys_callout& callout) {
  auto* script = static_cast<Callout*>(callout.plugin_data);
  if (script == nullptr) return MSYS_E_NOT_FOUND;
  if (script->cancelled) return MSYS_OK;  // on its way
  script->cancelled = true;
  RunAtHome(script->cancel);
  return MSYS_OK;
}

void State::OnCancel(Work* work) {
  Callout& script = Callout::OfWork(work);
  State& state = script.state;
  Slice& slice = *state.current;
  // Its start is in the lane before this, so it has begun; it does not run now,
  // since this does.  Either it waits, or what it waited for has come.
  // The wait is nobody's before it ends: that may run a finaliser, which may have C code
  // resume the coroutine.
  if (Wait* wait = std::exchange(script.wait, nullptr)) {
    wait->Abandon();
    EndWait(script);
  }
  state.home_lane_->Remove(&script.resume);
  // To run its <close> variables, if there are any.
  state.Trace(MSYS_TRACE_RESUME, &slice, &script, nullptr,
              {.cause = script.cause});
  state.DropAllQueued(kSessionGone, script.id);
  CloseScript(slice, script);
  state.EndCallout(slice, script, MSYS_E_CANCELLED);
}

// ---- sessions ------------------------------------------------------------------

msys_status State::OpenSession(Session** out) {
  *out = nullptr;
  if (detach_called_ || engine.stopping()) return MSYS_E_CLOSED;
  auto* session = new (std::nothrow) Session(*this);
  auto* tls = new (std::nothrow) Tls;
  if (session == nullptr || tls == nullptr) {
    delete session;
    delete tls;
    return MSYS_E_NOMEM;
  }
  session->tls = tls;
  session->close.run = &OnSessionClose;
  session->close.owner = session;
  session->next = sessions_;
  if (sessions_ != nullptr) sessions_->prev = session;
  sessions_ = session;
  *out = session;
  return MSYS_OK;
}

void State::CloseSession(Session& session) {
  (session.prev == nullptr ? sessions_ : session.prev->next) = session.next;
  if (session.next != nullptr) session.next->prev = session.prev;
  RunAtHome(session.close);
}

void State::OnSessionClose(Work* work) {
  ReleaseSession(Work::OwnerOf<Session>(work));
}

}  // namespace msys
