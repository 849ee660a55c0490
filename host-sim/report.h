// What a run came to, as text for people and as JSON for programs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "event_loop.h"
#include "phase.h"
#include "plugin.h"
#include "stats.h"

namespace hostsim {

struct Quantiles {
  std::uint64_t count = 0, p50_ns = 0, p99_ns = 0, max_ns = 0, sum_ns = 0;
};

struct PoolReport {
  msys_pool_stats stats{};
  Quantiles wait, run;
};

struct LoopReport {
  std::uint32_t index = 0;
  std::uint64_t longest_holdup_ns = 0;
  Quantiles timer_lateness;
};

struct Report {
  std::string plugin_version;
  bool run_inline = false;  // --inline
  bool serving = false;  // clients; else mail was replayed
  std::size_t messages = 0, unreadable = 0;
  std::uint32_t concurrency = 0;
  std::size_t states = 0;
  double seconds = 0;
  std::uint64_t started = 0, ended = 0, errors = 0;
  std::array<std::uint64_t, kOutcomeCount> outcome{};
  std::array<std::uint64_t, kRefusalCount> refused{};
  std::array<Quantiles, kPhaseCount> phase{};
  Quantiles session;
  std::vector<LoopReport> loops;
  std::vector<PoolReport> pools;  // all, those never used too
  bool drained = true;            // nothing had to be dropped at the end

  bool Accounted() const { return started == ended; }
  double PerSecond() const {
    return seconds > 0 ? static_cast<double>(ended) / seconds : 0;
  }
};

// Fills in what loops, plugin and counts know.  After the run.
void Collect(const EventLoops& loops, const Plugin& plugin,
             const SessionCounts& counts, Report* report);

std::string ReportText(const Report& report);
std::string ReportJson(const Report& report);

// "1.23 ms", right for the size of the number.
std::string DurationText(std::uint64_t ns);

}  // namespace hostsim
