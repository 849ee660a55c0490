#include "text.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace msys {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

void FormatSource(const char* source, int line, char* out, std::size_t size) {
  const char* name = "?";
  char number[16] = "";
  if (source != nullptr && source[0] != '\0') {
    // With '=' it is a C function, or a chunk with a name of its own.
    const bool named = source[0] == '@' || source[0] == '=';
    name = named ? source + 1 : "[string]";
    if (source[0] != '=' || line > 0) std::snprintf(number, sizeof number, ":%d", line);
  }
  // Of a long path the end says most.
  constexpr char kCut[] = "...";
  const std::size_t room = size - 1 - std::strlen(number);
  const std::size_t length = std::strlen(name);
  const bool cut = length > room;
  if (cut) name += length - (room - std::strlen(kCut));
  while (cut && (*name & 0xc0) == 0x80) ++name;  // in the middle of a character
  std::snprintf(out, size, "%s%s%s", cut ? kCut : "", name, number);
  HideControls(out);
}

void HideControls(char* text) {
  for (char* c = text; *c != '\0'; ++c) {
    if (IsControl(*c)) *c = '?';
  }
}

bool OneLine(std::string_view text, char* out, std::size_t size) {
  std::size_t n = 0;
  const auto put = [&](std::string_view piece) {
    std::memcpy(out + n, piece.data(), piece.size());
    n += piece.size();
  };
  while (!text.empty() && n + 5 < size) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\n') {
      put(" | ");
      text.remove_prefix(std::min(text.find_first_not_of("\t "), text.size()));
    } else if (IsControl(c) && c != '\t') {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      put(hex);
    } else {
      out[n++] = c;
    }
  }
  out[n] = '\0';
  return text.empty();
}

void OneLineOfBothEnds(std::string_view text, char* out, std::size_t size) {
  constexpr std::string_view kCut = " ... ";
  if (OneLine(text, out, size)) return;
  OneLine(text, out, size - size / 2 - kCut.size());
  char* const rest = out + std::strlen(out) + kCut.size();
  std::memcpy(rest - kCut.size(), kCut.data(), kCut.size());
  // As much of the end as has room.
  text.remove_prefix(text.size() - std::min(size / 2, text.size()));
  while (!OneLine(text, rest, size / 2)) text.remove_prefix((text.size() + 7) / 8);
}

void Quote(const char* bytes, std::size_t length, char* out, std::size_t size) {
  constexpr char kCut[] = "...";
  std::size_t n = 0;
  out[n++] = '"';
  for (std::size_t i = 0; i < length; ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    char piece[8];
    if (c == '"' || c == '\\') {
      std::snprintf(piece, sizeof piece, "\\%c", c);
    } else if (c < 0x20 || c >= 0x7f) {
      std::snprintf(piece, sizeof piece, "\\x%02X", c);
    } else {
      std::snprintf(piece, sizeof piece, "%c", c);
    }
    const std::size_t wanted = std::strlen(piece);
    if (n + wanted + sizeof kCut + 1 > size) {
      std::memcpy(out + n, kCut, sizeof kCut - 1);
      n += sizeof kCut - 1;
      break;
    }
    std::memcpy(out + n, piece, wanted);
    n += wanted;
  }
  out[n++] = '"';
  out[n] = '\0';
}

}  // namespace msys
