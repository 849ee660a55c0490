// The file of --trace, event by event.
#include "trace_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "temp_dir.h"

namespace hostsim {
namespace {

using Json = nlohmann::json;

class TraceFileTest : public testing::Test {
 protected:
  TraceFileTest() {
    file_ = TraceFile::Open(path_, names_, &error_);
    now_ = static_cast<std::uint64_t>(
        std::chrono::steady_clock::now().time_since_epoch() /
        std::chrono::nanoseconds(1));
  }

  // Sends an event of job or callout `id` on a track.
  void Send(const TraceTrack& track, int kind, std::uint64_t id,
            TraceRecord record = {}) {
    record.kind = static_cast<std::uint8_t>(kind);
    record.id = id;
    record.time_ns = now_ += 1000;
    if (record.name == kNoName)
      record.name = names_.Intern(record.callout ? "validate_data"
                                                 : "policy.lua:7");
    if (record.pool == kNoName && !record.callout)
      record.pool = names_.Intern("IO");
    file_->Take(track, record);
  }
  TraceRecord Callout(std::uint64_t session = 0) {
    TraceRecord record;
    record.callout = true;
    record.session = session;
    return record;
  }
  TraceRecord Started() {
    TraceRecord record;
    record.started_ns = 1;
    return record;
  }

  // The events but for metadata.
  Json Finish() {
    EXPECT_TRUE(file_->Finish());
    return Read();
  }
  Json Read() {
    Json events = Json::array();
    for (const Json& event : Json::parse(std::ifstream(path_)))
      if (event["ph"] == "M")
        metadata_.push_back(event);
      else
        events.push_back(event);
    return events;
  }
  // "B closure policy.lua:7" for each event of a track.
  static std::string Lines(const Json& events) {
    std::string out;
    for (const Json& event : events) {
      out += event["ph"].get<std::string>();
      if (event.contains("cat")) out += " " + event["cat"].get<std::string>();
      if (event.contains("name")) out += " " + event["name"].get<std::string>();
      out += "\n";
    }
    return out;
  }

  TempDir dir_;
  const std::string path_ = dir_.Path("trace.json");
  TraceNames names_;
  TraceBudget budget_{100};
  TraceTrack loop_{budget_, names_, 1, "loop 0", 0};
  TraceTrack worker_{budget_, names_, 2, "IO/1", 1001};
  std::uint64_t now_ = 0;
  std::unique_ptr<TraceFile> file_;
  std::string error_;
  std::vector<Json> metadata_;
};

TEST_F(TraceFileTest, AFileWithoutEventsIsAnArray) {
  EXPECT_EQ(Finish(), Json::array());
  ASSERT_EQ(metadata_.size(), 1u);
  EXPECT_EQ(metadata_[0]["args"]["name"], "host-sim");
}

TEST_F(TraceFileTest, TracksAreThreadsWithNames) {
  Send(loop_, MSYS_TRACE_START, 1, Callout());
  Send(worker_, MSYS_TRACE_START, 2);
  const Json events = Finish();
  EXPECT_NE(events[1]["tid"], events[2]["tid"]);
  std::map<int, std::string> names;
  for (const Json& event : metadata_)
    if (event["name"] == "thread_name")
      names[event["tid"].get<int>()] = event["args"]["name"].get<std::string>();
  EXPECT_EQ(names[1], "loop 0");
  EXPECT_EQ(names[2], "IO/1");
}

TEST_F(TraceFileTest, ASynchronousCallFromSubmissionToTheResult) {
  Send(loop_, MSYS_TRACE_START, 1, Callout(5));
  Send(loop_, MSYS_TRACE_SUBMIT, 2);
  Send(loop_, MSYS_TRACE_SUSPEND, 1, Callout(5));
  Send(worker_, MSYS_TRACE_START, 2);
  TraceRecord deliver = Started();
  deliver.other = 1;
  Send(worker_, MSYS_TRACE_DELIVER, 2, deliver);
  Send(worker_, MSYS_TRACE_END, 2, Started());
  TraceRecord resume = Callout(5);
  resume.other = 2;
  Send(loop_, MSYS_TRACE_RESUME, 1, resume);
  Send(loop_, MSYS_TRACE_END, 1, Callout(5));
  const Json events = Finish();
  EXPECT_EQ(Lines(events),
            "b session validate_data\n"
            "B callout validate_data\n"
            "s job job\n"
            "b job queued\n"
            "E\n"
            "b session suspended\n"
            "e job queued\n"
            "B closure policy.lua:7\n"
            "t job job\n"
            "s result result\n"
            "f job job\n"
            "E\n"
            "e session suspended\n"
            "B callout validate_data\n"
            "f result result\n"
            "E\n"
            "e session validate_data\n");
  std::map<std::string, std::vector<std::string>> flows;
  for (const Json& event : events) {
    const std::string phase = event["ph"];
    if (phase == "s" || phase == "t" || phase == "f")
      flows[event["id"].get<std::string>()].push_back(phase);
    if (phase == "f") {
      EXPECT_EQ(event["bp"], "e");
    }
    if (event.value("cat", "") == "session") {
      EXPECT_EQ(event["id"], "0x5");
    }
  }
  ASSERT_EQ(flows.size(), 2u);
  EXPECT_EQ(flows["0x2"], (std::vector<std::string>{"s", "t", "f"}));
}

TEST_F(TraceFileTest, AJobThatIsDroppedEndsItsArrowInAShortSlice) {
  Send(loop_, MSYS_TRACE_SUBMIT, 2);
  TraceRecord cancelled;
  cancelled.outcome = MSYS_OUTCOME_CANCELLED;
  Send(worker_, MSYS_TRACE_END, 2, cancelled);
  EXPECT_EQ(Lines(Finish()),
            "B host policy.lua:7\ns job job\nE\n"
            "b job queued\n"
            "e job queued\n"
            "B host policy.lua:7\nf job job\nE\n");
}

TEST_F(TraceFileTest, ParkedJobsAndBlockingRegions) {
  Send(loop_, MSYS_TRACE_SUBMIT, 2);
  Send(worker_, MSYS_TRACE_PARK, 2);
  Send(worker_, MSYS_TRACE_START, 2);
  Send(worker_, MSYS_TRACE_BLOCK, 2);
  Send(worker_, MSYS_TRACE_UNBLOCK, 2);
  Send(worker_, MSYS_TRACE_END, 2, Started());
  Json events = Finish();
  events.erase(events.begin(), events.begin() + 3);
  EXPECT_EQ(Lines(events),
            "b job queued\n"
            "b job parked\n"
            "e job parked\n"
            "e job queued\n"
            "B closure policy.lua:7\n"
            "t job job\n"
            "B blocking blocking\n"
            "E\n"
            "f job job\n"
            "E\n");
}

// Although events between the two are lost.
TEST_F(TraceFileTest, AParkedJobThatStartsIsParkedNoMore) {
  Send(worker_, MSYS_TRACE_PARK, 2);
  TraceRecord after;
  after.lost = 9;
  Send(worker_, MSYS_TRACE_START, 2, after);
  const std::string lines = Lines(Finish());
  EXPECT_NE(lines.find("i events lost\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find("e job parked\n"), std::string::npos) << lines;
}

TEST_F(TraceFileTest, ACompletionFunctionThatSuspendsStaysOne) {
  Send(worker_, MSYS_TRACE_COMPLETION, 2);
  Send(worker_, MSYS_TRACE_SUSPEND, 2);
  Send(worker_, MSYS_TRACE_RESUME, 2);
  TraceRecord failed;
  failed.outcome = MSYS_OUTCOME_FAILED;
  Send(worker_, MSYS_TRACE_COMPLETED, 2, failed);
  Send(worker_, MSYS_TRACE_RESUME, 3);
  const Json events = Finish();
  EXPECT_EQ(Lines(events),
            "B completion policy.lua:7\n"
            "E\n"
            "b job suspended\n"
            "e job suspended\n"
            "B completion policy.lua:7\n"
            "E\n"
            "e job suspended\n"
            "B closure policy.lua:7\n"
            "E\n");
  EXPECT_EQ(events[5]["args"]["outcome"], "failed");
}

TEST_F(TraceFileTest, ACalloutThatNeverBeganIsNotDrawn) {
  Send(loop_, MSYS_TRACE_END, 1, Callout());
  EXPECT_EQ(Finish(), Json::array());
}

TEST_F(TraceFileTest, AGapEndsWhatWasOpenAndSaysSo) {
  Send(worker_, MSYS_TRACE_START, 2);
  TraceRecord after = Started();
  after.lost = 9;
  Send(worker_, MSYS_TRACE_START, 3, after);
  Send(worker_, MSYS_TRACE_END, 2, Started());  // of what is over by now
  Send(worker_, MSYS_TRACE_END, 3, Started());
  const Json events = Finish();
  int depth = 0;
  for (const Json& event : events) {
    depth += event["ph"] == "B" ? 1 : event["ph"] == "E" ? -1 : 0;
    ASSERT_GE(depth, 0);
    if (event["ph"] != "i") continue;
    EXPECT_EQ(depth, 0);
    EXPECT_EQ(event["args"]["count"], 9);
  }
  EXPECT_EQ(depth, 0);
  EXPECT_NE(Lines(events).find("i events lost\n"), std::string::npos);
}

TEST_F(TraceFileTest, WhatIsLeftOpenAtTheEndIsEnded) {
  Send(loop_, MSYS_TRACE_START, 1, Callout());
  Send(worker_, MSYS_TRACE_START, 2);
  Send(worker_, MSYS_TRACE_BLOCK, 2);
  int depth = 0;
  for (const Json& event : Finish())
    depth += event["ph"] == "B" ? 1 : event["ph"] == "E" ? -1 : 0;
  EXPECT_EQ(depth, 0);
}

TEST_F(TraceFileTest, NamesAreWhateverBytesAPolicyChooses) {
  TraceRecord record;
  record.name = names_.Intern("\"\\\n\x01\xff</script>\xe2\x82\xac");
  Send(worker_, MSYS_TRACE_START, 2, record);
  const Json events = Finish();
  const std::string name = events[1]["name"];
  EXPECT_TRUE(name.starts_with("\"\\\n\x01")) << name;
  EXPECT_TRUE(name.ends_with("</script>\xe2\x82\xac")) << name;
}

TEST_F(TraceFileTest, IdsAreExactAndTimesToTheNanosecond) {
  Send(worker_, MSYS_TRACE_START, 0xfedcba9876543210);
  now_ += 1;
  Send(worker_, MSYS_TRACE_END, 0xfedcba9876543210, Started());
  const Json events = Finish();
  for (const Json& event : events)
    if (event.contains("id")) {
      EXPECT_EQ(event["id"], "0xfedcba9876543210");
    }
  const double took = events.back()["ts"].get<double>() -
                      events.front()["ts"].get<double>();
  EXPECT_NEAR(took, 1.001, 0.0001);
}

TEST_F(TraceFileTest, KindsOfALaterPluginAreIgnored) {
  Send(worker_, 55, 1);
  EXPECT_EQ(Finish(), Json::array());
}

// What a crash leaves: viewers take an array without its end.
TEST_F(TraceFileTest, APauseLeavesWholeEventsInTheFile) {
  Send(worker_, MSYS_TRACE_START, 2);
  file_->Pause();
  std::ifstream in(path_);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(text.back(), '}');
  EXPECT_TRUE(Json::accept(text + "]")) << text;
}

TEST_F(TraceFileTest, AFileThatCannotBeOpened) {
  std::string error;
  EXPECT_EQ(TraceFile::Open("/nonexistent/t.json", names_, &error), nullptr);
  EXPECT_EQ(error,
            "cannot write the trace \"/nonexistent/t.json\": "
            "No such file or directory");
}

TEST_F(TraceFileTest, AFullDiskIsOneLineAndAFailure) {
  file_ = TraceFile::Open("/dev/full", names_, &error_);
  ASSERT_NE(file_, nullptr) << error_;
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    Send(worker_, MSYS_TRACE_START, 2);
    file_->Pause();
  }
  EXPECT_FALSE(file_->Finish());
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("error trace: cannot write \"/dev/full\": No space left on "
                     "device"),
            std::string::npos)
      << log;
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
}

}  // namespace
}  // namespace hostsim
