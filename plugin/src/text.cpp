#include "text.h"

#include <cstdio>
#include <cstring>

namespace msys {

void FormatSource(const char* source, int line, char* out, std::size_t size) {
  if (source == nullptr || source[0] == '\0') {
    std::snprintf(out, size, "?");
  } else if (source[0] == '@') {
    std::snprintf(out, size, "%s:%d", source + 1, line);
  } else if (source[0] == '=') {
    // A C function, or a chunk with a name of its own.
    if (line > 0) std::snprintf(out, size, "%s:%d", source + 1, line);
    else std::snprintf(out, size, "%s", source + 1);
  } else {
    std::snprintf(out, size, "[string]:%d", line);
  }
}

void OneLine(const char* text, char* out, std::size_t size) {
  std::size_t n = 0;
  for (const char* c = text; *c != '\0' && n + 4 < size; ++c) {
    if (*c == '\n') {
      std::memcpy(out + n, " | ", 3);
      n += 3;
      while (c[1] == '\t' || c[1] == ' ') ++c;
    } else {
      out[n++] = *c;
    }
  }
  out[n] = '\0';
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
