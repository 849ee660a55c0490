#include "histogram.h"

#include <gtest/gtest.h>

namespace msys {
namespace {

TEST(HistogramTest, EachDurationIsInTheFirstBucketWhoseBoundHoldsIt) {
  for (std::uint32_t i = 0; i + 1 < MSYS_HISTOGRAM_BUCKETS; ++i) {
    const std::uint64_t bound = HistogramBoundNs(i);
    EXPECT_EQ(HistogramBucket(bound), i);
    EXPECT_EQ(HistogramBucket(bound + 1), i + 1);
    EXPECT_LT(bound, HistogramBoundNs(i + 1));
  }
  EXPECT_EQ(HistogramBucket(0), 0u);
  EXPECT_EQ(HistogramBoundNs(MSYS_HISTOGRAM_BUCKETS - 1), UINT64_MAX);
  EXPECT_EQ(HistogramBoundNs(UINT32_MAX), UINT64_MAX);
}

TEST(HistogramTest, VeryLongDurationsAreInTheLastBucket) {
  const std::uint64_t day_ns = 86'400'000'000'000;
  EXPECT_LT(HistogramBucket(60'000'000'000), MSYS_HISTOGRAM_BUCKETS - 1u);
  EXPECT_EQ(HistogramBucket(day_ns), MSYS_HISTOGRAM_BUCKETS - 1u);
}

TEST(HistogramTest, ABucketIsAtMostAQuarterWide) {
  for (std::uint32_t i = 1; i + 1 < MSYS_HISTOGRAM_BUCKETS; ++i) {
    EXPECT_LE(HistogramBoundNs(i), HistogramBoundNs(i - 1) * 5 / 4);
  }
}

TEST(HistogramTest, QuantilesOfKnownDurations) {
  Histogram h;
  for (std::uint64_t us = 1; us <= 1000; ++us) h.Record(us * 1000);
  msys_histogram out{};
  h.AddTo(out);
  EXPECT_EQ(out.count, 1000u);
  EXPECT_EQ(out.sum_ns, 500'500'000u);
  EXPECT_EQ(out.max_ns, 1'000'000u);
  for (const double q : {0.01, 0.5, 0.9, 0.99}) {
    const double exact = q * 1e6;
    const auto found = static_cast<double>(HistogramQuantileNs(out, q));
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * 1.25);
  }
  EXPECT_EQ(HistogramQuantileNs(out, 1.0), 1'000'000u);
  EXPECT_EQ(HistogramQuantileNs(out, 7.0), 1'000'000u);
  EXPECT_EQ(HistogramQuantileNs(out, -1.0), 1000u);
}

TEST(HistogramTest, AnEmptyOneHasNoQuantiles) {
  EXPECT_EQ(HistogramQuantileNs(msys_histogram{}, 0.5), 0u);
}

TEST(HistogramTest, SumsOfTwo) {
  Histogram a, b;
  a.Record(1000);
  b.Record(5000);
  msys_histogram out{};
  a.AddTo(out);
  b.AddTo(out);
  EXPECT_EQ(out.count, 2u);
  EXPECT_EQ(out.sum_ns, 6000u);
  EXPECT_EQ(out.max_ns, 5000u);
}

}  // namespace
}  // namespace msys
