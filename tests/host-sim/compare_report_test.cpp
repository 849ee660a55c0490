#include "compare_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report.h"

namespace hostsim {
namespace {

Report Sample() {
  Report report;
  report.messages = 3;
  report.concurrency = 50;
  report.states = 2;
  report.seconds = 2;
  report.started = report.ended = 200;
  report.outcome[0] = 200;
  report.phase[0] = {200, 1'000, 2'000'000, 3'000'000, 4'000'000};
  report.session = {200, 5'000'000, 6'000'000, 7'000'000, 8'000'000};
  report.loops = {{0, 9'000'000, {10, 1, 2, 3, 4}},
                  {1, 8'000'000, {10, 1, 4'000, 5'000, 6}}};
  return report;
}

// The line of the table that begins with `name`.
std::string Line(const std::string& table, const std::string& name) {
  const std::size_t at = table.find("\n    " + name + " ");
  if (at == std::string::npos) return "no line " + name + " in\n" + table;
  return table.substr(at + 1, table.find('\n', at + 1) - at - 1);
}

TEST(CompareReportTest, TheRatioSaysWhatPoolsAreToInline) {
  Report run_inline = Sample();
  run_inline.seconds = 4;
  run_inline.loops[1].longest_holdup_ns = 90'000'000;
  run_inline.phase[0].p99_ns = 1'000'000;
  const std::string table =
      CompareText({ReportJson(Sample()), ReportJson(run_inline)});
  EXPECT_EQ(table.substr(0, table.find('\n')),
            "Messages: 3; sessions in flight: up to 50; Lua states: 2; event "
            "loops: 2");
  EXPECT_EQ(Line(table, "per second"),
            "    per second                          100             50   2.0 x "
            "as many");
  EXPECT_EQ(Line(table, "accepted"),
            "    accepted                            200            200");
  EXPECT_EQ(Line(table, "longest hold-up"),
            "    longest hold-up                 9.00 ms       90.00 ms   1/10 "
            "as long");
  EXPECT_EQ(Line(table, "timers late by, p99"),
            "    timers late by, p99              4.0 us         4.0 us   both "
            "under 1 ms");
  EXPECT_EQ(Line(table, "connect"),
            "    connect                         2.00 ms        1.00 ms   2.0 x "
            "as long");
  EXPECT_EQ(Line(table, "whole session"),
            "    whole session                   6.00 ms        6.00 ms   about "
            "the same");
  // What never happened in either run is left out.
  EXPECT_EQ(table.find("ehlo"), std::string::npos);
  EXPECT_EQ(table.find("rejected"), std::string::npos);
  EXPECT_EQ(table.find("UNACCOUNTED"), std::string::npos);
}

TEST(CompareReportTest, WhatDiffersIsSaid) {
  Report run_inline = Sample();
  run_inline.outcome[0] = 190;
  run_inline.outcome[2] = 8;
  run_inline.errors = 7;
  run_inline.ended = 198;
  run_inline.drained = false;
  const std::string table =
      CompareText({ReportJson(Sample()), ReportJson(run_inline)});
  for (const auto& [name, number] :
       {std::pair{"accepted", "190"}, {"tempfailed", "8"},
        {"(by an error of a policy)", "7"}, {"UNACCOUNTED", "2"},
        {"NOT DRAINED", "1"}}) {
    const std::string line = Line(table, name);
    EXPECT_NE(line.find(number + std::string("   differs")), std::string::npos)
        << line;
  }
}

TEST(CompareReportTest, ARunWithoutAReportIsADash) {
  for (const std::string report : {"", "{\"version\": \"1."}) {
    const ComparedRuns runs{ReportJson(Sample()), report};
    EXPECT_EQ(Line(CompareText(runs), "longest hold-up"),
              "    longest hold-up                 9.00 ms              -");
    const auto json = nlohmann::json::parse(CompareJson(runs));
    EXPECT_EQ(json["pools"]["sessions"]["ended"], 200);
    EXPECT_TRUE(json["inline"].is_null());
  }
  EXPECT_EQ(Line(CompareText({"", ReportJson(Sample())}), "accepted"),
            "    accepted                              -            200");
}

}  // namespace
}  // namespace hostsim
