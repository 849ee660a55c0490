#include "smtp_session.h"

#include <utility>

#include "log.h"
#include "smtp_reply.h"

namespace hostsim {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr char kLater[] = "local error in processing, try again later";

std::uint64_t Since(EventLoop::Clock::time_point begin) {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(EventLoop::Clock::now() - begin).count());
}

std::string_view TextOr(const PhaseResult& result, std::string_view text) {
  return result.reply.text.empty() ? text : result.reply.text;
}

}  // namespace

SmtpSession::SmtpSession(LuaState& state, boost::asio::ip::tcp::socket socket,
                         std::string conn_id, std::string remote_addr,
                         const ListenerConfig& config, Maildir* maildir,
                         Ended ended)
    : SmtpChannel(state.loop(), std::move(socket)),
      state_(state),
      conn_id_(std::move(conn_id)),
      remote_addr_(std::move(remote_addr)),
      config_(config),
      maildir_(maildir),
      ended_(std::move(ended)),
      policy_timer_(state.loop().io()) {}

void SmtpSession::Begin() {
  begin_ = Clock::now();
  Read();
  // Weak: the state may keep it for longer than the client waits.
  const std::weak_ptr<SmtpSession> weak =
      std::static_pointer_cast<SmtpSession>(shared_from_this());
  state_.WhenReady([weak](bool good) {
    if (const auto self = weak.lock()) self->StateReady(good);
  });
  if (work_ == Work::kOpening) StartPolicyTimer();
}

void SmtpSession::StateReady(bool good) {
  if (work_ != Work::kOpening) return;  // it ended while it waited
  work_ = Work::kNone;
  if (!good) {
    by_error_ = true;
    return CloseWith(421, kLater, Outcome::kTempfailed);
  }
  runner_.emplace(
      state_,
      Ref<Connection>(new Connection(state_.turn(), conn_id_, remote_addr_)),
      *this);
  StartPhase(Phase::kConnect);
}

void SmtpSession::OnInput() {
  if (leaving_) return;
  if (input_state() == Input::kBroken) return ClientGone();
  if (work_ == Work::kNone) return Pump();
  // A client may send all it has to say and close its side: what it has said is
  // answered first.  One that ends before the greeting has said nothing.
  if (input_state() == Input::kEnded && input().empty() &&
      phase_ == Phase::kConnect)
    return ClientGone();
  Read();
}

void SmtpSession::Pump() {
  if (leaving_) return;
  bool progress = false;
  while (work_ == Work::kNone && !leaving_ && !congested()) {
    if (stopping_ && !in_mail_) {
      CloseWith(421, config_.hostname + " shuts down", outcome_);
      break;
    }
    if (!(data_ ? TakeMail() : TakeLine())) break;
    progress = true;
  }
  if (leaving_) return;
  Flush();
  if (work_ == Work::kNone && !congested() && input_state() == Input::kEnded)
    return ClientGone();
  // The clock of a command starts with the reply before it, so that a client
  // cannot stretch it byte by byte.
  if (work_ == Work::kNone && (progress || !timing()))
    SetTimeout(std::chrono::seconds(config_.timeout_s));
  Read();
}

bool SmtpSession::TakeLine() {
  const SmtpLineSplitter::Line line = lines_.Next(input());
  if (line.kind == SmtpLineSplitter::Kind::kNeedMore) {
    Consume(line.consumed);
    return false;
  }
  StopTimeout();
  behind_ = input().size() - line.consumed;
  if (line.kind == SmtpLineSplitter::Kind::kLine)
    Handle(ParseSmtpCommand(line.text, smtputf8_));
  else if (line.kind == SmtpLineSplitter::Kind::kTooLong)
    ReplyError(500, "line too long");
  else
    ReplyError(500, "a line ends with CRLF and holds no other CR, LF or NUL");
  if (!leaving_) Consume(line.consumed);  // not before: the text lies there
  return true;
}

bool SmtpSession::TakeMail() {
  if (input().empty()) return false;
  Consume(data_->Take(input()));
  if (data_->done()) {
    StopTimeout();
    EndOfMail();
  } else if (data_->taken() / 2 > config_.max_message_size + (1u << 20)) {
    // Refused long ago, but the client does not stop.
    CloseWith(552, "message is too big", Outcome::kRejected);
  }
  return true;
}

void SmtpSession::OnTimeout() {
  if (leaving_) return;
  CloseWith(421, config_.hostname + " timeout, closing", Outcome::kCancelled);
}

void SmtpSession::ClientGone() {
  if (in_mail_ || work_ != Work::kNone) outcome_ = Outcome::kCancelled;
  // One that has only closed its side may still read.
  if (input_state() == Input::kEnded)
    CloseAfterSending();
  else
    CloseNow();
  Leave();
}

void SmtpSession::Reply(int code, std::string_view text) {
  Send(SmtpReply(code, text));
}

void SmtpSession::ReplyError(int code, std::string_view text) {
  if (++errors_ > config_.max_errors)
    return CloseWith(421, "too many errors, closing", Outcome::kDisconnected);
  Reply(code, text);
}

void SmtpSession::CloseWith(int code, std::string_view text, Outcome outcome) {
  if (leaving_) return;
  outcome_ = outcome;
  Reply(code, text);
  CloseAfterSending();
  Leave();
}

void SmtpSession::Handle(const SmtpCommand& command) {
  switch (command.problem) {
    case SmtpProblem::kNone:
      break;
    case SmtpProblem::kSyntax:
      return ReplyError(501, "syntax error in the arguments");
    case SmtpProblem::kPathTooLong:
      return ReplyError(501, "path too long");
    case SmtpProblem::kNeedsSmtpUtf8:
      return ReplyError(553, "an address that is not ASCII needs SMTPUTF8");
    case SmtpProblem::kUnknownParameter:
      return ReplyError(555, "parameter not recognized or not implemented");
  }
  switch (command.verb) {
    case SmtpVerb::kEhlo:
    case SmtpVerb::kHelo:
      ResetTransaction();
      extended_ = command.verb == SmtpVerb::kEhlo;
      return StartPhase(Phase::kEhlo, std::string(command.argument));
    case SmtpVerb::kMail:
      return HandleMail(command);
    case SmtpVerb::kRcpt:
      return HandleRcpt(command);
    case SmtpVerb::kData:
      return HandleData();
    case SmtpVerb::kRset:
      ResetTransaction();
      return Reply(250, "OK");
    case SmtpVerb::kNoop:
      return Reply(250, "OK");
    case SmtpVerb::kVrfy:
      return Reply(252, "cannot verify, but will take mail and try");
    case SmtpVerb::kQuit:
      return CloseWith(221, config_.hostname + " closes", outcome_);
    case SmtpVerb::kNotImplemented:
      return ReplyError(502, "command not implemented");
    case SmtpVerb::kUnknown:
      return ReplyError(500, "command not recognized");
  }
}

void SmtpSession::HandleMail(const SmtpCommand& command) {
  if (!greeted_) return ReplyError(503, "send EHLO or HELO first");
  if (in_mail_) return ReplyError(503, "a mail is under way; RSET ends it");
  if (command.has_size && command.size > config_.max_message_size)
    return Reply(552, "message is too big");
  in_mail_ = true;
  discarded_ = false;
  smtputf8_ = command.smtputf8;
  StartPhase(Phase::kMailfrom, std::string(command.argument));
}

void SmtpSession::HandleRcpt(const SmtpCommand& command) {
  if (!in_mail_) return ReplyError(503, "send MAIL first");
  if (recipients_ >= config_.max_recipients)
    return Reply(452, "too many recipients");
  StartPhase(Phase::kRcptto, std::string(command.argument));
}

void SmtpSession::HandleData() {
  const bool wanted = in_mail_ && recipients_ > 0;
  if (wanted) {
    data_.emplace(
        SmtpDataDecoder::Limits{config_.max_message_size, config_.max_line});
    return Reply(354, "end with CRLF . CRLF");
  }
  // A client that has sent the text already, without waiting for the answer,
  // must not have it taken for commands.
  if (behind_ > 0)
    return CloseWith(in_mail_ ? 554 : 503,
                     "DATA was refused, and not waited for",
                     Outcome::kRejected);
  if (!in_mail_) return ReplyError(503, "send MAIL first");
  ReplyError(554, "no valid recipients");
}

void SmtpSession::StartPhase(Phase phase, std::string argument) {
  work_ = phase == Phase::kDealloc ? Work::kDealloc : Work::kPhase;
  phase_ = phase;
  phase_begin_ = Clock::now();
  StartPolicyTimer();
  runner_->Start(phase, std::move(argument));
}

void SmtpSession::StartPolicyTimer() {
  policy_timed_out_ = false;
  policy_timer_.expires_after(std::chrono::seconds(config_.policy_timeout_s));
  const auto self = std::static_pointer_cast<SmtpSession>(shared_from_this());
  policy_timer_.async_wait([self](const boost::system::error_code& error) {
    const EventLoop::Hold hold(self->state_.loop());
    if (!error) self->PolicyTimeout();
  });
}

void SmtpSession::PolicyTimeout() {
  // A handler that was queued already is not stopped by a cancel.
  if (Clock::now() < policy_timer_.expiry()) return;
  policy_timed_out_ = true;
  if (work_ == Work::kPhase || work_ == Work::kDealloc)
    Logf(MSYS_LOG_WARNING, "session",
         "%s: the policy took more than %u s for %s; cancelled",
         conn_id_.c_str(), config_.policy_timeout_s, PhaseName(phase_));
  else if (work_ != Work::kOpening)  // where the state has a warning of its own
    return;
  if (work_ == Work::kDealloc) return runner_->CancelPhase();
  if (leaving_) return;  // that has cancelled it
  // The callout is over only when its closure is, however long that takes; the
  // client is not kept waiting, and nothing of the session is used again.
  by_error_ = true;
  CloseWith(421, kLater, Outcome::kTempfailed);
}

void SmtpSession::PhaseDone(const PhaseResult& result) {
  policy_timer_.cancel();
  const std::uint64_t took = Since(phase_begin_);
  state_.loop().phase_stats().phase[static_cast<std::size_t>(phase_)].Record(took);
  if (!policy_timed_out_ && took > config_.policy_timeout_s * kNsPerSecond)
    Logf(MSYS_LOG_WARNING, "session",
         "%s: %s took %.1f s and could not be cancelled: the event loop was busy with a "
         "policy, this one's or another session's",
         conn_id_.c_str(), PhaseName(phase_), static_cast<double>(took) / kNsPerSecond);
  if (phase_ == Phase::kDealloc) {
    work_ = Work::kDone;
    return MaybeEnd();
  }
  work_ = Work::kNone;
  if (leaving_) return StartPhase(Phase::kDealloc);
  switch (phase_) {
    case Phase::kConnect:
      ConnectDone(result);
      break;
    case Phase::kEhlo:
      EhloDone(result);
      break;
    case Phase::kMailfrom:
      MailfromDone(result);
      break;
    case Phase::kRcptto:
      RcpttoDone(result);
      break;
    default:
      MailPhaseDone(result);
      break;
  }
  Pump();
}

bool SmtpSession::GoesOn(const PhaseResult& result) {
  if (result.kind != PhaseResult::Kind::kDone) {
    by_error_ = true;
    outcome_ = Outcome::kTempfailed;
    Reply(451, kLater);
    return false;
  }
  discarded_ = discarded_ || result.discarded;
  const int code = result.reply.code;
  if (result.reply.disconnect) {
    CloseWith(code, TextOr(result, "closing"), Outcome::kDisconnected);
  } else if (code >= 400) {
    outcome_ = code >= 500 ? Outcome::kRejected : Outcome::kTempfailed;
    Reply(code, TextOr(result, "refused by policy"));
  }
  return !result.reply.disconnect && code < 400;
}

// A client that is refused before the greeting has nothing to wait for.
void SmtpSession::ConnectDone(const PhaseResult& result) {
  if (result.kind != PhaseResult::Kind::kDone) {
    by_error_ = true;
    return CloseWith(421, kLater, Outcome::kTempfailed);
  }
  if (result.reply.code >= 400)
    return CloseWith(result.reply.code, TextOr(result, "refused by policy"),
                     result.reply.disconnect    ? Outcome::kDisconnected
                     : result.reply.code >= 500 ? Outcome::kRejected
                                                : Outcome::kTempfailed);
  Reply(220, config_.hostname + " " + std::string(TextOr(result, "ESMTP host-sim")));
}

void SmtpSession::EhloDone(const PhaseResult& result) {
  greeted_ = GoesOn(result);
  if (!greeted_) return;
  std::string first = config_.hostname;
  if (!result.reply.text.empty()) first += " " + result.reply.text;
  if (!extended_) return Reply(250, first);
  Send(SmtpReply(250, {first, "PIPELINING",
                       "SIZE " + std::to_string(config_.max_message_size),
                       "8BITMIME", "SMTPUTF8"}));
}

void SmtpSession::MailfromDone(const PhaseResult& result) {
  if (!GoesOn(result)) return ResetTransaction();
  Reply(250, TextOr(result, "OK"));
}

void SmtpSession::RcpttoDone(const PhaseResult& result) {
  if (!GoesOn(result)) return;
  ++recipients_;
  Reply(250, TextOr(result, "OK"));
}

void SmtpSession::WindDown() {
  stopping_ = true;
  if (work_ == Work::kNone) Pump();
  else if (work_ == Work::kOpening)
    CloseWith(421, config_.hostname + " shuts down", outcome_);
}

bool SmtpSession::Cancel(bool at_once) {
  const bool cut = !leaving_;
  CloseWith(421, config_.hostname + " shuts down", Outcome::kCancelled);
  if (at_once) {
    CloseNow();
    if (work_ == Work::kDealloc) runner_->CancelPhase();
  }
  return cut;
}

void SmtpSession::Leave() {
  if (std::exchange(leaving_, true)) return;
  data_.reset();
  switch (work_) {
    case Work::kNone:
      if (runner_) return StartPhase(Phase::kDealloc);
      [[fallthrough]];
    case Work::kOpening:
      work_ = Work::kDone;
      return MaybeEnd();
    case Work::kPhase:
      return runner_->CancelPhase();
    default:
      return;  // MailStored() or PhaseDone() goes on
  }
}

void SmtpSession::OnClosed() {
  closed_seen_ = true;
  MaybeEnd();
}

void SmtpSession::MaybeEnd() {
  if (work_ != Work::kDone || !closed_seen_) return;
  policy_timer_.cancel();
  state_.loop().phase_stats().session.Record(Since(begin_));
  // The runner may be on the stack, and ended_ may drop the last reference.
  const auto self = std::static_pointer_cast<SmtpSession>(shared_from_this());
  state_.loop().Defer([self] { self->runner_.reset(); });
  ended_(*this, outcome_, by_error_ && outcome_ == Outcome::kTempfailed);
}

}  // namespace hostsim
