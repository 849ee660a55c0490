// The report as a page for a browser: one file that needs nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "closure_stats.h"
#include "report.h"
#include "timeline.h"

namespace hostsim {

struct ReportPageInput {
  const Report& report;
  std::string_view config;  // the file's name
  std::chrono::system_clock::time_point began;
  const Timeline& timeline;
  const ClosureStats& closures;
  std::uint64_t lost = 0;  // events, so that closures are missing
  // Of the pools' histograms; see msys_api.
  std::uint64_t (*bound_ns)(std::uint32_t bucket) = nullptr;
};

// What the page shows, as JSON: under "report" what ReportJson() gives.
std::string ReportPageData(const ReportPageInput& input);

// The page.  Nothing in the data can end the element that holds it.
std::string ReportPage(const ReportPageInput& input);

}  // namespace hostsim
