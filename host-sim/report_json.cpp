// The report as JSON: the same numbers under the names of report.h.
#include <nlohmann/json.hpp>

#include "report.h"

namespace hostsim {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Quantiles& q) {
  return {{"count", q.count},
          {"p50_ns", q.p50_ns},
          {"p99_ns", q.p99_ns},
          {"max_ns", q.max_ns},
          {"sum_ns", q.sum_ns}};
}

Json ToJson(const LoopReport& loop) {
  return {{"index", loop.index},
          {"longest_holdup_ns", loop.longest_holdup_ns},
          {"timer_lateness", ToJson(loop.timer_lateness)}};
}

Json ToJson(const PoolReport& pool) {
  const msys_pool_stats& s = pool.stats;
  return {{"id", s.id},
          {"name", s.name},
          {"concurrency", s.concurrency},
          {"backlog", s.backlog},
          {"threads", s.threads},
          {"submitted", s.submitted},
          {"invocations", s.invocations},
          {"done", s.done},
          {"failed", s.failed},
          {"cancelled", s.cancelled},
          {"refused", s.refused},
          {"parked", s.parked},
          {"queued", s.queued},
          {"running", s.running},
          {"suspended", s.suspended},
          {"completing", s.completing},
          {"avg_concurrency", s.avg_concurrency},
          {"saturation", s.saturation},
          {"avg_wallclock_s", s.avg_wallclock_s},
          {"wait", ToJson(pool.wait)},
          {"run", ToJson(pool.run)}};
}

}  // namespace

std::string ReportJson(const Report& report) {
  Json sessions = {{"started", report.started},
                   {"ended", report.ended},
                   {"errors", report.errors}};
  for (std::size_t i = 0; i < kOutcomeCount; ++i)
    sessions[OutcomeName(static_cast<Outcome>(i))] = report.outcome[i];
  Json refused = Json::object();
  for (std::size_t i = 0; i < kRefusalCount; ++i)
    refused[RefusalName(static_cast<Refusal>(i))] = report.refused[i];
  Json phases = Json::object();
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    phases[PhaseName(static_cast<Phase>(i))] = ToJson(report.phase[i]);
  Json loops = Json::array();
  for (const LoopReport& loop : report.loops) loops.push_back(ToJson(loop));
  Json pools = Json::array();
  for (const PoolReport& pool : report.pools) pools.push_back(ToJson(pool));
  const Json out = {
      {"version", MSYS_PLUGIN_VERSION},
      {"plugin_version", report.plugin_version},
      {"inline", report.run_inline},
      {"messages", report.messages},
      {"unreadable", report.unreadable},
      {"concurrency", report.concurrency},
      {"states", report.states},
      {"seconds", report.seconds},
      {"sessions_per_second", report.PerSecond()},
      {"sessions", std::move(sessions)},
      {"refused", std::move(refused)},
      {"session_time", ToJson(report.session)},
      {"phases", std::move(phases)},
      {"loops", std::move(loops)},
      {"pools", std::move(pools)},
      {"drained", report.drained},
      {"accounted", report.Accounted()},
  };
  // Names come from a checked configuration; still, never throw for one byte.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hostsim
