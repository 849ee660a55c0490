// From the plugin's callback to the sinks.
#include "trace_collector.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "thread_check.h"

namespace hostsim {
namespace {

class Recorder final : public TraceSink {
 public:
  void Take(const TraceTrack& track, const TraceRecord& record) override {
    by_track[track.name].push_back(record);
    order[track.name] = track.order;
    if (gate_closed) gate_closed->wait(true);
  }
  void Pause() override { ++pauses; }

  std::map<std::string, std::vector<TraceRecord>> by_track;
  std::map<std::string, std::uint32_t> order;
  std::atomic<bool>* gate_closed = nullptr;
  int pauses = 0;
};

msys_trace_event Event(int kind, const char* worker_pool, int worker,
                       std::uint64_t id) {
  msys_trace_event event{};
  event.struct_size = sizeof event;
  event.kind = kind;
  event.id = id;
  event.worker_pool = worker_pool;
  event.worker = worker;
  event.pool = "IO";
  event.state = "lua/0";
  event.source = "@p.lua";
  event.line = 3;
  return event;
}

class TraceCollectorTest : public testing::Test {
 protected:
  std::string Text(NameId name) { return names_.Text(name); }

  TraceNames names_;
  Recorder recorder_;
};

TEST_F(TraceCollectorTest, LoopsAndWorkersHaveTracks) {
  TraceCollector collector(names_, {&recorder_});
  std::thread loop([&] {
    SetThreadIsLoop(1);
    collector.Take(Event(MSYS_TRACE_SUBMIT, nullptr, 0, 1), 0);
  });
  loop.join();
  // A worker's events may come from several threads, one after the other.
  for (int i = 0; i < 3; ++i)
    std::thread([&] {
      collector.Take(Event(MSYS_TRACE_START, "IO", 2, 10 + i), 0);
      collector.Take(Event(MSYS_TRACE_START, "CPU", 1, 20 + i), 0);
    }).join();
  collector.Finish();
  ASSERT_EQ(recorder_.by_track.size(), 3u);
  EXPECT_EQ(recorder_.by_track["loop 1"].size(), 1u);
  ASSERT_EQ(recorder_.by_track["IO/2"].size(), 3u);
  EXPECT_EQ(recorder_.by_track["IO/2"][2].id, 12u);
  EXPECT_EQ(recorder_.by_track["CPU/1"].size(), 3u);
  EXPECT_LT(recorder_.order["loop 1"], recorder_.order["IO/2"]);
  EXPECT_LT(recorder_.order["IO/2"], recorder_.order["CPU/1"]);
}

TEST_F(TraceCollectorTest, AnEventsStringsMayGoWhenItReturns) {
  TraceCollector collector(names_, {&recorder_});
  {
    std::string source = "@gone.lua", name = "validate_data", wait = "lock";
    msys_trace_event event = Event(MSYS_TRACE_START, "IO", 1, 1);
    event.source = source.c_str();
    collector.Take(event, 0);
    event.name = name.c_str();
    event.kind = MSYS_TRACE_SUSPEND;
    event.waits_for = wait.c_str();
    event.cause = 0;
    collector.Take(event, 77);
    source.assign(source.size(), '?');
    name.assign(name.size(), '?');
    wait.assign(wait.size(), '?');
  }
  collector.Finish();
  const auto& records = recorder_.by_track["IO/1"];
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(Text(records[0].name), "gone.lua:3");
  EXPECT_EQ(Text(records[0].pool), "IO");
  EXPECT_EQ(Text(records[0].detail), "lua/0");
  EXPECT_FALSE(records[0].callout);
  EXPECT_EQ(Text(records[1].name), "validate_data");
  EXPECT_EQ(Text(records[1].detail), "lock");
  EXPECT_EQ(records[1].session, 77u);
  EXPECT_TRUE(records[1].callout);
}

TEST_F(TraceCollectorTest, NothingIsMissingOfWhatManyThreadsSend) {
  constexpr int kThreads = 4, kEvents = 20'000;
  TraceCollector collector(names_, {&recorder_});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const std::string pool = "pool" + std::to_string(t % 2);
      for (int i = 0; i < kEvents; ++i)
        collector.Take(Event(MSYS_TRACE_START, pool.c_str(), 1 + t, i), 0);
    });
  for (std::thread& thread : threads) thread.join();
  collector.Finish();
  EXPECT_EQ(collector.lost(), 0u);
  ASSERT_EQ(recorder_.by_track.size(), 4u);
  for (const auto& [track, records] : recorder_.by_track) {
    ASSERT_EQ(records.size(), static_cast<std::size_t>(kEvents)) << track;
    for (std::size_t i = 0; i < records.size(); ++i)
      ASSERT_EQ(records[i].id, i) << track;
  }
}

TEST_F(TraceCollectorTest, ASinkThatIsSlowHoldsNobodyUp) {
  std::atomic<bool> closed{true};
  recorder_.gate_closed = &closed;
  constexpr std::size_t kPiece =
      TraceQueue::kPieceRecords * sizeof(TraceRecord);
  TraceCollector collector(names_, {&recorder_}, 3 * kPiece);
  // More than there is room for: the last ones would wait for ever.
  constexpr std::size_t kEvents = 5 * TraceQueue::kPieceRecords;
  for (std::size_t i = 0; i < kEvents; ++i)
    collector.Take(Event(MSYS_TRACE_START, "IO", 1, i), 0);
  EXPECT_GE(collector.lost(), 2 * TraceQueue::kPieceRecords);
  closed = false;
  closed.notify_all();
  collector.Finish();
  EXPECT_EQ(recorder_.by_track["IO/1"].size() + collector.lost(), kEvents);
}

TEST_F(TraceCollectorTest, SessionsAreEventsToo) {
  TraceCollector collector(names_, {&recorder_});
  const std::uint64_t session = TraceCollector::NextSession();
  EXPECT_NE(session, TraceCollector::NextSession());
  std::thread([&] {
    SetThreadIsLoop(0);
    collector.SessionBegins(session);
    collector.SessionEnds(session);
  }).join();
  collector.Finish();
  const auto& records = recorder_.by_track["loop 0"];
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].kind, TraceRecord::kSessionBegin);
  EXPECT_EQ(records[1].kind, TraceRecord::kSessionEnd);
  EXPECT_EQ(records[0].id, session);
  EXPECT_LE(records[0].time_ns, records[1].time_ns);
}

TEST_F(TraceCollectorTest, WhatComesAfterTheEndIsDropped) {
  TraceCollector collector(names_, {&recorder_});
  collector.Take(Event(MSYS_TRACE_START, "IO", 1, 1), 0);
  collector.Finish();
  collector.Take(Event(MSYS_TRACE_END, "IO", 1, 1), 0);
  collector.Finish();
  EXPECT_EQ(recorder_.by_track["IO/1"].size(), 1u);
  EXPECT_GT(recorder_.pauses, 0);
}

}  // namespace
}  // namespace hostsim
