// One message on its way through all phases, as a client would send it.
//
// Threads: made on any; Begin() and everything after on the loop of its state.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lua_state.h"
#include "mail_source.h"
#include "phase.h"
#include "phase_runner.h"

namespace hostsim {

struct SessionEnd {
  Outcome outcome = Outcome::kAccepted;
  bool by_error = false;  // a policy function failed, or the state
};

class ReplaySession final : public PhaseClient,
                            public std::enable_shared_from_this<ReplaySession> {
 public:
  // `mail` outlives *this.  `ended` is called once, on the loop.
  ReplaySession(std::uint64_t number, const Mail& mail, LuaState& state,
                std::function<void(ReplaySession&, SessionEnd)> ended);

  void Begin();
  // Ends it as cancelled, soon; validate_dealloc still runs, unless `at_once`.
  void Cancel(bool at_once);

  LuaState& state() const { return state_; }

 private:
  using Clock = EventLoop::Clock;

  void StateReady(bool good);
  void PhaseDone(const PhaseResult& result) override;
  void StartPhase(Phase phase, std::string argument = {});
  void NextPhase(const PhaseResult& result);
  void OfferRecipient(const PhaseResult& result);
  void SpoolRecipient(const PhaseResult& result);
  void Finish(SessionEnd end);  // goes on with dealloc
  void End();

  const std::uint64_t number_;
  const Mail& mail_;
  LuaState& state_;
  const std::function<void(ReplaySession&, SessionEnd)> ended_;

  std::optional<PhaseRunner> runner_;  // once the state is ready
  Phase phase_ = Phase::kConnect;
  Clock::time_point begin_, phase_begin_;
  bool over_ = false;
  bool cancelled_ = false;
  SessionEnd end_;
  std::size_t next_recipient_ = 0;  // to offer
  std::size_t accepted_recipients_ = 0;
  bool any_refused_ = false;  // of the spooled mail's recipients
  bool only_tempfailed_ = true;
};

}  // namespace hostsim
