// Replays mail: keeps so many sessions in flight until so many have run.
//
// Threads: Start, StopStarting and CancelAll by the main thread; the rest runs
// on the loops.  Must outlive the loops' threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "lua_states.h"
#include "mail_source.h"
#include "replay_session.h"
#include "stats.h"

namespace hostsim {

class Replay {
 public:
  // `ended` is called once, on some loop, when no session is in flight and
  // none will be started.
  Replay(LuaStates& states, const EventLoops& loops,
         const std::vector<Mail>& mails, std::uint64_t sessions,
         std::uint32_t concurrency, SessionCounts& counts,
         std::function<void()> ended);

  void Start();
  void StopStarting() { stopping_.store(true, std::memory_order_relaxed); }
  // See ReplaySession::Cancel.
  void CancelAll(bool at_once);

 private:
  // Sessions in flight on one loop; touched on that loop only.
  using InFlight = std::unordered_set<std::shared_ptr<ReplaySession>>;

  void StartNext();  // or, when there is none to start, one chain less
  void Ended(ReplaySession& session, SessionEnd end);

  LuaStates& states_;
  const EventLoops& loops_;
  const std::vector<Mail>& mails_;
  const std::uint64_t sessions_;
  const std::uint32_t concurrency_;
  SessionCounts& counts_;
  const std::function<void()> ended_;

  std::atomic<bool> stopping_{false};   // relaxed: sooner or later is enough
  std::atomic<std::uint64_t> next_{0};  // relaxed: a ticket
  // Chains of sessions, one after the other, that still run.  acq_rel: the
  // last one sees what all others did.
  std::atomic<std::uint32_t> chains_{0};
  std::vector<InFlight> in_flight_;  // by loop
};

}  // namespace hostsim
