#include "metrics_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <lua.hpp>
#include <random>
#include <vector>

#include "plugin_loader.h"

namespace hostsim {
namespace {

using Histogram = prometheus::ClientMetric::Histogram;

std::uint64_t Ns(double seconds) {
  return static_cast<std::uint64_t>(std::llround(seconds * 1e9));
}

// From a nanosecond to minutes, as many in each factor of ten.
std::vector<std::uint64_t> Durations() {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> power(0, 11.5);
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 20'000; ++i)
    all.push_back(static_cast<std::uint64_t>(std::pow(10, power(random))));
  return all;
}

void ExpectUsualBounds(const Histogram& histogram) {
  ASSERT_GT(histogram.bucket.size(), 15u);
  EXPECT_LT(histogram.bucket.size(), 25u);
  EXPECT_LT(histogram.bucket.front().upper_bound, 2e-6);
  EXPECT_GT(histogram.bucket.back().upper_bound, 100);
  for (std::size_t i = 1; i < histogram.bucket.size(); ++i)
    EXPECT_LT(histogram.bucket[i - 1].upper_bound,
              histogram.bucket[i].upper_bound);
}

TEST(MetricsHistogramTest, TheHostsCountsAreThoseOfTheDurations) {
  LatencyHistogram histogram;
  double sum = 0;
  const auto all = Durations();
  for (const std::uint64_t ns : all) {
    histogram.Record(ns);
    sum += static_cast<double>(ns);
  }
  const Histogram out = ToPrometheus(histogram);
  ExpectUsualBounds(out);
  EXPECT_EQ(out.sample_count, all.size());
  EXPECT_NEAR(out.sample_sum, sum / 1e9, 1e-3);
  for (const auto& bucket : out.bucket) {
    const std::uint64_t bound = Ns(bucket.upper_bound);
    EXPECT_EQ(bucket.cumulative_count,
              std::count_if(all.begin(), all.end(),
                            [&](std::uint64_t ns) { return ns < bound; }))
        << bucket.upper_bound;
  }
}

TEST(MetricsHistogramTest, ThePluginsCountsAreThoseOfItsBuckets) {
  lua_close(luaL_newstate());  // the plugin looks for Lua in this program
  std::string error;
  const auto plugin = LoadPlugin(RUNINPOOL, &error);
  ASSERT_TRUE(plugin) << error;
  const auto bound_ns = plugin->api->histogram_bound_ns;
  msys_histogram histogram{};
  for (std::uint32_t i = 0; i < MSYS_HISTOGRAM_BUCKETS; ++i)
    histogram.bucket[i] = i + 1;
  histogram.sum_ns = 1'500'000'000;
  const Histogram out = ToPrometheus(histogram, bound_ns);
  ExpectUsualBounds(out);
  EXPECT_EQ(out.sample_sum, 1.5);
  EXPECT_EQ(out.sample_count,
            MSYS_HISTOGRAM_BUCKETS * (MSYS_HISTOGRAM_BUCKETS + 1) / 2);
  for (const auto& bucket : out.bucket) {
    std::uint64_t counted = 0;
    bool is_a_bound = false;
    for (std::uint32_t i = 0; i < MSYS_HISTOGRAM_BUCKETS; ++i) {
      if (bound_ns(i) > Ns(bucket.upper_bound)) break;
      is_a_bound = bound_ns(i) == Ns(bucket.upper_bound);
      counted += histogram.bucket[i];
    }
    EXPECT_EQ(bucket.cumulative_count, counted) << bucket.upper_bound;
    EXPECT_TRUE(is_a_bound) << bucket.upper_bound
                            << " lies inside of a bucket, so the count is too low";
  }
}

TEST(MetricsHistogramTest, NothingCountedIsZeroEverywhere) {
  for (const auto& bucket : ToPrometheus(LatencyHistogram()).bucket)
    EXPECT_EQ(bucket.cumulative_count, 0u);
}

}  // namespace
}  // namespace hostsim
