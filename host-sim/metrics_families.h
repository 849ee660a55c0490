// What monitoring reads of a running host: its figures as metrics of
// Prometheus.
//
//   msys_pool_...   of a thread pool of the plugin, {pool="CPU"}
//   hostsim_...     of sessions, phases, event loops, Lua states
//
// Counts only what is counted anyway, and looks at it only when it is asked.
//
// Threads: Collect() from any; it waits for no loop and no loop for it, but for
// the few moments in which a pool sums up its figures.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

#include "lua_states.h"
#include "plugin.h"
#include "stats.h"

namespace hostsim {

class HostMetrics final : public prometheus::Collectable {
 public:
  // All are borrowed and outlive *this; the plugin is open while it is used.
  HostMetrics(const EventLoops& loops, const Plugin& plugin,
              const LuaStates& states, const SessionCounts& counts);

  // Empty when memory is short.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const EventLoops& loops_;
  const Plugin& plugin_;
  const LuaStates& states_;
  const SessionCounts& counts_;
};

}  // namespace hostsim
