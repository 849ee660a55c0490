// What each closure of the policies cost: by file, line and pool.
//
// Threads: Take() by one at a time; rows() when that is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "stats.h"
#include "trace_collector.h"

namespace hostsim {

class ClosureStats final : public TraceSink {
 public:
  // Closures beyond these count under the name "(others)".
  static constexpr std::size_t kMostRows = 256;

  struct Row {
    std::string closure;  // "policy.lua:12"; "": its name was lost
    std::string pool;     // "": of another event loop
    std::uint64_t failed = 0;
    LatencyHistogram wait;  // from the call to the start
    LatencyHistogram run;   // from start to end, suspensions included
  };

  explicit ClosureStats(const TraceNames& names) : names_(names) {}

  void Take(const TraceTrack& track, const TraceRecord& record) override;

  // Those that took the most time first.
  std::vector<const Row*> rows() const;

 private:
  // The closure that a track has begun last: when its caller has gone away its
  // end does not say its name.
  struct Begun {
    std::uint64_t id = 0;
    NameId name = kNoName;
  };

  Row& RowOf(NameId closure, NameId pool);

  const TraceNames& names_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Row>> rows_;
  std::unordered_map<std::uint32_t, Begun> begun_;  // by track
};

}  // namespace hostsim
