#include "report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace hostsim {
namespace {

Quantiles Of(const LatencyHistogram& histogram) {
  return {histogram.count(), histogram.QuantileNs(0.50),
          histogram.QuantileNs(0.99), histogram.max_ns(), histogram.sum_ns()};
}

Quantiles Of(const Plugin& plugin, const msys_histogram& histogram) {
  // A bucket's bound may lie beyond the largest value in it.
  const auto quantile = [&](double fraction) {
    return std::min(plugin.QuantileNs(histogram, fraction), histogram.max_ns);
  };
  return {histogram.count, quantile(0.50), quantile(0.99), histogram.max_ns,
          histogram.sum_ns};
}

[[gnu::format(printf, 2, 3)]] void Append(std::string& out, const char* format,
                                          ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  std::vsnprintf(line, sizeof line, format, args);
  va_end(args);
  out += line;
}

using ull = unsigned long long;

void AppendRow(std::string& out, const char* name, const Quantiles& row) {
  Append(out, "    %-24s %9llu %12s %12s %12s\n", name,
         static_cast<ull>(row.count), DurationText(row.p50_ns).c_str(),
         DurationText(row.p99_ns).c_str(), DurationText(row.max_ns).c_str());
}

void AppendSessions(std::string& out, const Report& report) {
  Append(out, "Sessions: %llu in %.2f s, %.0f per second\n",
         static_cast<ull>(report.ended), report.seconds, report.PerSecond());
  for (std::size_t i = 0; i < kOutcomeCount; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    Append(out, "    %-24s %9llu", OutcomeName(outcome),
           static_cast<ull>(report.outcome[i]));
    if (outcome == Outcome::kTempfailed && report.errors > 0)
      Append(out, "  (%llu by an error of the policy)",
             static_cast<ull>(report.errors));
    out += '\n';
  }
  if (!report.Accounted())
    Append(out, "    %-24s %9llu\n", "UNACCOUNTED",
           static_cast<ull>(report.started - report.ended));
  const auto refused = [&](Refusal refusal) {
    return static_cast<ull>(report.refused[static_cast<std::size_t>(refusal)]);
  };
  if (refused(Refusal::kTooMany) + refused(Refusal::kNoPolicy) > 0)
    Append(out,
           "Clients refused: %llu for too many connections, %llu since no "
           "policy could be run\n",
           refused(Refusal::kTooMany), refused(Refusal::kNoPolicy));
  if (!report.serving) Append(out, "Messages: %zu read", report.messages);
  if (report.unreadable > 0)
    Append(out, ", %zu could not be", report.unreadable);
  Append(out, "%s: up to %u; Lua states: %zu\n",
         report.serving ? "Connections at once" : "; sessions in flight",
         report.concurrency, report.states);
  if (report.run_inline) out += "Inline: every closure ran on the event loop\n";
}

void AppendPhases(std::string& out, const Report& report) {
  Append(out, "    %-24s %9s %12s %12s %12s\n", "phase", "count", "p50", "p99",
         "max");
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    if (report.phase[i].count > 0)
      AppendRow(out, PhaseName(static_cast<Phase>(i)), report.phase[i]);
  AppendRow(out, "whole session", report.session);
}

void AppendLoops(std::string& out, const Report& report) {
  for (const LoopReport& loop : report.loops)
    Append(out,
           "Event loop %u: longest hold-up %s; timers late by %s at most, "
           "p99 %s\n",
           loop.index, DurationText(loop.longest_holdup_ns).c_str(),
           DurationText(loop.timer_lateness.max_ns).c_str(),
           DurationText(loop.timer_lateness.p99_ns).c_str());
}

// In the layout that operators know, and below it what is ours.
void AppendPool(std::string& out, const PoolReport& pool) {
  const msys_pool_stats& s = pool.stats;
  Append(out, "%s thread pool: concurrency %u\n", s.name, s.concurrency);
  Append(out, "    Total invocations: %llu\n", static_cast<ull>(s.invocations));
  Append(out, "    Observed average concurrency: %.2f\n", s.avg_concurrency);
  Append(out, "    Thread pool saturation: %.1f %%\n", s.saturation * 100);
  Append(out, "    Average wallclock time per op: %.6f s\n", s.avg_wallclock_s);
  Append(out,
         "    Failed: %llu, cancelled: %llu, refused: %llu, parked: %llu\n",
         static_cast<ull>(s.failed), static_cast<ull>(s.cancelled),
         static_cast<ull>(s.refused), static_cast<ull>(s.parked));
  Append(out, "    %-24s %9s %12s %12s %12s\n", "", "count", "p50", "p99",
         "max");
  AppendRow(out, "queue wait", pool.wait);
  AppendRow(out, "run", pool.run);
}

}  // namespace

std::string DurationText(std::uint64_t ns) {
  const auto value = static_cast<double>(ns);
  char text[32];
  if (ns < 1'000)
    std::snprintf(text, sizeof text, "%.0f ns", value);
  else if (ns < 1'000'000)
    std::snprintf(text, sizeof text, "%.1f us", value / 1e3);
  else if (ns < 1'000'000'000)
    std::snprintf(text, sizeof text, "%.2f ms", value / 1e6);
  else
    std::snprintf(text, sizeof text, "%.3f s", value / 1e9);
  return text;
}

void Collect(const EventLoops& loops, const Plugin& plugin,
             const SessionCounts& counts, Report* report) {
  report->plugin_version = plugin.version();
  report->started = counts.started();
  report->ended = counts.ended();
  report->errors = counts.errors();
  for (std::size_t i = 0; i < kOutcomeCount; ++i)
    report->outcome[i] = counts.of(static_cast<Outcome>(i));
  for (std::size_t i = 0; i < kRefusalCount; ++i)
    report->refused[i] = counts.of(static_cast<Refusal>(i));
  PhaseStats all;
  for (const auto& loop : loops) {
    for (std::size_t i = 0; i < kPhaseCount; ++i)
      all.phase[i].Add(loop->phase_stats().phase[i]);
    all.session.Add(loop->phase_stats().session);
    report->loops.push_back(
        {loop->index(), loop->longest_holdup_ns(), Of(loop->timer_lateness())});
  }
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    report->phase[i] = Of(all.phase[i]);
  report->session = Of(all.session);
  for (const msys_pool_stats& stats : plugin.PoolStats())
    report->pools.push_back(
        {stats, Of(plugin, stats.wait), Of(plugin, stats.run)});
}

std::string ReportText(const Report& report) {
  std::string out;
  AppendSessions(out, report);
  out += '\n';
  AppendPhases(out, report);
  out += '\n';
  AppendLoops(out, report);
  for (const PoolReport& pool : report.pools) {
    if (pool.stats.invocations == 0 && pool.stats.submitted == 0) continue;
    out += '\n';
    AppendPool(out, pool);
  }
  if (!report.drained) out += "\nNot everything drained before the deadline.\n";
  return out;
}

}  // namespace hostsim
