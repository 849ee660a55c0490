#include "phase.h"

namespace hostsim {

const char* PhaseName(Phase phase) {
  // All names start with the same nine letters.
  return PhaseFunctionName(phase) + std::string_view("validate_").size();
}

const char* PhaseFunctionName(Phase phase) {
  switch (phase) {
    case Phase::kConnect:
      return "validate_connect";
    case Phase::kEhlo:
      return "validate_ehlo";
    case Phase::kMailfrom:
      return "validate_mailfrom";
    case Phase::kRcptto:
      return "validate_rcptto";
    case Phase::kData:
      return "validate_data";
    case Phase::kDataSpool:
      return "validate_data_spool";
    case Phase::kDataSpoolEachRcpt:
      return "validate_data_spool_each_rcpt";
    case Phase::kSetBinding:
      return "validate_set_binding";
    case Phase::kDealloc:
      return "validate_dealloc";
  }
  return "validate_unknown";
}

bool IsPhaseFunctionName(std::string_view name) {
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    if (name == PhaseFunctionName(static_cast<Phase>(i))) return true;
  return false;
}

const char* OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return "accepted";
    case Outcome::kRejected:
      return "rejected";
    case Outcome::kTempfailed:
      return "tempfailed";
    case Outcome::kDisconnected:
      return "disconnected";
    case Outcome::kDiscarded:
      return "discarded";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kNoMail:
      return "no_mail";
  }
  return "unknown";
}

}  // namespace hostsim
