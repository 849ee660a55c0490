// Histograms as Prometheus wants them: cumulative counts, bounds in seconds.
//
// The bounds are some of those that the histogram itself has, so that every
// count is exact: about one for each factor of two where mail servers live, a
// millisecond to ten seconds, and one for a factor of four around.
#pragma once

#include <prometheus/client_metric.h>

#include <cstdint>

#include "msys/plugin.h"
#include "stats.h"

namespace hostsim {

// Of the plugin: from a microsecond up.  `bound_ns` is histogram_bound_ns() of
// msys_api.
prometheus::ClientMetric::Histogram ToPrometheus(
    const msys_histogram& histogram, std::uint64_t (*bound_ns)(std::uint32_t));

// Of the host: from 1.024 microseconds up.  What took exactly as long as a
// bound counts as longer.
prometheus::ClientMetric::Histogram ToPrometheus(
    const LatencyHistogram& histogram);

}  // namespace hostsim
