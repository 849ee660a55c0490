#include "mail_limits.h"

#include <strings.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace hostsim {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

bool SameWithoutCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view WithoutEnd(std::string_view line) {
  while (!line.empty() && (IsBlank(line.back()) || line.back() == '\r'))
    line.remove_suffix(1);
  return line;
}

// Calls visit(line) for each line, without its newline.
template <typename Visit>
void ForEachLine(std::string_view mail, Visit visit) {
  while (!mail.empty()) {
    const std::size_t end = std::min(mail.find('\n'), mail.size());
    visit(mail.substr(0, end));
    mail.remove_prefix(std::min(end + 1, mail.size()));
  }
}

// "Resent-To: ann"
bool BeginsWithAddresses(std::string_view line) {
  const std::size_t colon = line.substr(0, 100).find(':');
  if (colon == line.npos) return false;
  const std::string_view name = WithoutEnd(line.substr(0, colon));
  for (const std::string_view end : {"to", "from", "cc", "sender", "path"})
    if (name.size() >= end.size() &&
        SameWithoutCase(name.substr(name.size() - end.size()), end))
      return true;
  return false;
}

// The lines between parts, as far as they can be told.
class Boundaries {
 public:
  void Look(std::string_view line) {
    constexpr std::string_view kName = "boundary";
    const auto found = std::search(
        line.begin(), line.end(), kName.begin(), kName.end(),
        [](char a, char b) { return (a | 0x20) == b; });
    if (found == line.end()) return;
    std::string_view rest = line.substr(
        static_cast<std::size_t>(found - line.begin()) + kName.size());
    while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
    // On the next line, in pieces, or encoded: then any line may be one.
    if (!rest.starts_with('=')) return void(any_ |= rest.empty() || rest[0] == '*' ||
                                                  rest[0] == '(');
    rest.remove_prefix(1);
    while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
    const bool quoted = rest.starts_with('"');
    if (quoted) rest.remove_prefix(1);
    rest = WithoutEnd(rest.substr(0, rest.find_first_of(quoted ? "\"" : ";")));
    any_ |= rest.empty() || rest.find_first_of("\\(?") != rest.npos;
    names_.insert(rest);
  }
  // Of a line that begins with "--".
  bool Has(std::string_view line) const {
    line = WithoutEnd(line.substr(2));
    return any_ || names_.contains(line) ||
           (line.ends_with("--") && names_.contains(line.substr(0, line.size() - 2)));
  }

 private:
  std::unordered_set<std::string_view> names_;
  bool any_ = false;
};

std::size_t CountParts(std::string_view mail) {
  Boundaries boundaries;
  ForEachLine(mail, [&](std::string_view line) { boundaries.Look(line); });
  std::size_t count = 0;
  ForEachLine(mail, [&](std::string_view line) {
    count += line.starts_with("--") && boundaries.Has(line);
  });
  return count;
}

}  // namespace

std::string MailExcess(std::string_view mail) {
  bool in_header = true, in_addresses = false;
  std::size_t fields = 0, colons = 0, most_colons = 0, dashes = 0;
  ForEachLine(mail, [&](std::string_view line) {
    if (line.starts_with("--")) ++dashes;
    if (line.empty() || line == "\r") in_header = false;
    const bool goes_on = !line.empty() && IsBlank(line.front());
    if (!goes_on) {
      if (in_header) ++fields;
      in_addresses = BeginsWithAddresses(line);
      colons = 0;
    }
    if (!in_addresses) return;
    colons += static_cast<std::size_t>(std::count(line.begin(), line.end(), ':'));
    most_colons = std::max(most_colons, colons);
  });
  const auto more_than = [](std::size_t most, const char* what) {
    return "more than " + std::to_string(most) + " " + what;
  };
  if (most_colons > kMostColons)
    return more_than(kMostColons, "colons in a field of addresses");
  if (fields > kMostFields) return more_than(kMostFields, "fields in the header");
  if (dashes > kMostParts && CountParts(mail) > kMostParts)
    return more_than(kMostParts, "MIME parts");
  return "";
}

}  // namespace hostsim
