#include "reload.h"

#include <strings.h>

#include <algorithm>
#include <utility>

#include "log.h"

namespace hostsim {
namespace {

const PoolConfig* FindPool(const Config& config, const std::string& name) {
  for (const PoolConfig& pool : config.pools)
    if (strcasecmp(pool.name.c_str(), name.c_str()) == 0) return &pool;
  return nullptr;
}

void DifferPools(const Config& running, const Config& read,
                 std::vector<std::string>* out) {
  for (const PoolConfig& old : running.pools) {
    const std::string what = "ThreadPool \"" + old.name + "\"";
    const PoolConfig* now = FindPool(read, old.name);
    if (!now) {
      out->push_back(what + " is gone from the file, but keeps what it has");
      continue;
    }
    if (now->concurrency == MSYS_UNSET && old.concurrency != MSYS_UNSET)
      out->push_back(what + " Concurrency is gone from the file, but stays " +
                     std::to_string(old.concurrency));
    if (now->backlog != old.backlog) out->push_back(what + " Backlog");
    if (now->stack_size_kib != old.stack_size_kib)
      out->push_back(what + " Stack_Size");
  }
}

bool SameScripts(const Config& a, const Config& b) {
  return std::equal(a.scripts.begin(), a.scripts.end(), b.scripts.begin(),
                    b.scripts.end(), [](const auto& x, const auto& y) {
                      return x.name == y.name && x.source == y.source;
                    });
}

}  // namespace

std::vector<std::string> NeedRestart(const Config& running,
                                     const Config& read) {
  std::vector<std::string> out;
  const auto check = [&](bool same, const char* key) {
    if (!same) out.push_back(key);
  };
  check(running.plugin_path == read.plugin_path, "Plugin Path");
  check(running.completion_returns == read.completion_returns,
        "Plugin Completion_Returns");
  check(running.loops == read.loops, "EventLoop Concurrency");
  check(running.max_states == read.max_states, "Lua Max_States");
  check(SameScripts(running, read), "Lua Script");
  check(running.log_level == read.log_level, "Log Level");
  check(running.log_file == read.log_file, "Log File");
  check(running.control_socket == read.control_socket, "Control Socket");
  check(running.metrics_address == read.metrics_address, "Metrics Address");
  check(running.listener == read.listener, "Listener");
  check(running.shutdown_timeout_s == read.shutdown_timeout_s,
        "Shutdown_Timeout");
  DifferPools(running, read, &out);
  return out;
}

Reloader::Reloader(Config running, Plugin& plugin)
    : running_(std::move(running)), plugin_(plugin) {}

bool Reloader::Reload(std::string* text) {
  std::string error;
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
  for (const std::string& key : NeedRestart(running_, *read)) {
    const std::string line = "needs a restart: " + key;
    Log(MSYS_LOG_WARNING, "config", line);
    *text += line + "\n";
  }
  Log(MSYS_LOG_NOTICE, "config", running_.file.string() + " is applied");
  Keep(*read);
  return true;
}

// What the plugin has taken is what runs; the rest is still as it was.
void Reloader::Keep(const Config& read) {
  for (const PoolConfig& pool : read.pools) {
    const PoolConfig* old = FindPool(running_, pool.name);
    if (!old)
      running_.pools.push_back(pool);
    else if (pool.concurrency != MSYS_UNSET)
      running_.pools[static_cast<std::size_t>(old - running_.pools.data())]
          .concurrency = pool.concurrency;
  }
}

}  // namespace hostsim
