#include "replay_session.h"

#include <cstdio>

#include "log.h"

namespace hostsim {
namespace {

// Addresses of the documentation range, as if the clients were many.
std::string RemoteAddr(std::uint64_t number) {
  return "192.0.2." + std::to_string(1 + number % 254) + ":" +
         std::to_string(1024 + number % 60000);
}

std::string ConnId(std::uint64_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(number));
  return text;
}

std::uint64_t Since(EventLoop::Clock::time_point begin) {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(EventLoop::Clock::now() - begin).count());
}

}  // namespace

ReplaySession::ReplaySession(
    std::uint64_t number, const Mail& mail, LuaState& state,
    std::function<void(ReplaySession&, SessionEnd)> ended)
    : number_(number), mail_(mail), state_(state), ended_(std::move(ended)) {}

void ReplaySession::Begin() {
  begin_ = Clock::now();
  state_.WhenReady(
      [self = shared_from_this()](bool good) { self->StateReady(good); });
}

void ReplaySession::StateReady(bool good) {
  if (over_) return;  // cancelled while it waited
  if (!good) {
    end_ = {Outcome::kTempfailed, true};
    return End();
  }
  runner_.emplace(state_,
                  Ref<Connection>(new Connection(state_.turn(), ConnId(number_),
                                                 RemoteAddr(number_))),
                  *this);
  StartPhase(Phase::kConnect);
}

void ReplaySession::Cancel(bool at_once) {
  if (over_) return;
  cancelled_ = true;
  if (!runner_) {
    end_ = {Outcome::kCancelled, false};
    return End();
  }
  if (phase_ != Phase::kDealloc || at_once) runner_->CancelPhase();
}

void ReplaySession::StartPhase(Phase phase, std::string argument) {
  phase_ = phase;
  phase_begin_ = Clock::now();
  runner_->Start(phase, std::move(argument));
}

void ReplaySession::PhaseDone(const PhaseResult& result) {
  state_.loop().phase_stats().phase[static_cast<std::size_t>(phase_)].Record(
      Since(phase_begin_));
  if (phase_ == Phase::kDealloc) return End();
  if (cancelled_) return Finish({Outcome::kCancelled, false});
  if (Judge(result) == Verdict::kEnd)
    return Finish(
        {OutcomeOf(result), result.kind == PhaseResult::Kind::kError});
  NextPhase(result);
}

void ReplaySession::NextPhase(const PhaseResult& result) {
  if (phase_ == Phase::kRcptto) return OfferRecipient(result);
  if (phase_ == Phase::kDataSpoolEachRcpt) return SpoolRecipient(result);
  if (Judge(result) == Verdict::kRefused) return Finish({OutcomeOf(result)});
  switch (phase_) {
    case Phase::kConnect:
      return StartPhase(Phase::kEhlo, mail_.ehlo);
    case Phase::kEhlo:
      return StartPhase(Phase::kMailfrom, mail_.mailfrom);
    case Phase::kMailfrom:
      next_recipient_ = 1;
      return StartPhase(Phase::kRcptto, mail_.recipients.front());
    case Phase::kData:
      return StartPhase(Phase::kDataSpool);
    case Phase::kDataSpool:
      any_refused_ = false;
      only_tempfailed_ = true;
      return SpoolRecipient(result);
    default:
      return Finish({Outcome::kAccepted});
  }
}

// A refused recipient is left out; a mail that nobody is to get is refused.
void ReplaySession::OfferRecipient(const PhaseResult& result) {
  if (Judge(result) == Verdict::kGoOn)
    ++accepted_recipients_;
  else if (result.reply.code >= 500)
    only_tempfailed_ = false;
  if (next_recipient_ < mail_.recipients.size())
    return StartPhase(Phase::kRcptto, mail_.recipients[next_recipient_++]);
  if (accepted_recipients_ == 0)
    return Finish(
        {only_tempfailed_ ? Outcome::kTempfailed : Outcome::kRejected});
  runner_->SetContent(mail_.bytes);
  StartPhase(Phase::kData);
}

// The same for the phase that is run once per recipient of the spooled mail.
void ReplaySession::SpoolRecipient(const PhaseResult& result) {
  if (Judge(result) == Verdict::kRefused) {
    any_refused_ = true;
    only_tempfailed_ = only_tempfailed_ && result.reply.code < 500;
  }
  if (result.next_recipient)
    return StartPhase(Phase::kDataSpoolEachRcpt, *result.next_recipient);
  if (any_refused_ && !result.has_recipients)
    return Finish(
        {only_tempfailed_ ? Outcome::kTempfailed : Outcome::kRejected});
  StartPhase(Phase::kSetBinding);
}

void ReplaySession::Finish(SessionEnd end) {
  end_ = end;
  if (LogWanted(MSYS_LOG_DEBUG))
    Logf(MSYS_LOG_DEBUG, "session", "%s: %s %s at %s", ConnId(number_).c_str(),
         mail_.origin.c_str(), OutcomeName(end.outcome), PhaseName(phase_));
  StartPhase(Phase::kDealloc);
}

void ReplaySession::End() {
  over_ = true;
  state_.loop().phase_stats().session.Record(Since(begin_));
  // The runner is on the stack, and ended_ may drop the last reference.
  state_.loop().Defer([self = shared_from_this()] { self->runner_.reset(); });
  ended_(*this, end_);
}

}  // namespace hostsim
