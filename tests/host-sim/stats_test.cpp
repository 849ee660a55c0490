#include "stats.h"

#include <gtest/gtest.h>

namespace hostsim {
namespace {

TEST(LatencyHistogramTest, EmptyIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.QuantileNs(0.5), 0u);
  EXPECT_EQ(histogram.max_ns(), 0u);
}

TEST(LatencyHistogramTest, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (std::uint64_t i = 1; i <= 20; ++i) histogram.Record(i);
  EXPECT_EQ(histogram.QuantileNs(0.5), 10u);
  EXPECT_EQ(histogram.QuantileNs(1.0), 20u);
  EXPECT_EQ(histogram.QuantileNs(0.0), 1u);
  EXPECT_EQ(histogram.sum_ns(), 210u);
}

TEST(LatencyHistogramTest, QuantilesAreNeverTooLowAndAtMostOneBucketTooHigh) {
  for (const std::uint64_t scale : {1'000ull, 777'777ull, 3'000'000'000ull}) {
    LatencyHistogram histogram;
    for (std::uint64_t i = 1; i <= 1000; ++i) histogram.Record(i * scale);
    for (const double q : {0.125, 0.5, 0.875, 0.984375}) {  // exact in binary
      const auto exact = static_cast<double>(scale) * q * 1000;
      const auto found = static_cast<double>(histogram.QuantileNs(q));
      EXPECT_GE(found, exact * 0.9999) << q << " of " << scale;
      EXPECT_LE(found, exact * 1.033) << q << " of " << scale;
    }
    EXPECT_EQ(histogram.max_ns(), 1000 * scale);
  }
}

TEST(LatencyHistogramTest, QuantileIsNeverAboveTheMaximum) {
  LatencyHistogram histogram;
  histogram.Record(1'000'001);
  EXPECT_EQ(histogram.QuantileNs(0.5), 1'000'001u);
}

TEST(LatencyHistogramTest, TakesTheLargestValues) {
  LatencyHistogram histogram;
  histogram.Record(UINT64_MAX);
  histogram.Record(0);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.QuantileNs(1), UINT64_MAX);
}

TEST(LatencyHistogramTest, AddMerges) {
  LatencyHistogram a, b;
  for (int i = 0; i < 99; ++i) a.Record(10);
  b.Record(5'000'000);
  a.Add(b);
  EXPECT_EQ(a.count(), 100u);
  EXPECT_EQ(a.max_ns(), 5'000'000u);
  EXPECT_EQ(a.QuantileNs(0.99), 10u);
  EXPECT_EQ(a.QuantileNs(1), 5'000'000u);
}

TEST(SessionCountsTest, EveryOutcomeCountsOnce) {
  SessionCounts counts;
  for (std::size_t i = 0; i < kOutcomeCount; ++i) {
    counts.Started();
    counts.Ended(static_cast<Outcome>(i), i == 2);
  }
  EXPECT_EQ(counts.started(), kOutcomeCount);
  EXPECT_EQ(counts.ended(), kOutcomeCount);
  EXPECT_EQ(counts.errors(), 1u);
  EXPECT_EQ(counts.of(Outcome::kDiscarded), 1u);
}

TEST(PhaseTest, NamesFollowTheCallouts) {
  EXPECT_STREQ(PhaseName(Phase::kDataSpoolEachRcpt), "data_spool_each_rcpt");
  EXPECT_STREQ(PhaseFunctionName(Phase::kConnect), "validate_connect");
}

}  // namespace
}  // namespace hostsim
