// SmtpSession from the end of a mail's text to the reply.
#include <utility>

#include "log.h"
#include "mail_limits.h"
#include "smtp_session.h"

namespace hostsim {

void SmtpSession::EndOfMail() {
  SmtpDataDecoder data = *std::exchange(data_, std::nullopt);
  if (data.too_big())
    return MailDone(552, "message is too big", Outcome::kRejected);
  if (data.line_too_long())
    return MailDone(
        554,
        "a line is longer than " + std::to_string(config_.max_line) + " bytes",
        Outcome::kRejected);
  if (data.bare_newline())
    return MailDone(554, "a CR or LF stands alone; lines end with CRLF",
                    Outcome::kRejected);
  if (discarded_) return MailDone(250, "OK", Outcome::kDiscarded);
  content_ = std::make_shared<const std::string>(data.TakeText());
  if (const std::string excess = MailExcess(*content_); !excess.empty())
    return MailDone(554, "the mail has " + excess, Outcome::kRejected);
  runner_->SetContent(content_);
  StartPhase(Phase::kData);
}

void SmtpSession::MailPhaseDone(const PhaseResult& result) {
  // One recipient that is refused does not refuse the mail.
  const bool recipient_only =
      phase_ == Phase::kDataSpoolEachRcpt && Judge(result) == Verdict::kRefused;
  if (!recipient_only && !GoesOn(result)) {
    if (!leaving_) ResetTransaction();
    return;
  }
  if (!result.reply.text.empty() && result.reply.code < 400)
    final_text_ = result.reply.text;
  if (discarded_)
    return MailDone(250, final_text_.empty() ? "OK" : final_text_,
                    Outcome::kDiscarded);
  switch (phase_) {
    case Phase::kData:
      return StartPhase(Phase::kDataSpool);
    case Phase::kDataSpool:
      spool_refusal_ = {};
      return SpoolRecipient(result);
    case Phase::kDataSpoolEachRcpt:
      return SpoolRecipient(result);
    default:
      return StoreMail(result);
  }
}

// `result` is data_spool's or, of the recipient before, data_spool_each_rcpt's.
void SmtpSession::SpoolRecipient(const PhaseResult& result) {
  // The client tries again if that helps any of those refused.
  if (Judge(result) == Verdict::kRefused &&
      (spool_refusal_.code == 0 || result.reply.code < spool_refusal_.code))
    spool_refusal_ = {result.reply.code, result.reply.text};
  if (result.next_recipient)
    return StartPhase(Phase::kDataSpoolEachRcpt, *result.next_recipient);
  if (spool_refusal_.code != 0 && !result.has_recipients)
    return MailDone(
        spool_refusal_.code,
        spool_refusal_.text.empty() ? "refused by policy" : spool_refusal_.text,
        spool_refusal_.code >= 500 ? Outcome::kRejected : Outcome::kTempfailed);
  StartPhase(Phase::kSetBinding);
}

// What is stored is what the policy has made of the mail.
void SmtpSession::StoreMail(const PhaseResult& result) {
  if (result.changed_content) content_ = result.changed_content;
  if (!maildir_)
    return MailDone(250, final_text_.empty() ? "OK" : final_text_,
                    Outcome::kAccepted);
  work_ = Work::kStoring;
  const auto self = std::static_pointer_cast<SmtpSession>(shared_from_this());
  maildir_->Store(content_, [self](Maildir::Stored stored) {
    self->state_.loop().Defer(
        [self, stored = std::move(stored)] { self->MailStored(stored); });
  });
}

void SmtpSession::MailStored(const Maildir::Stored& stored) {
  work_ = Work::kNone;
  const bool good = stored.error.empty();
  if (!good)
    Log(MSYS_LOG_ERROR, "maildir", conn_id_ + ": " + stored.error);
  else if (LogWanted(MSYS_LOG_DEBUG))
    Log(MSYS_LOG_DEBUG, "maildir", conn_id_ + ": stored as " + stored.name);
  if (leaving_) {
    if (good) outcome_ = Outcome::kAccepted;
    return StartPhase(Phase::kDealloc);
  }
  if (!good)
    MailDone(451, "cannot store the message, try again later",
             Outcome::kTempfailed);
  else
    MailDone(250,
             final_text_.empty() ? "OK: stored as " + stored.name : final_text_,
             Outcome::kAccepted);
  Pump();
}

void SmtpSession::MailDone(int code, std::string_view text, Outcome outcome) {
  outcome_ = outcome;
  Reply(code, text);
  ResetTransaction();
}

void SmtpSession::ResetTransaction() {
  in_mail_ = smtputf8_ = discarded_ = false;
  recipients_ = 0;
  data_.reset();
  content_.reset();
  final_text_.clear();
}

}  // namespace hostsim
