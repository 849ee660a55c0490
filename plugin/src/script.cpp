#include "script.h"

#include <cassert>
#include <cstdio>

#include "clock.h"
#include "job.h"
#include "lua/binding.h"
#include "state.h"
#include "text.h"

namespace msys {
namespace {

// Index 1 of a C function that is suspended by us.  Only the debug library hands
// out what a suspended coroutine has on its stack, or changes it: scripts that may
// use it are trusted, as Lua's manual says.
const char kMark = 0;
// The same when its own resumer has it go on.
const char kGoesOn = 0;
// The same when the coroutine is about to be closed.
const char kClosing = 0;

// In the statistics of the closure's pool.
void CountSuspended(Script& script, std::uint64_t n) {
  // A completion function's closure has been counted as over.
  if (script.job == nullptr || script.job->stage != JobStage::kRunning) return;
  if (LaneStats* stats = script.job->stats()) stats->suspended.Add(n);
}

void GoOnLater(Script& script) {
  EndWait(script);
  CountSuspended(script, UINT64_MAX);  // one fewer
  script.state.Queue(*script.lane, script.resume);
}

int YieldAgain(lua_State* L) { return lua_yield(L, 0); }
int NeverGoesOn(lua_State*, int, lua_KContext) { return 0; }

// Resumed by C code, or by a function of Lua's own library that somebody has kept
// from before msys was there.  What it passes is no result of the call, and would
// be among the results: the wait is over without one.
int RefuseResumer(lua_State* L) {
  State* state = State::Of(L);
  if (state != nullptr) state->strangers = true;
  Script* script = state == nullptr ? nullptr : state->WaitsIn(L);
  if (script != nullptr) {
    script->exposed = true;
    script->wait->Abandon();  // and may be gone
    GoOnLater(*script);
  }
  return luaL_error(L, "the call that waits in this coroutine has ended without a "
                    "result: the coroutine was resumed by C code, not by the "
                    "coroutine library that came with msys");
}

// How every suspended function goes on.
int GoOn(lua_State* L, int status, lua_KContext k) {
  const void* mark = lua_touserdata(L, 1);
  if (mark == &kClosing) {
    lua_pushcfunction(L, &YieldAgain);
    return lua_pcallk(L, 0, 0, 0, 0, &NeverGoesOn);
  }
  if (mark != &kGoesOn) return RefuseResumer(L);
  return reinterpret_cast<lua_KFunction>(k)(L, status, 0);
}

// Lua, up to 5.4.7, closes a coroutine with the message handler of the xpcall in which
// it is suspended, but by its place on the stack, where anything may be by then: an
// error of a closing method would call that.  So the coroutine suspends itself once
// more, in a pcall, which has none.
void ForgetMessageHandler(lua_State* co) {
  lua_settop(co, 1);  // there is room for one more
  lua_pushlightuserdata(co, const_cast<char*>(&kClosing));
  lua_replace(co, 1);
  // A hook that raises would have the script go on.
  const lua_Hook hook = lua_gethook(co);
  const int mask = lua_gethookmask(co);
  const int count = lua_gethookcount(co);
  lua_sethook(co, nullptr, 0, 0);
  int results = 0;
  lua_resume(co, nullptr, 0, &results);
  lua_sethook(co, hook, mask, count);
}

struct CloseRequest {
  lua_State* co;
  int status;
};

int CloseProtected(lua_State* L) {
  auto* request = static_cast<CloseRequest*>(lua_touserdata(L, 1));
  request->status = lua_resetthread(request->co);
  return 0;
}

// Where the Lua code on co is: "policy.lua:12".
void DescribePlace(lua_State* co, char* out, std::size_t size) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(co, level, &ar) != 0; ++level) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline > 0) {
      return FormatSource(ar.source, ar.currentline, out, size);
    }
  }
  std::snprintf(out, size, "?");
}

// A <close> variable of the suspended coroutine has raised the error value on top.
void LogCloseFailure(Script& script, const char* place, lua_State* co) {
  char who[160];
  DescribeScript(script, who, sizeof who);
  char line[2048] = "not enough memory";
  if (lua_checkstack(co, 4)) {
    script.state.PushErrorText(co, lua_gettop(co));
    OneLine(StringAt(co, -1), line, sizeof line);
  }
  script.state.engine.host().Log(
      MSYS_LOG_ERROR,
      script.kind == Script::Kind::kCallout ? "callout" : "runInPool",
      "%s of state %s was ended at %s: a <close> variable failed: %s", who,
      script.state.name.c_str(), place, line);
}

// Ends one of the script's coroutines, of which none is resumed by another.
void CloseCoroutine(Script& script, lua_State* co) {
  const bool suspended = lua_status(co) == LUA_YIELD;
  char place[128];
  if (suspended) DescribePlace(co, place, sizeof place);
  if (IsSuspended(co)) ForgetMessageHandler(co);
  if (lua_status(co) == LUA_OK) return;
  CloseRequest request{co, LUA_OK};
  script.state.Protected(&CloseProtected, &request);
  if (request.status == LUA_OK) return;
  if (suspended) LogCloseFailure(script, place, co);
  lua_settop(co, 0);
}

// The script has ended, and not by its first function: it gets false, and the text or,
// if that is null, the error value at the top of aux, which is popped.
void EndOutside(Script& script, const char* text) {
  State& state = script.state;
  state.anchors.Drop(script.traceback);
  RenewCoroutine(script);
  lua_State* co = script.co.L;
  if (co != nullptr) lua_pushboolean(co, 0);
  if (text == nullptr && co == nullptr) lua_pop(state.aux, 1);
  else if (text == nullptr) lua_xmove(state.aux, co, 1);
  else if (co != nullptr) state.PushText(co, text);
}

}  // namespace

void Wait::Cancel(const char* why) {
  // Whatever runs meanwhile may have ended the wait, and freed it.
  Script& waits = *script;
  if (!waits.state.TextFor(waits, this, why)) return;
  lua_State* const co = L;
  Abandon();
  lua_xmove(waits.state.aux, co, 1);
  WakeScript(waits);
}

Outcome RunScript(Slice& slice, Script& script, int values) {
  State& state = script.state;
  slice.script = &script;
  slice.frame = nullptr;
  int results = 0;
  const int status = lua_resume(script.co.L, nullptr, values, &results);
  // Asked now: what it waits for may end while the outbox is emptied.
  const bool waits = status == LUA_YIELD && script.wait != nullptr;
  slice.now = NowNs();
  Flush(slice, script.outbox);
  if (waits) {
    slice.script = nullptr;
    return Outcome::kSuspended;
  }
  if (status == LUA_YIELD) {
    // Yielded to us, by itself (a C function; coroutine.yield has refused).
    CloseScript(slice, script);
    EndOutside(script, "attempt to yield from outside a coroutine");
  } else if (status != LUA_OK) {
    // Outside of the closure's own pcall: prepare() has raised, or memory was
    // missing before the first line; or others have resumed it.  The error value is on
    // top.
    lua_xmove(script.co.L, state.aux, 1);
    CloseScript(slice, script);
    EndOutside(script, nullptr);
  }
  // Its hook ends with it: finish() and the completion function are not its own.
  if (script.co.L != nullptr) lua_sethook(script.co.L, nullptr, 0, 0);
  slice.script = nullptr;
  return Outcome::kEnded;
}

// The error value stays what it is, since pending <close> variables are given it; the
// traceback is put aside.
int KeepTraceback(lua_State* L) {
  // Found only now: a closure that carries it would be an allocation, and
  // garbage, for every script that does not fail.
  Script* const script = RunningScript(L);
  if (script == nullptr) return 1;
  State& state = script->state;
  state.PushErrorText(L, 1);
  lua_pushliteral(L, "\n");
  luaL_traceback(L, L, nullptr, 1);  // with a message it would be cut at a NUL
  lua_concat(L, 3);
  state.anchors.Drop(script->traceback);  // of an error that this one replaces
  script->traceback = state.anchors.Put(L);
  lua_settop(L, 1);
  return 1;
}

void PushTraceback(lua_State* L) {
  Script* const script = RunningScript(L);
  if (script == nullptr || script->traceback == Anchors::kNone) return lua_pushnil(L);
  script->state.anchors.Push(L, script->traceback);
  script->state.anchors.Drop(script->traceback);
}

Script* RunningScript(lua_State* L) {
  const State* state = State::Of(L);
  const Slice* slice = state == nullptr ? nullptr : state->current;
  Script* script = slice == nullptr ? nullptr : slice->script;
  return script != nullptr && script->co.L == L ? script : nullptr;
}

Outcome ResumeScript(Slice& slice, Script& script) {
  script.state.Trace(MSYS_TRACE_RESUME, &slice, &script, script.job,
                     {.cause = script.cause});
  script.cause = 0;
  if (WaitsForOther(script.co.L, script)) {
    EndOutside(script, "cannot resume non-suspended coroutine");
    slice.now = NowNs();
    return Outcome::kEnded;
  }
  LetGoOn(script.co.L);
  return RunScript(slice, script, 0);
}

void CloseScript(Slice& slice, Script& script) {
  // A coroutine that is suspended inside coroutine.resume or wrap has the one it
  // resumed at index 2.
  lua_State* chain[256];  // Lua itself allows fewer than 200 C levels
  int depth = 0;
  for (lua_State* co = script.co.L;
       co != nullptr && depth < 256 && !WaitsForOther(co, script);) {
    chain[depth++] = co;
    co = IsSuspended(co) ? lua_tothread(co, 2) : nullptr;
  }
  // What closes the inner ones may have a coroutine.close from before attach(), close
  // the outer ones with it, and collect what these have kept.
  lua_State* const aux = script.state.aux;
  const int top = lua_gettop(aux);
  const bool room = lua_checkstack(aux, depth);
  for (int i = 0; i < depth && room && lua_checkstack(chain[i], 1); ++i) {
    lua_pushthread(chain[i]);
    lua_xmove(chain[i], aux, 1);
  }
  Script* const before = slice.script;
  slice.script = &script;
  slice.frame = nullptr;
  script.closing = true;
  while (depth > 0) CloseCoroutine(script, chain[--depth]);
  script.closing = false;
  lua_settop(aux, top);
  slice.now = NowNs();
  Flush(slice, script.outbox);
  // What a finaliser submits from here on is nobody's: the script is over.
  slice.script = before == &script ? nullptr : before;
}

void DescribeScript(const Script& script, char* out, std::size_t size) {
  char where[128];
  switch (script.kind) {
    case Script::Kind::kClosure:
      FormatSource(script.job->source, script.job->line, where, sizeof where);
      std::snprintf(out, size, "the closure %s", where);
      break;
    case Script::Kind::kCallout: {
      // Null: what finish() has locked.
      const msys_callout* callout = static_cast<const Callout&>(script).callout;
      const char* name = callout == nullptr ? "finish()" : callout->name;
      std::snprintf(out, size, "the callout %s", name != nullptr ? name : "?");
      HideControls(out);
      break;
    }
    case Script::Kind::kMain:
      std::snprintf(out, size, "the main script");
      break;
  }
}

// Lua refuses lua_gc while a finaliser runs, on whatever coroutine it runs and
// however it was called (5.4.4 and later).  Except while an interpreter closes:
// then all that is left runs inside of one finaliser, ours.
bool InFinaliser(lua_State* L, const State& state) {
  return lua_gc(L, LUA_GCCOUNT) < 0 && !state.draining_main();
}

// Every link from the script's own coroutine to L must be one of ours: a foreign
// one would take our yield for an answer.
constexpr char kResumedByC[] =
    "this coroutine was resumed by C code, not by the coroutine library that "
    "came with msys";

const char* CannotSuspend(lua_State* L, const Slice* slice) {
  if (slice == nullptr || slice->script == nullptr) {
    return "no callout or closure is running; policies are run by callouts of "
           "the mail server";
  }
  if (slice->script->closing) {
    return "the script has ended but for its <close> variables";
  }
  if (slice->script->kind == Script::Kind::kMain) {
    // Waits in place, which only the collector's innards forbid.
    return InFinaliser(L, slice->script->state) ? "a finaliser cannot wait"
                                                : nullptr;
  }
  const lua_State* innermost =
      slice->frame != nullptr ? slice->frame->co : slice->script->co.L;
  if (L != innermost) return kResumedByC;
  bool yieldable = lua_isyieldable(L);
  for (const Frame* f = slice->frame; f != nullptr; f = f->outer) {
    const lua_State* below =
        f->outer != nullptr ? f->outer->co : slice->script->co.L;
    if (f->from != below) return kResumedByC;
    yieldable = yieldable && lua_isyieldable(f->from);
  }
  if (!yieldable) {
    return "Lua cannot be suspended inside a C function (a table.sort "
           "comparator, a string.gsub callback, require, coroutine.close, a hook, a "
           "message handler, a finaliser)";
  }
  return nullptr;
}

namespace {

const Script* Next(const Script* script) {
  return script->wait == nullptr ? nullptr : script->wait->Needs();
}

}  // namespace

bool Needs(const Script* first, const Script& script) {
  // Some may wait for each other already: a second walk at half the speed meets
  // the first one then.
  const Script* slow = first;
  bool step = false;
  for (const Script* s = first; s != nullptr; step = !step) {
    if (s == &script) return true;
    s = Next(s);
    if (step) slow = Next(slow);
    if (s == slow) return false;
  }
  return false;
}

void MarkSuspended(lua_State* L) {
  lua_pushlightuserdata(L, const_cast<char*>(&kMark));
  lua_copy(L, -1, 1);
  lua_settop(L, 2);
}

bool IsSuspended(lua_State* co) {
  return lua_status(co) == LUA_YIELD && lua_touserdata(co, 1) == &kMark;
}

void LetGoOn(lua_State* co) {
  if (!IsSuspended(co)) return;
  lua_pushlightuserdata(co, const_cast<char*>(&kGoesOn));
  lua_replace(co, 1);
}

bool WaitsForOther(lua_State* co, const Script& script) {
  if (!script.state.strangers) return false;
  lua_State* innermost = co;
  while (IsSuspended(innermost) && lua_isthread(innermost, 2)) {
    innermost = lua_tothread(innermost, 2);
  }
  const Script* other = script.state.WaitsIn(innermost);
  if (other == nullptr || other == &script) return false;
  // The other one may have no more than the inner ones of script's coroutines.
  for (lua_State* its = other->co.L; its != co; its = lua_tothread(its, 2)) {
    if (!IsSuspended(its) || !lua_isthread(its, 2)) return false;
  }
  return true;
}

void RenewCoroutine(Script& script) {
  State& state = script.state;
  const Coroutine fresh = state.TakeCoroutine();
  if (fresh.L == nullptr && Coroutines::Idle(script.co.L)) {
    script.exposed = true;
    return lua_settop(script.co.L, 0);
  }
  state.anchors.Drop(script.co.slot);
  script.co = fresh;
  script.exposed = false;
}

int YieldMarked(lua_State* L, lua_KFunction k) {
  return lua_yieldk(L, 0, reinterpret_cast<lua_KContext>(k), &GoOn);
}

namespace {

// In an interpreter a script may have coroutine.close from before msys was there,
// and close a coroutine that waits with it.  The wait is to outlive that, unless there
// is no memory for the stack.  The anchors have been reserved.
void KeepWait(lua_State* L, Script& script) {
  Anchors& anchors = script.state.anchors;
  assert(anchors.has_room(2));
  if (!anchors.has_room(2) || !lua_checkstack(L, 1)) return;
  lua_pushvalue(L, 2);
  script.kept_value = anchors.Put(L);
  lua_pushthread(L);
  script.kept_coroutine = anchors.Put(L);
}

}  // namespace

namespace {

int RenewDrainOfMain(lua_State* L) {
  RenewDrain(L, *static_cast<State*>(lua_touserdata(L, 1)));
  return 0;
}

}  // namespace

void EndWait(Script& script) {
  script.wait = nullptr;
  script.state.anchors.Drop(script.kept_value);
  script.state.anchors.Drop(script.kept_coroutine);
}

int Suspend(lua_State* L, Slice& slice, Wait& wait, lua_KFunction k) {
  Script& script = *slice.script;
  wait.script = &script;
  wait.L = L;
  script.wait = &wait;
  State& state = script.state;
  state.Trace(MSYS_TRACE_SUSPEND, &slice, &script, script.job,
              {.wait = &wait});
  if (script.kind == Script::Kind::kMain) {
    state.BlockMain(slice, &wait);
    // Jobs have run meanwhile: what they have made is younger than what drains them.
    if (state.jobs() > 0) state.Protected(&RenewDrainOfMain, &state);
    return k(L, LUA_YIELD, 0);
  }
  if (state.run_one_task != nullptr) KeepWait(L, script);
  CountSuspended(script, 1);
  return YieldMarked(L, k);
}

void WakeScript(Script& script) {
  lua_State* L = script.wait->L;
  // Closed by who is none of ours.  A coroutine that is over and has values on its
  // stack is one that has not begun.
  if (!IsSuspended(L) && script.kind != Script::Kind::kMain && Coroutines::Idle(L)) {
    lua_settop(L, 0);
  }
  GoOnLater(script);
}

}  // namespace msys
