// The plugin between open() and close(): the host's callbacks, its loops, the
// pools, the attached states; start and stop.
#pragma once

#include <msys/plugin.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "host.h"
#include "lock_table.h"
#include "loop.h"
#include "pool_set.h"
#include "sync.h"
#include "timer.h"

namespace msys {

class State;

class Engine {
 public:
  Engine(const msys_host& host, std::int32_t completion_returns);
  // Destroyed when nothing is attached any more and no worker is in a pool.
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Host& host() const { return host_; }
  PoolSet& pools() { return pools_; }
  Loop& loop(std::uint32_t index) { return *loops_[index]; }
  Timer& timer() { return timer_; }
  LockTable& locks() { return locks_; }
  bool returns_results() const {
    return completion_returns_ == MSYS_COMPLETION_RETURNS_RESULTS;
  }
  bool stopping() const {
    // relaxed: a job that slips in is counted and drained like those before it.
    return stopping_.load(std::memory_order_relaxed);
  }
  bool on_main_thread() const {
    return std::this_thread::get_id() == main_thread_;
  }

  // [loop] A state is about to be made, and stop() takes it for one that is
  // attached until EndTransit().  False: stop() has begun.
  [[nodiscard]] bool BeginAttach() EXCLUDES(mu_);
  // [loop] It is there; the first one claims the threads.  False: stop() has begun
  // meanwhile, and nobody finds the state here.
  [[nodiscard]] bool Add(State& state) EXCLUDES(mu_);
  // The state is about to go: nobody finds it here any more, but stop() still takes
  // it for attached until EndTransit().
  void Unlist(State& state) EXCLUDES(mu_);
  // After it the engine may be gone, unless a state is attached.
  void EndTransit() EXCLUDES(mu_);
  // Of the process: another plugin may be open, or be opened after this one.
  static std::uint64_t NextStateNumber() {
    return 1 + state_numbers_.fetch_add(1, std::memory_order_relaxed);
  }

  // [main] See msys_api.stop.
  msys_status Stop(std::uint32_t deadline_ms, std::string& error)
      EXCLUDES(mu_);
  // No worker is in a pool.  Waits until then for those that are on their way out.
  bool AtRest(std::uint64_t until_ns);
  // Nothing is left that close() would pull the ground from under.
  bool Closable() { return Drained(0, false, true) && AtRest(0); }

  // [any] Submitted and not over, in all attached states.
  std::uint64_t Jobs() EXCLUDES(mu_) {
    WaitableLock lock(mu_);
    return JobsLeft();
  }

  // Calls visit(state) for every attached state; it cannot be detached
  // meanwhile.
  template <typename Visit>
  void ForEachState(Visit visit) EXCLUDES(mu_) {
    WaitableLock lock(mu_);
    for (State* state : states_) visit(*state);
  }

 private:
  // Waits, but not on a loop, until nothing is left or the time has come.
  bool Drained(std::uint64_t until_ns, bool may_wait, bool states_too)
      EXCLUDES(mu_);
  std::uint64_t JobsLeft() REQUIRES(mu_);
  std::size_t InTransit() EXCLUDES(mu_);
  // Everything is over, perhaps after a wait.
  bool Over(std::uint64_t until_ns);
  void ReportLeft(std::string& error) EXCLUDES(mu_);

  const Host host_;
  const std::int32_t completion_returns_;
  const std::thread::id main_thread_ = std::this_thread::get_id();
  PoolSet pools_{host_};
  std::vector<std::unique_ptr<Loop>> loops_;
  Timer timer_;
  LockTable locks_;
  std::atomic<bool> stopping_{false};  // written under mu_
  static inline std::atomic<std::uint64_t> state_numbers_{0};  // relaxed: only unique
  std::uint64_t first_stop_ns_ = 0;  // [main]
  std::uint64_t deadline_ns_ = 0;    // [main] the nearest that a Stop() has set
  bool cancelled_ = false;           // [main] what was queued then

  WaitableMutex mu_;
  std::condition_variable changed_;
  std::vector<State*> states_ GUARDED_BY(mu_);
  int in_transit_ GUARDED_BY(mu_) = 0;  // states on their way in or out
};

}  // namespace msys
