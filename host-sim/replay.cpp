#include "replay.h"

#include <algorithm>

namespace hostsim {

Replay::Replay(LuaStates& states, const EventLoops& loops,
               const std::vector<Mail>& mails, std::uint64_t sessions,
               std::uint32_t concurrency, SessionCounts& counts,
               std::function<void()> ended)
    : states_(states),
      loops_(loops),
      mails_(mails),
      sessions_(sessions),
      concurrency_(concurrency),
      counts_(counts),
      ended_(std::move(ended)),
      in_flight_(loops.size()) {}

void Replay::Start() {
  const auto chains = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(concurrency_, sessions_));
  chains_.store(chains, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < chains; ++i) StartNext();
}

void Replay::StartNext() {
  const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  const bool over =
      number >= sessions_ || stopping_.load(std::memory_order_relaxed);
  if (over) {
    if (chains_.fetch_sub(1, std::memory_order_acq_rel) == 1) ended_();
    return;
  }
  counts_.Started();
  LuaState* state = states_.Acquire();
  if (!state) {  // no state can be opened; without a loop to wait on
    counts_.Ended(Outcome::kTempfailed, true);
    loops_.front()->Defer([this] { StartNext(); });
    return;
  }
  auto session = std::make_shared<ReplaySession>(
      number, mails_[static_cast<std::size_t>(number % mails_.size())], *state,
      [this](ReplaySession& ended, SessionEnd end) { Ended(ended, end); });
  state->loop().Defer([this, session] {
    in_flight_[session->state().loop().index()].insert(session);
    session->Begin();
  });
}

void Replay::Ended(ReplaySession& session, SessionEnd end) {
  states_.Release(&session.state());
  counts_.Ended(end.outcome, end.by_error);
  in_flight_[session.state().loop().index()].erase(session.shared_from_this());
  StartNext();
}

void Replay::CancelAll(bool at_once) {
  for (const auto& loop : loops_) {
    loop->Defer([this, at_once, index = loop->index()] {
      // A copy: a session that ends is taken out of the set.
      const InFlight sessions = in_flight_[index];
      for (const auto& session : sessions) session->Cancel(at_once);
    });
  }
}

}  // namespace hostsim
