// The page of --report, as far as it can be told without a browser.
#include "report_page.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

namespace hostsim {
namespace {

using Json = nlohmann::json;

std::uint64_t Bound(std::uint32_t bucket) {
  return bucket + 1 < MSYS_HISTOGRAM_BUCKETS ? 1000u << (bucket % 16)
                                             : UINT64_MAX;
}

class ReportPageTest : public testing::Test {
 protected:
  ReportPageInput Input() {
    return {report_, "host.conf", std::chrono::system_clock::time_point(),
            timeline_, closures_, 0, Bound};
  }
  void AddClosure(const std::string& name) {
    TraceRecord record;
    record.kind = MSYS_TRACE_END;
    record.name = names_.Intern(name);
    record.queued_ns = record.started_ns = 1;
    record.time_ns = 5;
    closures_.Take(track_, record);
  }
  static std::string DataOf(const std::string& page) {
    constexpr std::string_view kBegin =
        "<script type=\"application/json\" id=\"data\">";
    const std::size_t from = page.find(kBegin);
    EXPECT_NE(from, std::string::npos);
    const std::size_t begin = from + kBegin.size();
    return page.substr(begin, page.find("</script>", begin) - begin);
  }

  Report report_;
  Timeline timeline_;
  TraceNames names_;
  TraceBudget budget_{10};
  TraceTrack track_{budget_, names_, 1, "IO/1", 1001};
  ClosureStats closures_{names_};
};

TEST_F(ReportPageTest, HoldsWhatTheJsonReportSays) {
  report_.started = report_.ended = 3;
  PoolReport pool;
  std::strcpy(pool.stats.name, "IO");
  pool.stats.wait.count = 3;
  pool.stats.wait.bucket[2] = 1;
  pool.stats.wait.bucket[4] = 2;
  pool.stats.run.count = 1;
  pool.stats.run.max_ns = 123'456'789;
  pool.stats.run.bucket[MSYS_HISTOGRAM_BUCKETS - 1] = 1;
  report_.pools.push_back(pool);
  timeline_.Add({0.5, 4, 2, {{1, 2, 3}}});
  const Json data = Json::parse(DataOf(ReportPage(Input())));
  EXPECT_EQ(data["report"], Json::parse(ReportJson(report_)));
  EXPECT_EQ(data["config"], "host.conf");
  EXPECT_EQ(data["began"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(data["distributions"][0]["wait"],
            Json::parse("[[4000, 1], [8000, 0], [16000, 2]]"));
  // The last bucket has no bound but the longest time.
  EXPECT_EQ(data["distributions"][0]["run"], Json::parse("[[123456789, 1]]"));
  EXPECT_EQ(data["timeline"][0]["ended"], 2);
  EXPECT_EQ(data["timeline"][0]["in_flight"], Json::parse("[2.0, 2.0]"));
  EXPECT_EQ(data["timeline"][0]["pools"][0]["suspended"][1], 3);
}

TEST_F(ReportPageTest, ARunWithoutAnything) {
  const Json data = Json::parse(DataOf(ReportPage(Input())));
  EXPECT_EQ(data["timeline"], Json::array());
  EXPECT_EQ(data["closures"], Json::array());
}

TEST_F(ReportPageTest, NoNameEndsTheElementThatHoldsTheData) {
  const std::string plain = ReportPage(Input());
  const auto count = [](const std::string& text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;
         ++at)
      ++n;
    return n;
  };
  const std::string hostile =
      "</script><!--<script>alert(1)</SCRIPT>\xff\"\\/* page.js */"
      "{\"data\": \"here\"}\xe2\x80\xa8:1";
  AddClosure(hostile);
  ReportPageInput input = Input();
  input.config = hostile;
  const std::string page = ReportPage(input);
  for (const char* what : {"</script", "<!--", "<script", "</SCRIPT"})
    EXPECT_EQ(count(page, what), count(plain, what)) << what;
  const Json data = Json::parse(DataOf(page));
  std::string wanted = hostile;
  wanted.replace(wanted.find('\xff'), 1, "\xef\xbf\xbd");
  EXPECT_EQ(data["closures"][0]["closure"], wanted);
  EXPECT_EQ(data["config"], wanted);
}

TEST_F(ReportPageTest, NeedsNothingElse) {
  std::string page = ReportPage(Input());
  // A name, not an address.
  constexpr std::string_view kSvg = "http://www.w3.org/2000/svg";
  page.erase(page.find(kSvg), kSvg.size());
  for (const char* what : {"src=\"", "http:", "https:", "@import", "url("})
    EXPECT_EQ(page.find(what), std::string::npos) << what;
  EXPECT_EQ(page.find("/* page.css */"), std::string::npos);
  EXPECT_EQ(page.find("/* page.js */"), std::string::npos);
}

}  // namespace
}  // namespace hostsim
