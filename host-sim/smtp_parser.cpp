#include "smtp_parser.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "smtp_address.h"

namespace hostsim {
namespace {

constexpr auto kNone = std::string_view::npos;

char Upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool SameWord(std::string_view a, std::string_view upper) {
  return a.size() == upper.size() &&
         std::equal(a.begin(), a.end(), upper.begin(),
                    [](char x, char y) { return Upper(x) == y; });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// The text before the first space; what follows is left in *rest, trimmed.
std::string_view TakeWord(std::string_view text, std::string_view* rest) {
  const std::size_t end = std::min(text.find(' '), text.size());
  *rest = Trim(text.substr(end));
  return text.substr(0, end);
}

SmtpVerb VerbOf(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, SmtpVerb>, 15> kVerbs{
      {{"EHLO", SmtpVerb::kEhlo},
       {"HELO", SmtpVerb::kHelo},
       {"MAIL", SmtpVerb::kMail},
       {"RCPT", SmtpVerb::kRcpt},
       {"DATA", SmtpVerb::kData},
       {"RSET", SmtpVerb::kRset},
       {"NOOP", SmtpVerb::kNoop},
       {"VRFY", SmtpVerb::kVrfy},
       {"QUIT", SmtpVerb::kQuit},
       {"EXPN", SmtpVerb::kNotImplemented},
       {"HELP", SmtpVerb::kNotImplemented},
       {"STARTTLS", SmtpVerb::kNotImplemented},
       {"AUTH", SmtpVerb::kNotImplemented},
       {"BDAT", SmtpVerb::kNotImplemented},
       {"ETRN", SmtpVerb::kNotImplemented}}};
  for (const auto& [name, verb] : kVerbs)
    if (SameWord(word, name)) return verb;
  return SmtpVerb::kUnknown;
}

bool ParseSize(std::string_view digits, std::uint64_t* size) {
  if (digits.empty() || digits.size() > 20) return false;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  *size = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    *size = *size > (kMost - digit) / 10 ? kMost : *size * 10 + digit;
  }
  return true;
}

SmtpProblem TakeMailParameter(std::string_view word, SmtpCommand* command) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const std::string_view value =
      equals == kNone ? std::string_view() : word.substr(equals + 1);
  if (SameWord(key, "SIZE")) {
    if (command->has_size || !ParseSize(value, &command->size))
      return SmtpProblem::kSyntax;
    command->has_size = true;
    return SmtpProblem::kNone;
  }
  if (SameWord(key, "BODY"))
    return SameWord(value, "7BIT") || SameWord(value, "8BITMIME")
               ? SmtpProblem::kNone
               : SmtpProblem::kSyntax;
  if (SameWord(key, "SMTPUTF8")) {
    if (equals != kNone) return SmtpProblem::kSyntax;
    command->smtputf8 = true;
    return SmtpProblem::kNone;
  }
  return SmtpProblem::kUnknownParameter;
}

// "FROM:<a@b> SIZE=1" or "TO:<a@b>", from the first letter on.
SmtpProblem ParseEnvelope(std::string_view text, bool smtputf8,
                          SmtpCommand* command) {
  const bool mail = command->verb == SmtpVerb::kMail;
  const std::string_view keyword = mail ? "FROM:" : "TO:";
  if (!SameWord(text.substr(0, keyword.size()), keyword))
    return SmtpProblem::kSyntax;
  // Spaces before the path are wrong, and common.
  text = Trim(text.substr(keyword.size()));
  const std::size_t end = EndOfPath(text);
  if (end == 0) return SmtpProblem::kSyntax;
  std::string_view rest = text.substr(end);
  if (!rest.empty() && rest.front() != ' ') return SmtpProblem::kSyntax;
  command->argument = WithoutRoute(text.substr(1, end - 2));
  for (rest = Trim(rest); !rest.empty();) {
    const std::string_view word = TakeWord(rest, &rest);
    if (!mail) return SmtpProblem::kUnknownParameter;
    const SmtpProblem problem = TakeMailParameter(word, command);
    if (problem != SmtpProblem::kNone) return problem;
  }
  if (command->argument.empty())
    return mail ? SmtpProblem::kNone : SmtpProblem::kSyntax;
  if (command->argument.size() > kSmtpPath) return SmtpProblem::kPathTooLong;
  if (!mail && SameWord(command->argument, "POSTMASTER"))
    return SmtpProblem::kNone;
  if (!IsMailbox(command->argument)) return SmtpProblem::kSyntax;
  if (!IsAscii(command->argument) && !smtputf8 && !command->smtputf8)
    return SmtpProblem::kNeedsSmtpUtf8;
  return SmtpProblem::kNone;
}

// A domain or an address literal; not looked at more closely, since the name
// decides nothing here and policies want to see the odd ones.
bool IsClientName(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

SmtpLineSplitter::Line SmtpLineSplitter::Next(std::string_view input) noexcept {
  const std::size_t end = input.find('\n');
  if (end == kNone) {
    if (!skipping_ && input.size() < kSmtpCommandLine) return {};
    skipping_ = true;
    return {Kind::kNeedMore, {}, input.size()};
  }
  Line line{Kind::kLine, {}, end + 1};
  if (skipping_ || line.consumed > kSmtpCommandLine) {
    skipping_ = false;
    line.kind = Kind::kTooLong;
  } else if (end == 0 || input[end - 1] != '\r') {
    line.kind = Kind::kMalformed;
  } else {
    line.text = input.substr(0, end - 1);
    if (line.text.find('\r') != kNone || line.text.find('\0') != kNone)
      line.kind = Kind::kMalformed;
  }
  return line;
}

SmtpCommand ParseSmtpCommand(std::string_view line, bool smtputf8) noexcept {
  SmtpCommand command;
  std::string_view rest;
  command.verb = VerbOf(TakeWord(Trim(line), &rest));
  command.argument = rest;
  bool good = true;
  switch (command.verb) {
    case SmtpVerb::kEhlo:
    case SmtpVerb::kHelo:
      good = IsClientName(rest);
      break;
    case SmtpVerb::kMail:
    case SmtpVerb::kRcpt:
      command.problem = ParseEnvelope(rest, smtputf8, &command);
      return command;
    case SmtpVerb::kData:
    case SmtpVerb::kRset:
    case SmtpVerb::kQuit:
      good = rest.empty();
      break;
    case SmtpVerb::kVrfy:
      good = !rest.empty();
      break;
    default:
      break;
  }
  if (!good) command.problem = SmtpProblem::kSyntax;
  return command;
}

}  // namespace hostsim
