// One SMTP client, from its connection to its last reply.
//
// Works on one thing at a time (Work), so that replies come in the order of the
// commands; commands that were pipelined wait in the input meanwhile.  A policy
// that fails costs this session a 451 (421 before the greeting), and no other
// session anything; one that takes longer than Policy_Timeout ends it with 421,
// as does a state that takes longer to be ready.
//
//   commands   smtp_session.cpp: a command to a phase, its result to a reply
//   mail       smtp_mail.cpp: what follows DATA, up to the Maildir and the 250
//
// Threads: made on any; everything else on the loop of the state.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config_listener.h"
#include "lua_state.h"
#include "maildir.h"
#include "phase.h"
#include "phase_runner.h"
#include "smtp_channel.h"
#include "smtp_data.h"
#include "smtp_parser.h"

namespace hostsim {

class SmtpSession final : public SmtpChannel, public PhaseClient {
 public:
  using Ended = std::function<void(SmtpSession&, Outcome, bool by_error)>;

  // `config` and `maildir` outlive *this; no maildir: accepted mail is dropped.
  // `ended` is called once, on the loop.
  SmtpSession(LuaState& state, boost::asio::ip::tcp::socket socket,
              std::string conn_id, std::string remote_addr,
              const ListenerConfig& config, Maildir* maildir, Ended ended);

  void Begin();
  // The host stops: ends the session with 421 as soon as no mail is under way.
  void WindDown();
  // Ends it with 421 now; `at_once`: without waiting for validate_dealloc or
  // for the client to take the reply.  True: this cut something short.
  bool Cancel(bool at_once);

  LuaState& state() const { return state_; }

 private:
  enum class Work { kNone, kOpening, kPhase, kStoring, kDealloc, kDone };

  // SmtpChannel
  void OnInput() override;
  void OnSent() override { Pump(); }
  void OnTimeout() override;
  void OnClosed() override;
  // PhaseClient
  void PhaseDone(const PhaseResult& result) override;

  void StateReady(bool good);
  void Pump();  // works on the input as far as it goes
  bool TakeLine();
  bool TakeMail();
  void ClientGone();

  void Handle(const SmtpCommand& command);
  void HandleMail(const SmtpCommand& command);
  void HandleRcpt(const SmtpCommand& command);
  void HandleData();
  void Reply(int code, std::string_view text);
  void ReplyError(int code, std::string_view text);  // counts to Max_Errors
  void CloseWith(int code, std::string_view text, Outcome outcome);

  void StartPhase(Phase phase, std::string argument = {});
  void StartPolicyTimer();
  void PolicyTimeout();
  // Replies, when the policy does not let the session go on: false.
  bool GoesOn(const PhaseResult& result);
  void ConnectDone(const PhaseResult& result);
  void EhloDone(const PhaseResult& result);
  void MailfromDone(const PhaseResult& result);
  void RcpttoDone(const PhaseResult& result);

  // smtp_mail.cpp
  void EndOfMail();
  void MailPhaseDone(const PhaseResult& result);
  void SpoolRecipient(const PhaseResult& result);
  void StoreMail(const PhaseResult& result);
  void MailStored(const Maildir::Stored& stored);
  void MailDone(int code, std::string_view text, Outcome outcome);
  void ResetTransaction();

  void Leave();  // no more commands: validate_dealloc, then End()
  void MaybeEnd();

  LuaState& state_;
  const std::string conn_id_, remote_addr_;
  const ListenerConfig& config_;
  Maildir* const maildir_;
  const Ended ended_;

  Work work_ = Work::kOpening;
  Phase phase_ = Phase::kConnect;
  Clock::time_point begin_, phase_begin_;
  std::optional<PhaseRunner> runner_;  // once the state is ready
  boost::asio::steady_timer policy_timer_;
  bool policy_timed_out_ = false;
  bool leaving_ = false, closed_seen_ = false;
  bool stopping_ = false;               // the host is
  Outcome outcome_ = Outcome::kNoMail;  // of the last mail, or of the session
  bool by_error_ = false;
  std::uint32_t errors_ = 0;

  SmtpLineSplitter lines_;
  std::size_t behind_ = 0;  // bytes of input after the command being handled
  bool greeted_ = false;    // EHLO or HELO was accepted
  bool extended_ = false;
  // The transaction: from MAIL to the reply to its text.
  bool in_mail_ = false;
  bool smtputf8_ = false;
  bool discarded_ = false;
  std::uint32_t recipients_ = 0;
  std::optional<SmtpDataDecoder> data_;  // while the text comes
  std::shared_ptr<const std::string> content_;
  struct {
    int code = 0;
    std::string text;
  } spool_refusal_;         // the mildest reply of recipients that were refused
  std::string final_text_;  // of the 250, when a policy has set it
};

}  // namespace hostsim
