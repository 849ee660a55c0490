#include "metrics_histogram.h"

#include <cstddef>

namespace hostsim {
namespace {

using prometheus::ClientMetric;

// Bounds are these powers of two times a unit.
constexpr int kPowers[] = {0,  2,  4,  6,  8,  10, 11, 12, 13, 14, 15,
                           16, 17, 18, 19, 20, 21, 22, 23, 25, 27};

double Seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Takes buckets in the order of their bounds.
class Cumulative {
 public:
  explicit Cumulative(std::uint64_t sum_ns) {
    out_.sample_sum = Seconds(sum_ns);
  }

  // From now on come buckets above the bound.
  void Bound(std::uint64_t ns) {
    out_.bucket.push_back({out_.sample_count, Seconds(ns)});
  }
  void Add(std::uint64_t count) { out_.sample_count += count; }
  ClientMetric::Histogram Take() { return std::move(out_); }

 private:
  ClientMetric::Histogram out_;
};

}  // namespace

ClientMetric::Histogram ToPrometheus(const msys_histogram& histogram,
                                     std::uint64_t (*bound_ns)(std::uint32_t)) {
  constexpr std::uint64_t kUnit = 1000;
  Cumulative out(histogram.sum_ns);
  std::uint32_t next = 0;
  for (const int power : kPowers) {
    const std::uint64_t bound = kUnit << power;
    while (next < MSYS_HISTOGRAM_BUCKETS && bound_ns(next) <= bound)
      out.Add(histogram.bucket[next++]);
    out.Bound(bound);
  }
  while (next < MSYS_HISTOGRAM_BUCKETS) out.Add(histogram.bucket[next++]);
  return out.Take();
}

ClientMetric::Histogram ToPrometheus(const LatencyHistogram& histogram) {
  constexpr std::uint64_t kUnit = 1024;
  Cumulative out(histogram.sum_ns());
  std::size_t next = 0;
  for (const int power : kPowers) {
    const std::uint64_t bound = kUnit << power;
    while (next < LatencyHistogram::kBuckets &&
           LatencyHistogram::UpperBound(next) < bound)
      out.Add(histogram.bucket(next++));
    out.Bound(bound);
  }
  while (next < LatencyHistogram::kBuckets) out.Add(histogram.bucket(next++));
  return out.Take();
}

}  // namespace hostsim
