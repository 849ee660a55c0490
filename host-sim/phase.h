// The phases of an SMTP session and the ways it can end.
#pragma once

#include <cstddef>
#include <string_view>

namespace hostsim {

// In the order in which a session goes through them.
enum class Phase : unsigned char {
  kConnect,
  kEhlo,
  kMailfrom,
  kRcptto,
  kData,
  kDataSpool,
  kDataSpoolEachRcpt,
  kSetBinding,
  kDealloc,
};
inline constexpr std::size_t kPhaseCount = 9;

const char* PhaseName(Phase phase);          // "data_spool"
const char* PhaseFunctionName(Phase phase);  // "validate_data_spool"
bool IsPhaseFunctionName(std::string_view name);

// Every session ends in exactly one of these.
enum class Outcome : unsigned char {
  kAccepted,
  kRejected,      // a 5xx by vctx:set_code
  kTempfailed,    // a 4xx by vctx:set_code, or an error of the policy
  kDisconnected,  // vctx:disconnect
  kDiscarded,     // msg:discard
  kCancelled,     // the host stopped first, or the client went away
  kNoMail,        // an SMTP client that sent none, and was not refused either
};
inline constexpr std::size_t kOutcomeCount = 7;

const char* OutcomeName(Outcome outcome);  // "accepted"

}  // namespace hostsim
