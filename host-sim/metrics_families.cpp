#include "metrics_families.h"

#include <lua.hpp>
#include <memory>
#include <string>
#include <utility>

#include "log.h"
#include "metrics_histogram.h"
#include "phase.h"

namespace hostsim {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Families = std::vector<MetricFamily>;
using Labels = std::vector<ClientMetric::Label>;

// The reference holds until the next one is added.
MetricFamily& Add(Families& out, MetricType type, const char* name,
                  const char* help) {
  out.push_back({name, help, type, {}});
  return out.back();
}

void Put(MetricFamily& family, Labels labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
}

void Put(MetricFamily& family, Labels labels,
         ClientMetric::Histogram histogram) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram = std::move(histogram);
}

double ToDouble(std::uint64_t value) { return static_cast<double>(value); }

// One figure of each pool.
struct PoolFigure {
  MetricType type;
  const char* name;
  const char* help;
  double (*of)(const msys_pool_stats& pool);
};
constexpr PoolFigure kPoolFigures[] = {
    {MetricType::Counter, "msys_pool_jobs_submitted_total",
     "Closures given to the pool.",
     [](const auto& pool) { return ToDouble(pool.submitted); }},
    {MetricType::Counter, "msys_pool_jobs_started_total",
     "Closures that began to run.",
     [](const auto& pool) { return ToDouble(pool.invocations); }},
    {MetricType::Counter, "msys_pool_jobs_parked_total",
     "Times a thread found the Lua state of a job busy and took another.",
     [](const auto& pool) { return ToDouble(pool.parked); }},
    {MetricType::Gauge, "msys_pool_concurrency",
     "Threads that the pool may have; 0: closures run on the event loop.",
     [](const auto& pool) { return ToDouble(pool.concurrency); }},
    {MetricType::Gauge, "msys_pool_backlog_limit",
     "Closures that may be queued; 0: no limit.",
     [](const auto& pool) { return ToDouble(pool.backlog); }},
    {MetricType::Gauge, "msys_pool_threads",
     "Threads that are in the pool now.",
     [](const auto& pool) { return ToDouble(pool.threads); }},
    {MetricType::Gauge, "msys_pool_threads_active",
     "Threads of the pool that run a closure or a completion function now.",
     [](const auto& pool) { return ToDouble(pool.threads_active); }},
};

// Figures that tell kinds of jobs apart.
struct JobFigure {
  const char* kind;
  std::uint64_t msys_pool_stats::*of;
};
constexpr JobFigure kEnded[] = {{"done", &msys_pool_stats::done},
                                {"failed", &msys_pool_stats::failed},
                                {"cancelled", &msys_pool_stats::cancelled},
                                {"refused", &msys_pool_stats::refused}};
constexpr JobFigure kUnderWay[] = {{"queued", &msys_pool_stats::queued},
                                   {"running", &msys_pool_stats::running},
                                   {"suspended", &msys_pool_stats::suspended},
                                   {"completing", &msys_pool_stats::completing}};

using Pools = std::vector<msys_pool_stats>;

template <std::size_t kCount>
void AddJobs(Families& out, const Pools& pools, MetricType type,
             const char* name, const char* help, const char* label,
             const JobFigure (&figures)[kCount]) {
  MetricFamily& family = Add(out, type, name, help);
  for (const auto& pool : pools)
    for (const JobFigure& figure : figures)
      Put(family, {{"pool", pool.name}, {label, figure.kind}},
          ToDouble(pool.*figure.of));
}

void AddTimes(Families& out, const Plugin& plugin, const Pools& pools,
              const char* name, const char* help,
              msys_histogram msys_pool_stats::*of) {
  MetricFamily& family = Add(out, MetricType::Histogram, name, help);
  for (const auto& pool : pools)
    Put(family, {{"pool", pool.name}},
        ToPrometheus(pool.*of, plugin.api()->histogram_bound_ns));
}

void AddPools(Families& out, const Plugin& plugin) {
  const Pools pools = plugin.PoolStats();
  for (const PoolFigure& figure : kPoolFigures) {
    MetricFamily& family = Add(out, figure.type, figure.name, figure.help);
    for (const auto& pool : pools)
      Put(family, {{"pool", pool.name}}, figure.of(pool));
  }
  AddJobs(
      out, pools, MetricType::Counter, "msys_pool_jobs_ended_total",
      "Closures that are over, by how they ended: done, failed (a Lua "
      "error), cancelled (dropped before they ran), refused (not accepted).",
      "outcome", kEnded);
  AddJobs(out, pools, MetricType::Gauge, "msys_pool_jobs",
          "Closures in the pool now: queued, running on a thread, suspended "
          "(waiting for a lock, a sleep or a closure of their own), or completing "
          "(over, but their completion functions are not).",
          "state", kUnderWay);
  AddTimes(out, plugin, pools, "msys_pool_wait_seconds",
           "To the start of a closure, from the moment at which the script that "
           "submitted it waited or ended; with the wait for room in the backlog.",
           &msys_pool_stats::wait);
  AddTimes(out, plugin, pools, "msys_pool_run_seconds",
           "From the start of a closure to its end.", &msys_pool_stats::run);
}

void AddSessions(Families& out, const SessionCounts& counts) {
  // Those that have ended first: then no more have ended than have started.
  MetricFamily& ended =
      Add(out, MetricType::Counter, "hostsim_sessions_ended_total",
          "SMTP sessions that are over, by how they ended.");
  double sum = 0;
  for (std::size_t i = 0; i < kOutcomeCount; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    const double value = ToDouble(counts.of(outcome));
    sum += value;
    Put(ended, {{"outcome", OutcomeName(outcome)}}, value);
  }
  Put(Add(out, MetricType::Counter, "hostsim_session_errors_total",
          "Sessions that were tempfailed since a policy failed."),
      {}, ToDouble(counts.errors()));
  MetricFamily& refused =
      Add(out, MetricType::Counter, "hostsim_connections_refused_total",
          "SMTP clients that got a 421 and no session, by the reason.");
  for (std::size_t i = 0; i < kRefusalCount; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    Put(refused, {{"reason", RefusalName(refusal)}},
        ToDouble(counts.of(refusal)));
  }
  Put(Add(out, MetricType::Counter, "hostsim_accept_failures_total",
          "Times that a client could not be accepted, most likely for want of a file "
          "descriptor; it waits."),
      {}, ToDouble(counts.accept_failed()));
  const double started = ToDouble(counts.started());
  Put(Add(out, MetricType::Counter, "hostsim_sessions_started_total",
          "SMTP sessions that have begun."),
      {}, started);
  Put(Add(out, MetricType::Gauge, "hostsim_sessions",
          "SMTP sessions in flight now."),
      {}, started - sum);
}

void AddPhases(Families& out, const EventLoops& loops) {
  const auto all = std::make_unique<PhaseStats>();  // too big for a stack
  for (const auto& loop : loops) {
    for (std::size_t i = 0; i < kPhaseCount; ++i)
      all->phase[i].Add(loop->phase_stats().phase[i]);
    all->session.Add(loop->phase_stats().session);
  }
  MetricFamily& phases =
      Add(out, MetricType::Histogram, "hostsim_phase_seconds",
          "From the start of a phase to its result, waiting included.");
  for (std::size_t i = 0; i < kPhaseCount; ++i)
    Put(phases, {{"phase", PhaseName(static_cast<Phase>(i))}},
        ToPrometheus(all->phase[i]));
  Put(Add(out, MetricType::Histogram, "hostsim_session_seconds",
          "From the start of a session to its end."),
      {}, ToPrometheus(all->session));
}

void AddLoops(Families& out, const EventLoops& loops) {
  MetricFamily& lateness =
      Add(out, MetricType::Histogram, "hostsim_loop_timer_lateness_seconds",
          "How late a timer of the event loop fired.");
  for (const auto& loop : loops)
    Put(lateness, {{"loop", std::to_string(loop->index())}},
        ToPrometheus(loop->timer_lateness()));
  MetricFamily& holdup = Add(
      out, MetricType::Gauge, "hostsim_loop_longest_holdup_seconds",
      "The longest time in which the event loop was busy with one thing and "
      "served nothing else, since the start.");
  for (const auto& loop : loops)
    Put(holdup, {{"loop", std::to_string(loop->index())}},
        ToDouble(loop->longest_holdup_ns()) / 1e9);
  MetricFamily& looked =
      Add(out, MetricType::Counter, "hostsim_loop_idle_poll_seconds_total",
          "For how long the event loop has looked for work instead of sleeping, "
          "with what others did on its CPU meanwhile.");
  for (const auto& loop : loops)
    Put(looked, {{"loop", std::to_string(loop->index())}},
        ToDouble(loop->idle_poll_ns()) / 1e9);
}

}  // namespace

HostMetrics::HostMetrics(const EventLoops& loops, const Plugin& plugin,
                         const LuaStates& states, const SessionCounts& counts)
    : loops_(loops), plugin_(plugin), states_(states), counts_(counts) {}

// The caller passes no exception on: C is between it and the thread's end.
Families HostMetrics::Collect() const try {
  Families out;
  AddPools(out, plugin_);
  AddSessions(out, counts_);
  AddPhases(out, loops_);
  AddLoops(out, loops_);
  Put(Add(out, MetricType::Counter, "hostsim_log_lines_lost_total",
          "Lines that could not be written to the log."),
      {}, ToDouble(LogLost()));
  Put(Add(out, MetricType::Gauge, "hostsim_lua_states", "Lua states made."), {},
      ToDouble(states_.size()));
  Put(Add(out, MetricType::Gauge, "hostsim_build_info",
          "Always 1; the versions are in the labels."),
      {{"version", MSYS_PLUGIN_VERSION},
       {"plugin_version", plugin_.version()},
       {"lua_version",
        LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE}},
      1);
  return out;
} catch (const std::exception& failure) {
  Log(MSYS_LOG_ERROR, "metrics", failure.what());
  return {};
}

}  // namespace hostsim
