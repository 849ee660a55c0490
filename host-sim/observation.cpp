#include "observation.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "log.h"
#include "report_page.h"

namespace hostsim {

Observation::Observation(boost::asio::io_context& main, const Options& options)
    : options_(options), timer_(main) {}

// A run that failed before it began has its files, too.
Observation::~Observation() { Finish(nullptr); }

bool Observation::Open(std::string* error) {
  if (!options_.report.empty()) {
    // Not that a long run turns out to have been in vain.
    const std::ofstream page(options_.report, std::ios::app);
    if (!page) {
      *error = "cannot write the report \"" + options_.report +
               "\": " + std::strerror(errno);
      return false;
    }
    closures_.emplace(names_);
  }
  if (!options_.trace.empty()) {
    file_ = TraceFile::Open(options_.trace, names_, error);
    if (!file_) return false;
  }
  std::vector<TraceSink*> sinks;
  if (file_) sinks.push_back(file_.get());
  if (closures_) sinks.push_back(&*closures_);
  if (!sinks.empty())
    collector_ = std::make_unique<TraceCollector>(names_, std::move(sinks));
  return true;
}

void Observation::Begin(const Plugin& plugin, const SessionCounts& counts) {
  begin_ = Clock::now();
  began_ = std::chrono::system_clock::now();
  if (!closures_) return;
  plugin_ = &plugin;
  bound_ns_ = plugin.api()->histogram_bound_ns;
  counts_ = &counts;
  SampleLater();
}

void Observation::SampleLater() {
  timer_.expires_after(timeline_.interval());
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || plugin_ == nullptr) return;
    TakeSample();
    SampleLater();
  });
}

void Observation::TakeSample() {
  Timeline::Sample sample;
  sample.seconds =
      std::chrono::duration<double>(Clock::now() - begin_).count();
  sample.started = counts_->started();
  sample.ended = counts_->ended();
  for (const msys_pool_stats& pool : plugin_->PoolStats())
    // Counters are read one by one while they change; threads are counted, so
    // they tell better how many closures run.  Without threads, the loop's do.
    sample.pools.push_back(
        {pool.concurrency > 0 ? pool.threads_active : pool.running, pool.queued,
         pool.suspended});
  timeline_.Add(sample);
}

void Observation::ReportLost() const {
  const std::uint64_t lost = collector_->lost();
  if (lost == 0) return;
  Logf(MSYS_LOG_WARNING, "trace",
       "%llu events were lost: they came faster than they could be written",
       static_cast<unsigned long long>(lost));
}

bool Observation::Finish(const Report* report) {
  if (plugin_ != nullptr) {
    TakeSample();
    plugin_ = nullptr;
    timer_.cancel();
  }
  if (!collector_ || finished_) return true;
  finished_ = true;
  collector_->Finish();
  ReportLost();
  bool good = true;
  if (file_) good = file_->Finish();
  if (report != nullptr && closures_) good = WritePage(*report) && good;
  return good;
}

bool Observation::WritePage(const Report& report) const {
  const std::string page =
      ReportPage({report, options_.config, began_, timeline_, *closures_,
                  collector_->lost(), bound_ns_});
  errno = 0;
  std::ofstream out(options_.report, std::ios::binary | std::ios::trunc);
  out << page << std::flush;
  if (out) return true;
  std::cerr << "host-sim: cannot write the report \"" << options_.report
            << "\": " << std::strerror(errno) << '\n';
  return false;
}

}  // namespace hostsim
