#include "reload.h"

#include <strings.h>

#include <algorithm>
#include <utility>

#include "log.h"

namespace hostsim {
namespace {

// In a container of pools, by name; its end: not there.
auto Find(auto& pools, const std::string& name) {
  return std::ranges::find_if(pools, [&](const auto& pool) {
    return strcasecmp(std::string(pool.name).c_str(), name.c_str()) == 0;
  });
}

std::string Title(const PoolConfig& pool) {
  return "ThreadPool \"" + pool.name + "\"";
}

// Stacks are as large as the largest that was asked for when threads began.
std::uint32_t LargestStackKib(const Config& config) {
  std::uint32_t largest = 0;
  for (const PoolConfig& pool : config.pools)
    if (pool.stack_size_kib != MSYS_UNSET)
      largest = std::max(largest, pool.stack_size_kib);
  return largest;
}

// A backlog that is said is compared with what the plugin has.
bool SameBacklog(const PoolConfig& old, const PoolConfig& now,
                 const PoolStats& pools) {
  const auto had = Find(pools, now.name);
  if (now.backlog == MSYS_UNSET || had == pools.end())
    return now.backlog == old.backlog;
  return now.backlog == had->backlog;
}

void DifferPools(const Config& running, const Config& read,
                 const PoolStats& pools, std::vector<std::string>* out) {
  for (const PoolConfig& old : running.pools) {
    const std::string what = Title(old);
    const auto now = Find(read.pools, old.name);
    if (now == read.pools.end()) {
      out->push_back(what + " is gone from the file, but keeps what it has");
      continue;
    }
    if (now->concurrency == MSYS_UNSET && old.concurrency != MSYS_UNSET)
      out->push_back(what + " Concurrency is gone from the file, but stays " +
                     std::to_string(old.concurrency));
    if (!SameBacklog(old, *now, pools)) out->push_back(what + " Backlog");
    if (now->stack_size_kib != old.stack_size_kib)
      out->push_back(what + " Stack_Size");
  }
}

// Pools of which the running configuration says nothing.
void DifferNewPools(const Config& running, const Config& read,
                    const PoolStats& pools, std::vector<std::string>* out) {
  for (const PoolConfig& now : read.pools) {
    if (Find(running.pools, now.name) != running.pools.end()) continue;
    const auto had = Find(pools, now.name);
    if (had != pools.end() && now.backlog != MSYS_UNSET &&
        now.backlog != had->backlog)
      out->push_back(Title(now) + " Backlog");
    if (now.stack_size_kib != MSYS_UNSET &&
        now.stack_size_kib > LargestStackKib(running))
      out->push_back(Title(now) + " Stack_Size");
  }
}

bool SameScripts(const Config& a, const Config& b) {
  return std::equal(a.scripts.begin(), a.scripts.end(), b.scripts.begin(),
                    b.scripts.end(), [](const auto& x, const auto& y) {
                      return x.name == y.name && x.source == y.source;
                    });
}

}  // namespace

std::vector<std::string> NeedRestart(const Config& running, const Config& read,
                                     const PoolStats& pools) {
  std::vector<std::string> out;
  const auto check = [&](bool same, const char* key) {
    if (!same) out.push_back(key);
  };
  check(running.plugin_path == read.plugin_path, "Plugin Path");
  check(running.completion_returns == read.completion_returns,
        "Plugin Completion_Returns");
  check(running.loops == read.loops, "EventLoop Concurrency");
  check(running.idle_poll_us == read.idle_poll_us, "EventLoop Idle_Poll");
  check(running.max_states == read.max_states, "Lua Max_States");
  check(SameScripts(running, read), "Lua Script");
  check(running.log_level == read.log_level, "Log Level");
  check(running.log_file == read.log_file, "Log File");
  check(running.control_socket == read.control_socket, "Control Socket");
  check(running.metrics_address == read.metrics_address, "Metrics Address");
  check(running.listener == read.listener, "Listener");
  check(running.shutdown_timeout_s == read.shutdown_timeout_s,
        "Shutdown_Timeout");
  DifferPools(running, read, pools, &out);
  DifferNewPools(running, read, pools, &out);
  return out;
}

Reloader::Reloader(Config running, Plugin& plugin, const Policy& policy)
    : running_(std::move(running)), plugin_(plugin), policy_(policy) {}

bool Reloader::Reload(std::string* text) {
  std::string error;
  const auto pools = plugin_.PoolStats();
  const auto read = ReadConfig(running_.file, &error);
  if (read) {
    if (plugin_.Configure(*read, &error) != MSYS_OK)
      error = running_.file.string() + ": " + error;
    else
      error.clear();
  }
  if (!error.empty()) {
    while (error.ends_with('\n')) error.pop_back();
    *text = error;
    Log(MSYS_LOG_ERROR, "config", "reload: nothing has changed: " + error);
    return false;
  }
  *text = running_.file.string() + " is applied\n";
  const auto say = [text](const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      const std::string line = "needs a restart: " + key;
      Log(MSYS_LOG_WARNING, "config", line);
      *text += line + "\n";
    }
  };
  say(NeedRestart(running_, *read, pools));
  say(ChangedScripts(running_, policy_));
  Log(MSYS_LOG_NOTICE, "config", running_.file.string() + " is applied");
  Keep(*read, pools);
  return true;
}

// What the plugin has taken is what runs; the rest is still as it was.
void Reloader::Keep(const Config& read, const PoolStats& pools) {
  const std::uint32_t largest = LargestStackKib(running_);
  for (const PoolConfig& pool : read.pools) {
    const auto old = Find(running_.pools, pool.name);
    if (old != running_.pools.end()) {
      if (pool.concurrency != MSYS_UNSET) old->concurrency = pool.concurrency;
      continue;
    }
    PoolConfig& kept = running_.pools.emplace_back(pool);
    const auto had = Find(pools, pool.name);
    if (had != pools.end() && kept.backlog != had->backlog)
      kept.backlog = MSYS_UNSET;
    if (kept.stack_size_kib > largest) kept.stack_size_kib = MSYS_UNSET;
  }
}

}  // namespace hostsim
