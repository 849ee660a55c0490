#include "console.h"

#include <cstdarg>
#include <cstdio>
#include <sstream>
#include <vector>

#include "clock.h"
#include "engine.h"
#include "held.h"
#include "state.h"

namespace msys {
namespace {

void Append(std::string& out, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

void Append(std::string& out, const char* format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  out += text;
}

double Seconds(std::uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

void AppendTimes(std::string& out, const char* what, const msys_histogram& h) {
  Append(out, "    %s: p50 %.6f s, p99 %.6f s, max %.6f s\n", what,
         Seconds(HistogramQuantileNs(h, 0.5)),
         Seconds(HistogramQuantileNs(h, 0.99)), Seconds(h.max_ns));
}

void AppendJob(std::string& out, const Job& job, const char* pool,
               const char* state, std::uint64_t since, std::uint64_t now) {
  char where[128];
  FormatSource(job.source, job.line, where, sizeof where);
  Append(out, "%s  %s  %s  %.3f s\n", pool, state, where,
         Seconds(now > since ? now - since : 0));
}

std::size_t ListQueue(Pool& pool, std::string& out) {
  std::size_t count = 0;
  const std::uint64_t now = NowNs();
  pool.ForEachLane([&](PoolLane& lane) {
    lane.ForEach([&](Work* work) {
      if (work->run != &StartJob) return;
      ++count;
      const Job& job = Work::OwnerOf<Job>(work);
      AppendJob(out, job, pool.name().c_str(), job.state.name.c_str(),
                job.work.order, now);
    });
  });
  return count;
}

std::size_t ListRunning(Engine& engine, const Pool* only, std::string& out) {
  std::size_t count = 0;
  const std::uint64_t now = NowNs();
  engine.ForEachState([&](State& state) {
    state.ForEachRunning([&](const Job& job) {
      if (only != nullptr &&
          (job.pool_lane() == nullptr || &job.pool_lane()->pool != only)) {
        return;
      }
      ++count;
      AppendJob(out, job, job.pool_name(), state.name.c_str(), job.started_ns,
                now);
    });
  });
  return count;
}

// One line, whatever was typed.
std::string Quoted(const std::string& text) {
  char quoted[128];
  Quote(text.data(), text.size(), quoted, sizeof quoted);
  return quoted;
}

msys_status Wrong(std::string& answer, const std::string& command,
                  const std::string& hint) {
  answer = "unknown command " + Quoted(command) + "; " + hint + "\n";
  return MSYS_E_NOT_FOUND;
}

constexpr char kUsage[] =
    "threads stats              statistics of all pools that were used\n"
    "threads busy               closures that run now, in all pools\n"
    "threads POOL stats         statistics of one pool\n"
    "threads POOL queue         jobs that wait: pool, state, closure, age\n"
    "threads POOL running       closures that run: pool, state, closure, age\n"
    "threads reset              start all statistics again from zero\n"
    "help                       this\n";

}  // namespace

std::string FormatPoolStats(const msys_pool_stats& s) {
  std::string out;
  Append(out, "%s thread pool: concurrency %u\n", s.name, s.concurrency);
  const auto count = [&](const char* what, std::uint64_t n) {
    Append(out, "    %s: %llu\n", what, static_cast<unsigned long long>(n));
  };
  count("Total invocations", s.invocations);
  Append(out, "    Observed average concurrency: %.2f\n", s.avg_concurrency);
  Append(out, "    Thread pool saturation: %.1f %%\n", s.saturation * 100);
  Append(out, "    Average wallclock time per op: %.6f s\n", s.avg_wallclock_s);
  Append(out, "    Threads: %u, active %u\n", s.threads, s.threads_active);
  Append(out, "    Jobs: queued %llu, running %llu, suspended %llu\n",
         static_cast<unsigned long long>(s.queued),
         static_cast<unsigned long long>(s.running),
         static_cast<unsigned long long>(s.suspended));
  Append(out, "    Ended: done %llu, failed %llu, cancelled %llu, refused %llu\n",
         static_cast<unsigned long long>(s.done),
         static_cast<unsigned long long>(s.failed),
         static_cast<unsigned long long>(s.cancelled),
         static_cast<unsigned long long>(s.refused));
  count("Parked, state busy", s.parked);
  AppendTimes(out, "Queue wait", s.wait);
  AppendTimes(out, "Run time", s.run);
  return out;
}

msys_status RunConsole(Engine& engine, const std::string& command,
                       std::string& answer) {
  std::vector<std::string> words;
  std::istringstream stream(command);
  for (std::string word; stream >> word;) words.push_back(word);
  const auto is = [&](std::size_t i, const char* text) {
    return EqualIgnoringCase(words[i], text);
  };
  PoolSet& pools = engine.pools();

  if (words.size() == 1 && is(0, "help")) {
    answer = kUsage;
    return MSYS_OK;
  }
  if (words.empty() || !is(0, "threads") || words.size() < 2 ||
      words.size() > 3) {
    return Wrong(answer, command, "try help");
  }
  if (words.size() == 2 && is(1, "stats")) {
    for (std::size_t i = 0; i < pools.size(); ++i) {
      msys_pool_stats stats;
      pools.at(i).Snapshot(stats);
      if (stats.submitted > 0) answer += FormatPoolStats(stats);
    }
    if (answer.empty()) answer = "no pool has been used yet\n";
    return MSYS_OK;
  }
  if (words.size() == 2 && is(1, "busy")) {
    if (ListRunning(engine, nullptr, answer) == 0) answer = "nothing runs\n";
    return MSYS_OK;
  }
  if (words.size() == 2 && is(1, "reset")) {
    for (std::size_t i = 0; i < pools.size(); ++i) pools.at(i).ResetStats();
    answer = "statistics start again from zero\n";
    return MSYS_OK;
  }
  if (words.size() == 2) return Wrong(answer, command, "try help");

  Pool* pool = pools.Find(std::string_view(words[1]));
  if (pool == nullptr) {
    char names[512];
    pools.ListNames(names, sizeof names, false);
    answer = "no thread pool named " + Quoted(words[1]) + "; pools: " + names + "\n";
    return MSYS_E_NOT_FOUND;
  }
  if (is(2, "stats")) {
    msys_pool_stats stats;
    pool->Snapshot(stats);
    answer = FormatPoolStats(stats);
  } else if (is(2, "queue")) {
    if (ListQueue(*pool, answer) == 0) answer = "nothing is queued\n";
  } else if (is(2, "running")) {
    if (ListRunning(engine, pool, answer) == 0) answer = "nothing runs\n";
  } else {
    return Wrong(answer, command, "stats, queue and running can be asked of a pool");
  }
  return MSYS_OK;
}

}  // namespace msys
