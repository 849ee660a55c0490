// A coroutine that the plugin runs: a callout, or a job's closure with its
// completion function after it.  It runs in slices, each on one thread, and is
// suspended between them.
//
// Threads: the holder of the state's turn, for everything here.
#pragma once

#include <msys/plugin.h>

#include <cstdint>
#include <string_view>

#include "clock.h"
#include "coroutines.h"
#include "lane.h"
#include "loop.h"

namespace msys {

class Held;
struct Job;
struct Script;
struct Session;
class State;
struct Tls;

// A coroutine.resume (or wrap) that is running inside a script.  On the C stack;
// when the script is suspended the frames go, and come back when it goes on.
struct Frame {
  lua_State* from;
  lua_State* co;
  Frame* outer;
};

// Jobs in the order of their submission, linked by next and prev.
struct Outbox {
  Job* first = nullptr;
  Job* last = nullptr;
};

// One stretch of running Lua in a state, on the stack of RunLane().
struct Slice {
  State* state = nullptr;
  Worker* worker = nullptr;  // null: a loop
  Lane* lane = nullptr;      // null once a blocking region has given it up
  Script* script = nullptr;  // null between scripts
  Frame* frame = nullptr;    // the innermost one of the script
  std::uint64_t now = 0;     // ns; when the last script gave the thread back;
                             // 0: none has yet
  std::uint64_t Now() {
    if (now == 0) now = NowNs();
    return now;
  }
  bool keep_turn = false;    // the main thread goes on with the turn
};

// What a suspended script waits for.  Exactly one of these ends the wait: what
// is waited for, Abandon(), or Cancel().
class Wait {
 public:
  // The script will never go on.
  virtual void Abandon() = 0;
  // The state is being detached: the script goes on soon, with a failure.  Unless a
  // wait has its own, it finds the text `why` above the call's own values.
  virtual void Cancel(const char* why);
  // The script of the same state that must go on before the wait can end; null:
  // there is none, or it is another state's.
  virtual Script* Needs() const { return nullptr; }
  // The wait may end though nothing of the state goes on.
  virtual bool EndsFromOutside() const { return false; }
  // As msys_trace_event.waits_for.
  virtual const char* what() const = 0;

  Script* script = nullptr;
  lua_State* L = nullptr;  // of the script's coroutines, the one that called

 protected:
  ~Wait() = default;
};

struct Script {
  enum class Kind { kCallout, kClosure, kMain };

  explicit Script(State& s) : state(s) {
    resume.owner = this;
  }

  State& state;
  Kind kind = Kind::kClosure;
  Coroutine co;
  LoopLane* lane = nullptr;  // where it goes on after a wait
  Tls* tls = nullptr;        // of a closure: its job's
  Wait* wait = nullptr;      // not null: suspended
  Held* held = nullptr;      // locks, of which none may be left at its end
  Outbox outbox;             // submitted in this slice, dispatched at its end
  std::uint64_t id = 0;
  std::uint64_t cause = 0;   // the job whose result it goes on with; 0: none
  bool exposed = false;      // somebody may have kept the coroutine
  bool cancelled = false;
  bool closing = false;      // only its <close> variables still run
  Anchors::Slot traceback = Anchors::kNone;  // of its failure, until it is used
  // What its wait needs, where its coroutine may be closed by others meanwhile.
  Anchors::Slot kept_value = Anchors::kNone;
  Anchors::Slot kept_coroutine = Anchors::kNone;
  Work resume;               // queued in `lane` when the wait is over

  Job* job = nullptr;        // kClosure
  Script* next_free = nullptr;
};

struct Callout : Script {
  explicit Callout(State& s) : Script(s) {
    kind = Kind::kCallout;
    start.owner = cancel.owner = static_cast<Script*>(this);
  }
  static Callout& OfWork(Work* work) {
    return static_cast<Callout&>(Work::OwnerOf<Script>(work));
  }

  msys_callout* callout = nullptr;
  Session* session = nullptr;
  Work start;
  Work cancel;
  Callout* next = nullptr;  // of all of the state that are not over
  Callout* prev = nullptr;
};

// ---- running ---------------------------------------------------------------

// How a slice of a script ended.
enum class Outcome { kSuspended, kEnded };

// Runs a script up to its next wait, or its end.  To begin one: its stack holds a C
// function and so many arguments, and nothing else.  The function calls the script's own
// by lua_pcallk.  When it has ended, the stack holds what it has returned; or, when it
// has been ended in another way, false and an error value.  It has no hook.  The
// coroutine may be another one than before; null: it is in other hands, and there was no
// memory for another one.
Outcome RunScript(Slice& slice, Script& script, int arguments);
// Goes on after a wait; what the wait gives is on the stack of wait->L.
Outcome ResumeScript(Slice& slice, Script& script);

// Gives a script that has ended, or is to end without another slice, an empty coroutine:
// its own may be in other hands, and even run there.  Null then, if memory is out.
void RenewCoroutine(Script& script);

// The script that runs now, if L is its own coroutine.  Null: there is none; L is
// another coroutine; or it is of a script that is over or suspended, and was resumed by
// somebody who has kept it and does not use our functions.  [-0, +0, -]
Script* RunningScript(lua_State* L);

// The message handler of scripts whose failure wants a traceback.
int KeepTraceback(lua_State* L);
// What it has kept, or nil; it keeps it no longer.  [-0, +1, -]
void PushTraceback(lua_State* L);

// The bytes of the string at `index`.  [-0, +0, -]
inline std::string_view StringAt(lua_State* L, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(L, index, &size);
  return {text, size};
}

// Ends a suspended script, or one that has failed, for good: its coroutines are
// closed from the innermost outwards, their <close> variables run.  What these
// raise is logged.
void CloseScript(Slice& slice, Script& script);

// As logs call it: "the closure policy.lua:3", "the callout validate_data".
void DescribeScript(const Script& script, char* out, std::size_t size);

// ---- suspending ------------------------------------------------------------

// A finaliser (__gc) is running.  [-0, +0, -]
bool InFinaliser(lua_State* L, const State& state);

// Why the Lua code that runs on L cannot be suspended now; null: it can.
const char* CannotSuspend(lua_State* L, const Slice* slice);

// `first` is `script`, or waits, over however many others, for it: should
// `script` wait for `first`, none of them would ever go on.
bool Needs(const Script* first, const Script& script);

// Marks the frame of the running C function as suspended: index 1 becomes a
// mark, index 2 stays, and what is above is lost.
void MarkSuspended(lua_State* L);
// After it, the last thing that such a function does: `return YieldMarked(...)`.
// k is how it goes on; its context is not for it.
int YieldMarked(lua_State* L, lua_KFunction k);
// Whether co is suspended by a call of ours, not by coroutine.yield.
bool IsSuspended(lua_State* co);
// Before co is resumed to go on after a wait; its stack has room for a value.
// Nothing if it is not suspended by us any more.  [-0, +0, -]
void LetGoOn(lua_State* co);
// Strangers have resumed co, which was suspended for a wait of `script`, and now it is,
// or what it has resumed, for one of another script.
bool WaitsForOther(lua_State* co, const Script& script);

// Suspends the running script until `wait` is over; then k runs with what the
// wait has pushed above the function's own values.  The last thing a C function
// does: `return Suspend(...)`.  MarkSuspended() has been called; the value at index 2
// keeps all that the wait refers to.
int Suspend(lua_State* L, Slice& slice, Wait& wait, lua_KFunction k);

// The script does not wait any more; whoever calls it has seen to the wait.
void EndWait(Script& script);

// The wait is over and its values are on wait.L's stack: the script goes on when
// its lane's turn comes.  `script.wait` is that wait still.
void WakeScript(Script& script);

}  // namespace msys
