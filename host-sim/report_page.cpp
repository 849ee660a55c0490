#include "report_page.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "report_page_parts.h"

namespace hostsim {
namespace {

using Json = nlohmann::ordered_json;

std::string Timestamp(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// [mean, max] of a gauge that was read so often.
Json ToJson(const Gauge& gauge, std::size_t samples) {
  return {gauge.sum / static_cast<double>(samples), gauge.max};
}

Json TimelineJson(const Timeline& timeline) {
  Json points = Json::array();
  for (const Timeline::Point& point : timeline.points()) {
    Json pools = Json::array();
    for (const Timeline::PoolPoint& pool : point.pools)
      pools.push_back({{"running", ToJson(pool.running, point.samples)},
                       {"queued", ToJson(pool.queued, point.samples)},
                       {"suspended", ToJson(pool.suspended, point.samples)}});
    points.push_back({{"until_s", point.until},
                      {"ended", point.ended},
                      {"in_flight", ToJson(point.in_flight, point.samples)},
                      {"pools", std::move(pools)}});
  }
  return points;
}

// [upper bound in ns, count] for the buckets from the first to the last that
// holds something.
Json BucketsJson(const msys_histogram& histogram,
                 std::uint64_t (*bound_ns)(std::uint32_t)) {
  Json buckets = Json::array();
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < MSYS_HISTOGRAM_BUCKETS; ++i) {
    seen += histogram.bucket[i];
    if (seen == 0) continue;
    const std::uint64_t bound = bound_ns(i);
    buckets.push_back({bound == UINT64_MAX ? histogram.max_ns : bound,
                       histogram.bucket[i]});
    if (seen >= histogram.count) break;
  }
  return buckets;
}

Json DistributionsJson(const ReportPageInput& input) {
  Json pools = Json::array();
  for (const PoolReport& pool : input.report.pools)
    pools.push_back({{"wait", BucketsJson(pool.stats.wait, input.bound_ns)},
                     {"run", BucketsJson(pool.stats.run, input.bound_ns)}});
  return pools;
}

Json ClosuresJson(const ClosureStats& closures) {
  Json rows = Json::array();
  for (const ClosureStats::Row* row : closures.rows())
    rows.push_back({{"closure", row->closure},
                    {"pool", row->pool},
                    {"count", row->run.count()},
                    {"failed", row->failed},
                    {"total_ns", row->run.sum_ns()},
                    {"p50_ns", row->run.QuantileNs(0.50)},
                    {"p99_ns", row->run.QuantileNs(0.99)},
                    {"max_ns", row->run.max_ns()},
                    {"wait_p99_ns", row->wait.QuantileNs(0.99)}});
  return rows;
}

void ReplaceOnce(std::string& text, std::string_view marker,
                 std::string_view by) {
  const std::size_t at = text.find(marker);
  if (at != std::string::npos) text.replace(at, marker.size(), by);
}

}  // namespace

std::string ReportPageData(const ReportPageInput& input) {
  const Json data = {
      {"report", Json::parse(ReportJson(input.report))},
      {"config", std::string(input.config)},
      {"began", Timestamp(input.began)},
      {"timeline", TimelineJson(input.timeline)},
      {"distributions", DistributionsJson(input)},
      {"closures", ClosuresJson(input.closures)},
      {"events_lost", input.lost},
  };
  // Names are whatever bytes a policy or its author has chosen.
  return data.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string ReportPage(const ReportPageInput& input) {
  std::string data;
  // "</script>" and "<!--" would be seen by the parser of HTML; in JSON a '<'
  // is always inside of a string.
  for (const char c : ReportPageData(input)) {
    if (c == '<') data += "\\u003c";
    else data += c;
  }
  std::string page(kReportPageHtml);
  // The data last: nothing is looked for in it.
  ReplaceOnce(page, "/* page.css */", kReportPageCss);
  ReplaceOnce(page, "/* page.js */", kReportPageJs);
  ReplaceOnce(page, "{\"data\": \"here\"}", data);
  return page;
}

}  // namespace hostsim
