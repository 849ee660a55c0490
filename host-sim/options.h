// The command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hostsim {

// Exit statuses.
inline constexpr int kExitDone = 0;    // every session ended and none by error
inline constexpr int kExitFailed = 1;  // some failed, not all drained, no socket
inline constexpr int kExitUsage = 2;   // command line, configuration, no mail
inline constexpr int kExitSetup = 3;   // the plugin or a policy does not load

struct Options {
  enum class Action { kRun, kCheckConfig, kControl, kHelp, kVersion };
  Action action = Action::kRun;
  std::string config;
  std::vector<std::string> paths;
  std::string of_replay;           // an option that was given, and needs paths
  std::uint64_t sessions = 0;      // 0: each message once
  std::uint32_t concurrency = 50;  // sessions in flight
  std::string json;                // "": none; "-": standard output
  std::string trace;               // "": none
  std::string report;              // "": none
  bool run_inline = false;         // every closure on the event loop
  bool compare = false;            // with pools, then inline
  bool report_text = true;         // --compare has a table instead
  std::string control;             // the socket of --control
  std::string command;             // and what to say there
};

// False: *error is one line that says what is wrong.
bool ParseOptions(int argc, char** argv, Options* options, std::string* error);
const char* UsageText();

}  // namespace hostsim
