// The files of report_page/, as the build has put them into the program.
#pragma once

#include <string_view>

namespace hostsim {

extern const std::string_view kReportPageHtml;
extern const std::string_view kReportPageCss;
extern const std::string_view kReportPageJs;

}  // namespace hostsim
