// One call of Lua through the plugin, at a time: the C struct, its contract
// checks, and the way back to the loop.
//
//   Run() -> Prepare() [turn held] -> ... -> Finish() [turn held] -> Finished()
//
// Finished() comes as a task of its own, with no turn held and never inside
// Run() or Cancel(), so that it may do anything: run the next call, or destroy
// the object.
//
// Threads: everything on the home loop of the state.
#pragma once

#include <cstdint>
#include <lua.hpp>

#include "event_loop.h"
#include "msys/plugin.h"
#include "plugin.h"
#include "thread_check.h"

namespace hostsim {

// The state that a callout runs in; owned by LuaState.
struct CalloutTarget {
  Plugin* plugin = nullptr;
  EventLoop* loop = nullptr;
  TurnMark* turn = nullptr;
  msys_state* state = nullptr;
};

class Callout {
 public:
  explicit Callout(const CalloutTarget& target);
  Callout(const Callout&) = delete;
  Callout& operator=(const Callout&) = delete;

  bool running() const { return stage_ != Stage::kIdle; }
  std::uint64_t trace_session() const { return trace_session_; }

 protected:
  // Aborts when the call is not over: the plugin still points at it.
  virtual ~Callout();

  // `name`, for logs, lives until Finished().  Not while running().  Anything
  // but MSYS_OK: none of the three below is called.
  msys_status Run(const char* name, msys_session* session);
  // Finish() then usually gets MSYS_E_CANCELLED.
  void Cancel();

  // As msys_callout's prepare(): may raise, so no destructors in its frames.
  virtual int Prepare(lua_State* L) = 0;
  // As finish(), but must not raise.
  virtual void Finish(lua_State* L, msys_status status, int count) noexcept = 0;
  virtual void Finished() = 0;

  const CalloutTarget& target_;  // outlives *this
  // The session whose call it is, in the trace; 0: none, or nobody traces.
  std::uint64_t trace_session_ = 0;

 private:
  // The msys_task comes first in a struct that knows its owner.
  struct Task {
    msys_task base;
    Callout* owner;
  };
  enum class Stage { kIdle, kStarted, kPrepared, kDone };

  static int OnPrepare(void* ctx, lua_State* L);
  static void OnFinish(void* ctx, lua_State* L, msys_status status, int count);
  static void OnTask(msys_task* task);

  msys_callout callout_{};
  Task task_{};
  Stage stage_ = Stage::kIdle;
};

}  // namespace hostsim
