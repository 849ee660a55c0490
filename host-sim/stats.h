// What a run is measured by: latency histograms and counts of outcomes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "phase.h"

namespace hostsim {

// Durations in nanoseconds, in buckets at most 1/32 wide of their value, so a
// quantile is at most 3.2 % too high; count, sum and maximum are exact.
// One thread records; any thread may read meanwhile.  Relaxed throughout: each
// number is right by itself and orders nothing.
class LatencyHistogram {
 public:
  void Record(std::uint64_t ns);
  void Add(const LatencyHistogram& other);  // as Record(): by the one writer

  std::uint64_t count() const { return Get(count_); }
  std::uint64_t sum_ns() const { return Get(sum_); }
  std::uint64_t max_ns() const { return Get(max_); }
  // At least `fraction` of the recorded durations are no longer; 0 when none
  // were recorded.
  std::uint64_t QuantileNs(double fraction) const;

  // The buckets, by their bounds: the longest durations that are in them.
  static constexpr unsigned kSubBits = 5;
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) << kSubBits;
  static std::uint64_t UpperBound(std::size_t bucket);
  std::uint64_t bucket(std::size_t index) const { return Get(bucket_[index]); }

 private:
  using Number = std::atomic<std::uint64_t>;

  static std::size_t BucketOf(std::uint64_t ns);
  static std::uint64_t Get(const Number& n) {
    return n.load(std::memory_order_relaxed);
  }
  // No read-modify-write: there is one writer.
  static void Bump(Number& n, std::uint64_t by) {
    n.store(Get(n) + by, std::memory_order_relaxed);
  }

  Number count_{0}, sum_{0}, max_{0};
  std::array<Number, kBuckets> bucket_{};
};

// The time each phase took, from its start to its result, waiting included.
// One per loop.
struct PhaseStats {
  std::array<LatencyHistogram, kPhaseCount> phase;
  LatencyHistogram session;  // from connect to the end of dealloc
};

// Why a client got no session.
enum class Refusal : unsigned char {
  kTooMany,   // Max_Connections
  kNoPolicy,  // no Lua state could be had
};
inline constexpr std::size_t kRefusalCount = 2;

const char* RefusalName(Refusal refusal);  // "too_many_connections"

// Sessions by how they ended, and clients that got none.  Any thread; relaxed,
// each exact by itself.
class SessionCounts {
 public:
  void Started() { started_.fetch_add(1, std::memory_order_relaxed); }
  void Ended(Outcome outcome, bool by_error);
  void Refused(Refusal refusal);
  // A client waits until there is a descriptor for its connection.
  void AcceptFailed() { accept_failed_.fetch_add(1, std::memory_order_relaxed); }

  std::uint64_t started() const {
    return started_.load(std::memory_order_relaxed);
  }
  std::uint64_t ended() const;
  std::uint64_t of(Outcome outcome) const;
  // Sessions tempfailed because a policy function failed, not by its choice.
  std::uint64_t errors() const {
    return errors_.load(std::memory_order_relaxed);
  }
  std::uint64_t of(Refusal refusal) const;
  std::uint64_t accept_failed() const {
    return accept_failed_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> started_{0}, errors_{0}, accept_failed_{0};
  std::array<std::atomic<std::uint64_t>, kOutcomeCount> outcome_{};
  std::array<std::atomic<std::uint64_t>, kRefusalCount> refused_{};
};

}  // namespace hostsim
