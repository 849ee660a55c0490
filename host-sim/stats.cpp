#include "stats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hostsim {

std::size_t LatencyHistogram::BucketOf(std::uint64_t ns) {
  constexpr std::uint64_t kSub = 1u << kSubBits;
  if (ns < kSub) return static_cast<std::size_t>(ns);
  const auto top = static_cast<unsigned>(std::bit_width(ns)) - 1;
  const unsigned shift = top - kSubBits;
  return ((std::size_t{shift} + 1) << kSubBits) +
         static_cast<std::size_t>((ns >> shift) & (kSub - 1));
}

std::uint64_t LatencyHistogram::UpperBound(std::size_t bucket) {
  const std::size_t octave = bucket >> kSubBits;
  if (octave == 0) return bucket;
  const std::uint64_t sub = bucket & ((1u << kSubBits) - 1);
  const std::size_t shift = octave - 1;
  return (((std::uint64_t{1} << kSubBits) + sub + 1) << shift) - 1;
}

void LatencyHistogram::Record(std::uint64_t ns) {
  Bump(bucket_[BucketOf(ns)], 1);
  Bump(count_, 1);
  Bump(sum_, ns);
  if (ns > Get(max_)) max_.store(ns, std::memory_order_relaxed);
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i)
    Bump(bucket_[i], Get(other.bucket_[i]));
  Bump(count_, other.count());
  Bump(sum_, other.sum_ns());
  max_.store(std::max(max_ns(), other.max_ns()), std::memory_order_relaxed);
}

std::uint64_t LatencyHistogram::QuantileNs(double fraction) const {
  const std::uint64_t total = count();
  if (total == 0) return 0;
  const double rank =
      std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(total));
  const auto wanted =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += Get(bucket_[i]);
    if (seen >= wanted) return std::min(UpperBound(i), max_ns());
  }
  return max_ns();
}

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kTooMany:
      return "too_many_connections";
    case Refusal::kNoPolicy:
      return "no_policy";
  }
  return "unknown";
}

void SessionCounts::Ended(Outcome outcome, bool by_error) {
  outcome_[static_cast<std::size_t>(outcome)].fetch_add(
      1, std::memory_order_relaxed);
  if (by_error) errors_.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t SessionCounts::of(Outcome outcome) const {
  return outcome_[static_cast<std::size_t>(outcome)].load(
      std::memory_order_relaxed);
}

void SessionCounts::Refused(Refusal refusal) {
  refused_[static_cast<std::size_t>(refusal)].fetch_add(
      1, std::memory_order_relaxed);
}

std::uint64_t SessionCounts::of(Refusal refusal) const {
  return refused_[static_cast<std::size_t>(refusal)].load(
      std::memory_order_relaxed);
}

std::uint64_t SessionCounts::ended() const {
  std::uint64_t sum = 0;
  for (const auto& one : outcome_) sum += one.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace hostsim
