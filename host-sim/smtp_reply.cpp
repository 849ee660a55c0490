#include "smtp_reply.h"

#include <algorithm>

namespace hostsim {
namespace {

// RFC 5321: 512 bytes for a reply line, with code, separator and CRLF.
constexpr std::size_t kLongestText = 512 - 4 - 2;
// No client needs more from a policy.
constexpr std::size_t kMostLines = 64;

std::string Clean(std::string_view text) {
  std::string clean(text.substr(0, kLongestText));
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < ' ' || c >= 0x7f; },
      '?');
  return clean;
}

}  // namespace

std::string SmtpReply(int code, const std::vector<std::string>& lines) {
  const std::string digits = std::to_string(std::clamp(code, 200, 599));
  std::string reply;
  const std::size_t count = std::min(lines.size(), kMostLines);
  for (std::size_t i = 0; i < count; ++i)
    reply += digits + (i + 1 < count ? '-' : ' ') + Clean(lines[i]) + "\r\n";
  return reply.empty() ? digits + " \r\n" : reply;
}

std::string SmtpReply(int code, std::string_view text) {
  std::vector<std::string> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (text.empty()) break;
  }
  return SmtpReply(code, lines);
}

}  // namespace hostsim
