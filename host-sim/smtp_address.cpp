#include "smtp_address.h"

#include <algorithm>

namespace hostsim {
namespace {

constexpr auto kNone = std::string_view::npos;

bool IsUtf8Byte(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool IsLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z') || IsUtf8Byte(c);
}

bool IsAtext(char c) {
  return IsLetterOrDigit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != kNone;
}

// Neither too short, nor too long, nor a surrogate, nor beyond Unicode.
bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t n) {
      return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0u;
    };
    const unsigned lead = at(0);
    std::size_t size = 1;
    if (lead >= 0x80) {
      size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
      const bool bad_second =
          (lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f) ||
          (lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f);
      if (lead < 0xc2 || lead > 0xf4 || bad_second) return false;
    }
    for (std::size_t n = 1; n < size; ++n)
      if ((at(n) & 0xc0) != 0x80) return false;
    i += size;
  }
  return true;
}

// Atoms between single dots.
bool IsDotted(std::string_view text, bool (*is_part_of_atom)(char)) {
  bool dot = true;  // a dot may not come now
  for (const char c : text) {
    if (c == '.' ? dot : !is_part_of_atom(c)) return false;
    dot = c == '.';
  }
  return !dot;
}

bool IsDomain(std::string_view text) {
  if (text.empty() || text.size() > 255) return false;
  if (text.front() != '[')
    return IsDotted(text, [](char c) {
      return IsLetterOrDigit(c) || c == '-' || c == '_';
    });
  return text.size() > 2 && text.back() == ']' &&
         std::all_of(text.begin() + 1, text.end() - 1, [](char c) {
           return (IsLetterOrDigit(c) && !IsUtf8Byte(c)) || c == '.' ||
                  c == ':' || c == '-';
         });
}

// The bytes of a quoted string at the start, quotes included; 0: none.
std::size_t EndOfQuoted(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
    if (i < text.size() && !IsUtf8Byte(text[i]) &&
        (text[i] < ' ' || text[i] == 0x7f))
      return 0;
  }
  return 0;
}

}  // namespace

std::size_t EndOfPath(std::string_view text) noexcept {
  if (text.empty() || text.front() != '<') return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '>') return i + 1;
    if (text[i] != '"') continue;
    const std::size_t quoted = EndOfQuoted(text.substr(i));
    if (quoted == 0) return 0;
    i += quoted - 1;
  }
  return 0;
}

std::string_view WithoutRoute(std::string_view path) noexcept {
  if (path.empty() || path.front() != '@') return path;
  const std::size_t colon = path.find(':');
  return colon == kNone ? path : path.substr(colon + 1);
}

bool IsMailbox(std::string_view address) noexcept {
  if (address.empty() || !IsUtf8(address)) return false;
  std::size_t at = address.find('@');
  if (address.front() == '"') {
    at = EndOfQuoted(address);
    if (at == 0 || at >= address.size() || address[at] != '@') return false;
  } else if (at == kNone || !IsDotted(address.substr(0, at), IsAtext)) {
    return false;
  }
  return at <= 64 && IsDomain(address.substr(at + 1));
}

bool IsAscii(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), IsUtf8Byte);
}

}  // namespace hostsim
