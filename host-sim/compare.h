// --compare: the same mail through the same policy twice, with the thread pools
// of the configuration and with every closure on the event loop, and what came
// of it in one table.
//
// Each run is a process of its own, forked before there is any thread: both
// begin alike, and when a policy brings one down, the other's figures are there
// nevertheless.  One runs after the other, since they would compete.
#pragma once

#include "config.h"
#include "options.h"

namespace hostsim {

// The exit status: of the run with pools, or if that was good, of the other.
// Threads: the main thread, when there is no other yet.
int RunCompare(const Options& options, const Config& config);

}  // namespace hostsim
