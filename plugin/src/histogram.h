// Durations counted in buckets, four to the octave: a quantile is off by at most
// a quarter of its value.  Counters have one writer, the thread that holds the
// turn of the state they belong to, and any number of readers.  Only a maximum has
// a second one: see ForgetMax().
#pragma once

#include <msys/plugin.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace msys {

// relaxed throughout: statistics order nothing.
class Counter {
 public:
  void Add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_relaxed);
  }
  void Raise(std::uint64_t n) {
    if (n > get()) value_.store(n, std::memory_order_relaxed);
  }
  void Set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Bucket i holds what is at most (4 + i % 4) << (i / 4) quarter microseconds.
inline constexpr std::uint64_t kHistogramUnitNs = 250;

constexpr std::uint64_t HistogramBoundNs(std::uint32_t bucket) {
  if (bucket >= MSYS_HISTOGRAM_BUCKETS - 1) return UINT64_MAX;
  return ((4ull + bucket % 4) << (bucket / 4)) * kHistogramUnitNs;
}

constexpr std::uint32_t HistogramBucket(std::uint64_t ns) {
  const std::uint64_t units = (ns + kHistogramUnitNs - 1) / kHistogramUnitNs;
  if (units <= 4) return 0;
  const std::uint64_t below = units - 1;  // at least 4
  const auto shift = static_cast<std::uint32_t>(std::bit_width(below)) - 3;
  const auto index =
      shift * 4 + static_cast<std::uint32_t>(below >> shift) - 4 + 1;
  return std::min<std::uint32_t>(index, MSYS_HISTOGRAM_BUCKETS - 1);
}

class Histogram {
 public:
  void Record(std::uint64_t ns) {
    count_.Add(1);
    sum_.Add(ns);
    max_.Raise(ns);
    buckets_[HistogramBucket(ns)].Add(1);
  }
  void AddTo(msys_histogram& out) const {
    out.count += count_.get();
    out.sum_ns += sum_.get();
    out.max_ns = std::max(out.max_ns, max_.get());
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      out.bucket[i] += buckets_[i].get();
    }
  }
  // [any] A duration that is recorded at this moment may be forgotten as well.
  void ForgetMax() { max_.Set(0); }

 private:
  Counter count_, sum_, max_;
  std::array<Counter, MSYS_HISTOGRAM_BUCKETS> buckets_;
};

// The bound of the bucket in which `fraction` of the counted ones is reached,
// but no more than the longest one.
inline std::uint64_t HistogramQuantileNs(const msys_histogram& h,
                                         double fraction) {
  if (h.count == 0) return 0;
  const double wanted =
      std::clamp(fraction, 0.0, 1.0) * static_cast<double>(h.count);
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < MSYS_HISTOGRAM_BUCKETS; ++i) {
    seen += h.bucket[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) {
      return std::min(HistogramBoundNs(i), h.max_ns);
    }
  }
  return h.max_ns;
}

}  // namespace msys
