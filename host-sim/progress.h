// A line on the terminal that says how far the run is; nothing elsewhere.
#pragma once

#include <chrono>
#include <cstdint>

#include "stats.h"

namespace hostsim {

class Progress {
 public:
  // Draws only if standard error is a terminal.
  Progress(const SessionCounts& counts, std::uint64_t sessions);
  ~Progress();  // removes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool enabled() const { return enabled_; }
  void Draw() const;

 private:
  const SessionCounts& counts_;
  const std::uint64_t sessions_;
  const bool enabled_;
  const std::chrono::steady_clock::time_point begin_;
};

}  // namespace hostsim
