// What --report collects: closures, and figures over time.
#include <gtest/gtest.h>

#include "closure_stats.h"
#include "timeline.h"

namespace hostsim {
namespace {

class ClosureStatsTest : public testing::Test {
 protected:
  void End(const std::string& closure, std::uint64_t run_ns,
           int outcome = MSYS_OUTCOME_DONE, const std::string& pool = "IO",
           std::uint64_t id = 1) {
    TraceRecord record;
    record.kind = MSYS_TRACE_END;
    record.id = id;
    record.outcome = static_cast<std::uint8_t>(outcome);
    record.name = names_.Intern(closure);
    record.pool = names_.Intern(pool);
    record.queued_ns = 1'000;
    record.started_ns = 3'000;
    record.time_ns = 3'000 + run_ns;
    stats_.Take(track_, record);
  }

  TraceNames names_;
  TraceBudget budget_{10};
  TraceTrack track_{budget_, names_, 1, "IO/1", 1001};
  ClosureStats stats_{names_};
};

TEST_F(ClosureStatsTest, TheOneThatTookMostTimeComesFirst) {
  for (int i = 0; i < 3; ++i) End("p.lua:1", 10);
  End("p.lua:2", 100);
  End("p.lua:2", 300, MSYS_OUTCOME_FAILED);
  const auto rows = stats_.rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]->closure, "p.lua:2");
  EXPECT_EQ(rows[0]->pool, "IO");
  EXPECT_EQ(rows[0]->run.count(), 2u);
  EXPECT_EQ(rows[0]->run.sum_ns(), 400u);
  EXPECT_EQ(rows[0]->run.max_ns(), 300u);
  EXPECT_EQ(rows[0]->wait.max_ns(), 2'000u);
  EXPECT_EQ(rows[0]->failed, 1u);
  EXPECT_EQ(rows[1]->closure, "p.lua:1");
  EXPECT_EQ(rows[1]->failed, 0u);
}

TEST_F(ClosureStatsTest, TheSameClosureInAnotherPoolIsAnotherRow) {
  End("p.lua:1", 10, MSYS_OUTCOME_DONE, "IO");
  End("p.lua:1", 10, MSYS_OUTCOME_DONE, "CPU");
  EXPECT_EQ(stats_.rows().size(), 2u);
}

TEST_F(ClosureStatsTest, WhatNeverStartedAndCalloutsDoNotCount) {
  TraceRecord record;
  record.kind = MSYS_TRACE_END;
  stats_.Take(track_, record);
  record.callout = true;
  record.started_ns = 1;
  stats_.Take(track_, record);
  EXPECT_TRUE(stats_.rows().empty());
}

// The plugin forgets a name when the caller has gone away.
TEST_F(ClosureStatsTest, ANameThatIsLostAtTheEndIsThatOfTheStart) {
  TraceRecord start;
  start.kind = MSYS_TRACE_START;
  start.id = 7;
  start.name = names_.Intern("slow.lua:9");
  stats_.Take(track_, start);
  End("", 10, MSYS_OUTCOME_DONE, "IO", 7);
  End("", 10, MSYS_OUTCOME_DONE, "IO", 8);
  const auto rows = stats_.rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]->closure, "");
  EXPECT_EQ(rows[1]->closure, "slow.lua:9");
}

TEST_F(ClosureStatsTest, RowsAreBoundedAndNothingGoesUncounted) {
  constexpr std::size_t kClosures = 2 * ClosureStats::kMostRows;
  for (std::size_t i = 0; i < kClosures; ++i)
    End("p.lua:" + std::to_string(i), 10);
  const auto rows = stats_.rows();
  EXPECT_EQ(rows.size(), ClosureStats::kMostRows + 1);
  EXPECT_EQ(rows[0]->closure, "(others)");
  std::uint64_t count = 0;
  for (const auto* row : rows) count += row->run.count();
  EXPECT_EQ(count, kClosures);
}

Timeline::Sample Sample(double seconds, std::uint64_t started,
                        std::uint64_t ended, std::uint64_t running) {
  return {seconds, started, ended, {{running, 2 * running, 0}}};
}

TEST(TimelineTest, APointForEachSampleAtFirst) {
  Timeline timeline;
  timeline.Add(Sample(0.01, 5, 2, 3));
  timeline.Add(Sample(0.02, 9, 8, 1));
  ASSERT_EQ(timeline.points().size(), 2u);
  EXPECT_EQ(timeline.points()[0].ended, 2u);
  EXPECT_EQ(timeline.points()[1].ended, 6u);
  EXPECT_EQ(timeline.points()[0].in_flight.max, 3);
  EXPECT_EQ(timeline.points()[1].pools[0].queued.sum, 2);
  EXPECT_EQ(timeline.interval(), Timeline::kFirstInterval);
}

TEST(TimelineTest, ALongRunKeepsItsSumsInBoundedMemory) {
  Timeline timeline;
  double seconds = 0;
  std::uint64_t ended = 0;
  std::size_t samples = 0;
  while (seconds < 3600) {
    seconds += std::chrono::duration<double>(timeline.interval()).count();
    ended += 3;
    // One short peak, which must not be averaged away.
    timeline.Add(Sample(seconds, ended + 10, ended, ++samples == 500 ? 99 : 1));
    ASSERT_LE(timeline.points().size(), Timeline::kMostPoints);
  }
  EXPECT_GT(timeline.interval(), Timeline::kFirstInterval);
  EXPECT_GE(timeline.points().size(), Timeline::kMostPoints / 2);
  std::uint64_t sum = 0;
  std::size_t counted = 0;
  double last = 0, peak = 0;
  for (const Timeline::Point& point : timeline.points()) {
    EXPECT_GT(point.until, last);
    last = point.until;
    sum += point.ended;
    counted += point.samples;
    peak = std::max(peak, point.pools[0].running.max);
    EXPECT_EQ(point.in_flight.sum / static_cast<double>(point.samples), 10);
  }
  EXPECT_EQ(sum, ended);
  EXPECT_EQ(counted, samples);
  EXPECT_EQ(peak, 99);
  EXPECT_EQ(last, seconds);
}

TEST(TimelineTest, PoolsMayBeAddedWhileItRuns) {
  Timeline timeline;
  for (std::size_t i = 0; i <= Timeline::kMostPoints; ++i) {
    Timeline::Sample sample = Sample(0.01 * (1.0 + static_cast<double>(i)), 1, 0, 1);
    if (i % 2 == 1) sample.pools.push_back({7, 0, 0});
    timeline.Add(sample);
  }
  EXPECT_EQ(timeline.points()[0].pools.size(), 2u);
  EXPECT_EQ(timeline.points()[0].pools[1].running.max, 7);
}

TEST(TimelineTest, CountersThatWereReadOneByOneDoNotGoBelowZero) {
  Timeline timeline;
  timeline.Add(Sample(1, 4, 5, 0));
  EXPECT_EQ(timeline.points()[0].in_flight.max, 0);
}

}  // namespace
}  // namespace hostsim
