// The configuration while the host runs: read again, and applied as far as it
// can be.
#pragma once

#include <string>
#include <vector>

#include "config.h"
#include "plugin.h"
#include "policy.h"

namespace hostsim {

using PoolStats = std::vector<msys_pool_stats>;

// What differs from the running configuration and needs a restart, a line each.
// The concurrency of pools and new pools do not.  `pools` are those of the plugin, of
// which the running configuration need not speak.
std::vector<std::string> NeedRestart(const Config& running, const Config& read,
                                     const PoolStats& pools);

// Threads: the main thread.
class Reloader {
 public:
  // Both are borrowed; the plugin is open, the policy of the configuration.
  Reloader(Config running, Plugin& plugin, const Policy& policy);

  // True: pools are as the file says.  False: nothing has changed.  *text says
  // what was done, or what is wrong; it has been logged, with warnings.
  bool Reload(std::string* text);

 private:
  void Keep(const Config& read, const PoolStats& pools);

  Config running_;
  Plugin& plugin_;
  const Policy& policy_;
};

}  // namespace hostsim
