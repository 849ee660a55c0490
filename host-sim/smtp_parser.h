// What an SMTP client sends, taken apart: bytes to lines, lines to commands.
//
// Pure: no I/O and no state but that of one connection.  Every input is taken
// as hostile; nothing here throws, and views point into the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hostsim {

// RFC 5321's 512 bytes, CRLF included, and what the extensions that we announce
// add to MAIL: SIZE 26, 8BITMIME 17, SMTPUTF8 10.
inline constexpr std::size_t kSmtpCommandLine = 512 + 26 + 17 + 10;

// Cuts the input into command lines.  A line feed always ends a line, so that
// no client waits for an answer in vain, but only CRLF ends a good one.
class SmtpLineSplitter {
 public:
  enum class Kind {
    kNeedMore,  // no whole line yet; `consumed` bytes of it are not wanted
    kLine,      // `text`, without its CRLF
    kTooLong,   // more than kSmtpCommandLine bytes; skipped
    kMalformed  // a CR or LF without the other, or a NUL
  };
  struct Line {
    Kind kind = Kind::kNeedMore;
    std::string_view text;
    std::size_t consumed = 0;  // drop so much from the front of the input
  };
  Line Next(std::string_view input) noexcept;

 private:
  bool skipping_ = false;  // the start of a line that is too long is gone
};

enum class SmtpVerb {
  kEhlo,
  kHelo,
  kMail,
  kRcpt,
  kData,
  kRset,
  kNoop,
  kVrfy,
  kQuit,
  kNotImplemented,  // a command that we know and do not have
  kUnknown
};

enum class SmtpProblem {
  kNone,
  kSyntax,            // 501
  kPathTooLong,       // 501
  kNeedsSmtpUtf8,     // 553: an address that is not ASCII, without SMTPUTF8
  kUnknownParameter,  // 555
};

struct SmtpCommand {
  SmtpVerb verb = SmtpVerb::kUnknown;
  SmtpProblem problem = SmtpProblem::kNone;
  // EHLO and HELO: the client's name.  MAIL and RCPT: the address without <>
  // and source route.  Others: what follows the verb.
  std::string_view argument;
  // MAIL only.
  bool smtputf8 = false;
  bool has_size = false;
  std::uint64_t size = 0;  // saturated
};

// `line` as SmtpLineSplitter gives it.  `smtputf8`: the transaction has asked
// for it, so RCPT may name such an address.
SmtpCommand ParseSmtpCommand(std::string_view line, bool smtputf8) noexcept;

}  // namespace hostsim
