// One Lua state of the host: made on its home loop, attached to the plugin,
// the policy run in it, and at the end detached and closed.
//
// Threads: on the home loop, except index(), loop() and ready(), which any may
// ask.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <lua.hpp>
#include <memory>
#include <string>
#include <vector>

#include "callout.h"
#include "event_loop.h"
#include "lua_warnings.h"
#include "plugin.h"
#include "policy.h"
#include "thread_check.h"

namespace hostsim {

class LuaState {
 public:
  // kLate: opening still, for longer than it should.
  enum class Life { kNew, kOpening, kLate, kReady, kFailed, kClosed };

  // When it takes longer than `late_after` to open, a warning is logged.
  LuaState(std::uint32_t index, Plugin& plugin, EventLoop& loop,
           const Policy& policy, std::chrono::seconds late_after);
  ~LuaState();
  LuaState(const LuaState&) = delete;
  LuaState& operator=(const LuaState&) = delete;

  // Calls back on the loop, now or later, with true when all scripts and
  // init() functions are through; opens the state if nobody has yet.
  void WhenReady(std::function<void(bool)> callback);

  // Detaches and closes; `done` is called on the loop.  No session uses the
  // state any more.  May be called in any life but once.
  void Close(std::function<void()> done);

  std::uint32_t index() const { return index_; }
  EventLoop& loop() const { return loop_; }
  Plugin& plugin() const { return plugin_; }
  Life life() const { return life_.load(std::memory_order_relaxed); }
  TurnMark* turn() { return &turn_; }
  const CalloutTarget& target() const { return target_; }

  // What validation functions return, as msys.core has it.
  lua_Integer validate_cont() const { return validate_cont_; }
  lua_Integer validate_done() const { return validate_done_; }

 private:
  class Opener;
  friend class Opener;

  bool Attach();
  bool closing() const { return closed_ != nullptr; }
  bool opening() const {
    return life() == Life::kOpening || life() == Life::kLate;
  }
  void WatchOpening();
  void Opened(bool good);
  void SetLife(Life life) { life_.store(life, std::memory_order_relaxed); }
  static void OnDetached(void* ctx);
  void CloseLua();

  const std::uint32_t index_;
  Plugin& plugin_;
  EventLoop& loop_;
  const Policy& policy_;
  const std::chrono::seconds late_after_;
  TurnMark turn_;
  std::atomic<Life> life_{Life::kNew};  // relaxed: written on the loop
  CalloutTarget target_;
  LuaWarnings warnings_;
  lua_State* L_ = nullptr;
  std::unique_ptr<Opener> opener_;
  boost::asio::steady_timer late_timer_;
  std::chrono::steady_clock::time_point opening_since_;
  std::vector<std::function<void(bool)>> waiting_;
  std::function<void()> closed_;
  lua_Integer validate_cont_ = 0, validate_done_ = 0;
};

}  // namespace hostsim
