// Text for logs and consoles, cut to fit what it is written to; all of it needs no
// memory that could be missing.
//
// Threads: any.
#pragma once

#include <cstddef>

namespace msys {

// "policy.lua:12", from what lua_getinfo says of a function; null: "?".
void FormatSource(const char* source, int line, char* out, std::size_t size);

// Any text as one line: newlines of a traceback become " | ".
void OneLine(const char* text, char* out, std::size_t size);

// Any bytes as readable text in quotes.
void Quote(const char* bytes, std::size_t length, char* out, std::size_t size);

}  // namespace msys
