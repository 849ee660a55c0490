// The host's Lua states: made up to a cap, given to sessions.
//
// Threads: Acquire and Release from any; CloseAll by the main thread, once,
// when no session is left.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lua_state.h"
#include "plugin.h"
#include "policy.h"
#include "sync.h"

namespace hostsim {

class LuaStates {
 public:
  // All are borrowed and outlive *this.  A state that takes longer than
  // `late_after` to open is late.
  LuaStates(Plugin& plugin, const EventLoops& loops, const Policy& policy,
            std::uint32_t max_states, std::chrono::seconds late_after);

  // A state for one more session: a free one, else a new one while there are
  // fewer than the cap, else the one with the fewest sessions.  States that
  // failed to open, or are late, are not given; nullptr: there are no others.
  // With `loop`, only states whose home it is, unless none can be had there.
  // The session waits with WhenReady() on the state's loop.
  LuaState* Acquire(std::uint32_t loop = kNoLoop) EXCLUDES(mutex_);
  void Release(LuaState* state) EXCLUDES(mutex_);

  // `done` is called on a loop once every state is closed.
  void CloseAll(std::function<void()> done) EXCLUDES(mutex_);

  std::size_t size() const EXCLUDES(mutex_);
  // The names of states that are not closed yet, for a report.
  std::vector<std::string> StillOpen() const EXCLUDES(mutex_);

 private:
  struct Slot {
    std::unique_ptr<LuaState> state;
    std::uint32_t sessions = 0;
  };
  Slot* Find(std::uint32_t loop) REQUIRES(mutex_);
  Slot* Make(std::uint32_t loop) REQUIRES(mutex_);

  Plugin& plugin_;
  const EventLoops& loops_;
  const Policy& policy_;
  const std::uint32_t max_states_;
  const std::chrono::seconds late_after_;
  mutable Mutex mutex_;
  std::vector<Slot> slots_ GUARDED_BY(mutex_);
};

}  // namespace hostsim
