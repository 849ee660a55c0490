// Text for logs and consoles, cut to fit what it is written to; all of it needs no
// memory that could be missing.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <string_view>

namespace msys {

// "policy.lua:12", from what lua_getinfo says of a function, on one line; null: "?".
// `size` is at least 32.
void FormatSource(const char* source, int line, char* out, std::size_t size);

// What names a place is a script's, and must not begin a new line of a log.
void HideControls(char* text);

// Any text as one line: newlines of a traceback become " | ", other control bytes but
// tabs "\x1b".  An error's text may have parts of a mail.
// False: it is longer, and has been cut.
bool OneLine(std::string_view text, char* out, std::size_t size);
// The same of an error with a traceback, or of one in an error: of a text that is too
// long the middle is left out.
void OneLineOfBothEnds(std::string_view text, char* out, std::size_t size);

// Any bytes as readable text in quotes.
void Quote(const char* bytes, std::size_t length, char* out, std::size_t size);

}  // namespace msys
