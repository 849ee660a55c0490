// Figures over time, in memory that is bounded however long a run lasts: when
// there are kMostPoints, each two become one and samples are taken half as
// often.
//
// Threads: one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hostsim {

// A quantity that was looked at a few times.
struct Gauge {
  double sum = 0;
  double max = 0;
  void Add(double value) {
    sum += value;
    if (value > max) max = value;
  }
  void Add(const Gauge& other) {
    sum += other.sum;
    if (other.max > max) max = other.max;
  }
};

class Timeline {
 public:
  static constexpr std::size_t kMostPoints = 400;  // even
  static constexpr std::chrono::milliseconds kFirstInterval{10};

  struct PoolSample {
    std::uint64_t running = 0, queued = 0, suspended = 0;
  };
  struct Sample {
    double seconds = 0;  // since the run began
    std::uint64_t started = 0, ended = 0;  // sessions, so far
    std::vector<PoolSample> pools;
  };
  struct PoolPoint {
    Gauge running, queued, suspended;
  };
  struct Point {
    double until = 0;  // seconds; it begins where the one before ends
    std::size_t samples = 0;
    std::uint64_t ended = 0;  // sessions, in this time
    Gauge in_flight;
    std::vector<PoolPoint> pools;  // as in the samples; there may come more
  };

  void Add(const Sample& sample);
  // After which the next sample is wanted.
  std::chrono::milliseconds interval() const { return interval_; }
  const std::vector<Point>& points() const { return points_; }

 private:
  void Halve();

  std::chrono::milliseconds interval_ = kFirstInterval;
  std::vector<Point> points_;
  std::uint64_t ended_ = 0;
};

}  // namespace hostsim
