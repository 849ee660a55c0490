// What --trace and --report see of a run beyond its figures: the plugin's trace
// events, and samples over time.  Without either option there is nothing here.
//
// Threads: the main thread, but for the collector.  Outlives the plugin and the
// loops.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "closure_stats.h"
#include "options.h"
#include "report.h"
#include "timeline.h"
#include "trace_collector.h"
#include "trace_file.h"

namespace hostsim {

class Observation {
 public:
  // The context runs the main thread's timers.
  Observation(boost::asio::io_context& main, const Options& options);
  ~Observation();
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  // Before there are threads.  False: *error says which file cannot be written.
  bool Open(std::string* error);
  // For the plugin; null: nobody wants events.
  TraceCollector* collector() { return collector_.get(); }

  // Takes samples from now on.  Both are borrowed, until Finish().
  void Begin(const Plugin& plugin, const SessionCounts& counts);
  // Completes the files; no events are taken after it.  Null: the run never
  // came to a report.  False: one could not be written; which, has been said.
  bool Finish(const Report* report);

 private:
  using Clock = std::chrono::steady_clock;

  void TakeSample();
  void SampleLater();
  void ReportLost() const;
  bool WritePage(const Report& report) const;

  const Options& options_;
  boost::asio::steady_timer timer_;
  TraceNames names_;
  std::unique_ptr<TraceFile> file_;
  std::optional<ClosureStats> closures_;
  std::unique_ptr<TraceCollector> collector_;

  const Plugin* plugin_ = nullptr;
  std::uint64_t (*bound_ns_)(std::uint32_t bucket) = nullptr;
  const SessionCounts* counts_ = nullptr;
  Clock::time_point begin_{};
  std::chrono::system_clock::time_point began_{};
  Timeline timeline_;
  bool finished_ = false;
};

}  // namespace hostsim
