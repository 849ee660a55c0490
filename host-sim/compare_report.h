// The two runs of --compare side by side, for people and for programs.
#pragma once

#include <string>

namespace hostsim {

// Reports as ReportJson() writes them; empty: that run came to none.
struct ComparedRuns {
  std::string with_pools, run_inline;
};

std::string CompareText(const ComparedRuns& runs);
// {"pools": report or null, "inline": report or null}
std::string CompareJson(const ComparedRuns& runs);

}  // namespace hostsim
