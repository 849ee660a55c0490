// The operators' commands: "threads stats" and its family.  [any]
#pragma once

#include <msys/plugin.h>

#include <string>

namespace msys {

class Engine;

// The answer, or one line that says what would have been right.
msys_status RunConsole(Engine& engine, const std::string& command,
                       std::string& answer);

// The statistics of one pool in the layout that operators know.
std::string FormatPoolStats(const msys_pool_stats& stats);

}  // namespace msys
