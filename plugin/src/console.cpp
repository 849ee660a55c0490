#include "console.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <vector>

#include "clock.h"
#include "engine.h"
#include "state.h"
#include "text.h"

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

// What a list says of a job: a copy, since the job may be over when it is written.
struct Listed {
  const char* pool;
  std::uint64_t since_ns;
  char state[128];
  char where[128];
};

// Jobs for one answer.  Those who call Add() hold a lock that workers wait for, with
// perhaps a million jobs before them: so it takes no more than this many, needs no
// memory, and leaves the writing for later.
class JobList {
 public:
  static constexpr std::size_t kMost = 1000;

  JobList() { listed_.reserve(kMost); }

  bool full() const { return listed_.size() == kMost; }
  void Add(const Job& job, const char* pool, std::uint64_t since_ns) {
    Listed& listed = listed_.emplace_back();
    listed.pool = pool;
    listed.since_ns = since_ns;
    listed.state[0] = '\0';
    std::strncat(listed.state, job.state.name.c_str(), sizeof listed.state - 1);
    FormatSource(job.source, job.line, listed.where, sizeof listed.where);
  }

  std::string Text(std::uint64_t more, const char* when_empty) const {
    std::string out;
    const std::uint64_t now = NowNs();
    for (const Listed& job : listed_) {
      Append(out, "%s  %s  %s  %.3f s\n", job.pool, job.state, job.where,
             Seconds(now > job.since_ns ? now - job.since_ns : 0));
    }
    if (more > 0) {
      Append(out, "and %llu more\n", static_cast<unsigned long long>(more));
    }
    return out.empty() ? when_empty : out;
  }
  std::size_t size() const { return listed_.size(); }

 private:
  std::vector<Listed> listed_;
};

std::string ListQueue(Pool& pool) {
  JobList jobs;
  bool more = false;
  pool.ForEachLane([&](PoolLane& lane) {
    lane.ForEach([&](Work* work) {
      if (work->run != &StartJob) return true;
      more = jobs.full();
      if (more) return false;
      const Job& job = Work::OwnerOf<Job>(work);
      jobs.Add(job, pool.name().c_str(), job.waits_since_ns());
      return true;
    });
  });
  const std::uint64_t waiting = pool.backlog.waiting();
  std::uint64_t left = 0;
  if (more) {
    // The statistics know, without a look at each.
    msys_pool_stats stats;
    pool.Snapshot(stats);
    left = std::max(stats.queued, jobs.size() + waiting + 1) - jobs.size() - waiting;
  }
  std::string out = jobs.Text(left, waiting == 0 ? "nothing is queued\n" : "");
  if (waiting > 0) {
    Append(out, "%llu more wait, with their scripts, for room in the backlog of %u\n",
           static_cast<unsigned long long>(waiting), pool.backlog.size());
  }
  return out;
}

std::string ListRunning(Engine& engine, const Pool* only) {
  JobList jobs;
  std::uint64_t more = 0;
  engine.ForEachState([&](State& state) {
    state.ForEachRunning([&](const Job& job) {
      if (only != nullptr &&
          (job.pool_lane() == nullptr || &job.pool_lane()->pool != only)) {
        return;
      }
      if (jobs.full()) ++more;
      else jobs.Add(job, job.pool_name(), job.started_ns);
    });
  });
  return jobs.Text(more, "nothing runs\n");
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
    "threads busy               closures that have begun, in all pools\n"
    "threads POOL stats         statistics of one pool\n"
    "threads POOL queue         jobs that wait: pool, state, closure, age\n"
    "threads POOL running       closures that have begun: pool, state, closure, age;\n"
    "                           each until its completion function is over\n"
    "                           (a list ends after 1000 with \"and N more\")\n"
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
  Append(out, "    Jobs: queued %llu, running %llu, suspended %llu, completing %llu\n",
         static_cast<unsigned long long>(s.queued),
         static_cast<unsigned long long>(s.running),
         static_cast<unsigned long long>(s.suspended),
         static_cast<unsigned long long>(s.completing));
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
    answer = ListRunning(engine, nullptr);
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
    if (is(1, "stats") || is(1, "queue") || is(1, "running") || is(1, "reset"))
      answer += "the pool's name comes first, as in threads IO stats; try help\n";
    return MSYS_E_NOT_FOUND;
  }
  if (is(2, "stats")) {
    msys_pool_stats stats;
    pool->Snapshot(stats);
    answer = FormatPoolStats(stats);
  } else if (is(2, "queue")) {
    answer = ListQueue(*pool);
  } else if (is(2, "running")) {
    answer = ListRunning(engine, pool);
  } else {
    return Wrong(answer, command, "stats, queue and running can be asked of a pool");
  }
  return MSYS_OK;
}

}  // namespace msys
