// The configuration file, in the stanza style of mail server operators:
//
//   Plugin "runinpool" { Path = "runinpool.so"  Completion_Returns = "job" }
//   ThreadPool "IO" { Concurrency = 50  Backlog = 0  Stack_Size = "1M" }
//   EventLoop { Concurrency = 2  Idle_Poll = 0 }
//   Lua { Max_States = 16  Script "policy" { Source = "policy.lua" } }
//   Log { Level = "info"  File = "host-sim.log" }
//   Control { Socket = "host-sim.sock" }
//   Metrics { Address = "127.0.0.1:9464" }
//   Listener "smtp" { Address = "127.0.0.1:2525"  Maildir = "mail" }
//   Shutdown_Timeout = 10
//   Include("pools.conf")
//
// Keys and values with a fixed set are compared without regard to case;
// relative paths start at the directory of the file that ReadConfig() was given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config_listener.h"
#include "msys/plugin.h"

namespace hostsim {

struct PoolConfig {
  std::string name;
  std::uint32_t concurrency = MSYS_UNSET;
  std::uint32_t backlog = MSYS_UNSET;
  std::uint32_t stack_size_kib = MSYS_UNSET;
};

struct ScriptConfig {
  std::string name;
  std::filesystem::path source;
};

// A new field is compared in reload.cpp, too.
struct Config {
  std::filesystem::path file;
  std::filesystem::path plugin_path;
  std::int32_t completion_returns = MSYS_COMPLETION_RETURNS_JOB;
  std::vector<PoolConfig> pools;
  std::uint32_t loops = 1;
  std::uint32_t idle_poll_us = 0;  // 0: a loop sleeps at once
  std::uint32_t max_states = 16;
  std::vector<ScriptConfig> scripts;
  int log_level = MSYS_LOG_INFO;
  std::filesystem::path log_file;  // empty: stderr
  std::filesystem::path control_socket;  // empty: none
  std::string metrics_address;           // for ParseEndpoint(); empty: none
  std::optional<ListenerConfig> listener;
  std::uint32_t shutdown_timeout_s = 10;
};

// nullopt: *error is one or more lines "file:line: message".  Looks at no file
// but this one.  One call at a time in a process (libconfuse's error hook).
std::optional<Config> ReadConfig(const std::filesystem::path& file,
                                 std::string* error);

// "256K", "1M", "65536" (bytes) to KiB, rounded up; nullopt: not a size.
std::optional<std::uint32_t> ParseSizeKib(const std::string& text);

}  // namespace hostsim
