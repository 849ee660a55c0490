// The host's log: one line per event on stderr or in a file.
//
//   2026-01-31T12:00:00.123Z warning policy: what happened
//   2026-01-31T12:00:00.123Z warning [tag] policy: what happened
//
// Log() and Logf() may be called from any thread.  Control characters in the
// text are escaped, since much of it comes from mail; lines after the first
// (tracebacks) are indented.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "msys/plugin.h"

namespace hostsim {

// MSYS_LOG_ERROR ... MSYS_LOG_DEBUG.
using LogLevel = int;

const char* LogLevelName(LogLevel level);
// "error", "warning", "notice", "info", "debug"; -1: none of them.
LogLevel LogLevelFromName(std::string_view name);

// Before any other thread runs.  An empty file means stderr; false, with a
// reason, when it cannot be opened.
bool LogOpen(LogLevel threshold, const std::string& file, std::string* error);
// Whether LogOpen() would; makes and writes nothing.
bool LogCanOpen(const std::string& file, std::string* error);
// Stands in every line from now on; before any other thread runs.
void LogTag(std::string_view tag);
bool LogWanted(LogLevel level);

void Log(LogLevel level, std::string_view component, std::string_view text);
[[gnu::format(printf, 3, 4)]] void Logf(LogLevel level, const char* component,
                                        const char* format, ...);

// Lines that could not be written.
std::uint64_t LogLost();

// One line that stays below the log on the terminal (progress); "" removes it.
// The caller has made sure that stderr is a terminal.
void LogStatusLine(std::string_view text);

}  // namespace hostsim
