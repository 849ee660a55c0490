// host-sim: a small mail server around the runInPool plugin.
#include <signal.h>

#include <iostream>
#include <string>

#include "compare.h"
#include "config.h"
#include "control_client.h"
#include "host.h"
#include "log.h"
#include "message.h"
#include "options.h"

namespace {

// What must not end a run: a log on a closed pipe, a file that has reached the limit
// of its size, and a SIGHUP before there is a configuration to read again.  By a
// handler, which unlike SIG_IGN commands that policies run do not inherit.
void OutliveSignals() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGHUP})
    ::sigaction(signal, &nothing, nullptr);
  // Ignored, as whoever has started us may have left it, it hides how commands end.
  ::signal(SIGCHLD, SIG_DFL);
}

int Print(const char* text) {
  std::cout << text << std::flush;
  return std::cout ? hostsim::kExitDone : hostsim::kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace hostsim;
  Options options;
  std::string error;
  if (!ParseOptions(argc, argv, &options, &error)) {
    std::cerr << "host-sim: " << error << '\n';
    return kExitUsage;
  }
  if (options.action == Options::Action::kHelp) return Print(UsageText());
  if (options.action == Options::Action::kVersion)
    return Print("host-sim " MSYS_PLUGIN_VERSION "\n");
  if (options.action == Options::Action::kControl)
    return RunControlClient(options.control, options.command, std::cout,
                            std::cerr);
  OutliveSignals();
  const auto config = ReadConfig(options.config, &error);
  if (!config) {
    std::cerr << error;
    return kExitUsage;
  }
  const bool checks = options.action == Options::Action::kCheckConfig;
  const std::string& log_file = config->log_file.native();
  // What a check says is for who asks; a log that it made might be the wrong user's.
  if (checks ? !LogCanOpen(log_file, &error) || !LogOpen(config->log_level, "", &error)
             : !LogOpen(config->log_level, log_file, &error)) {
    std::cerr << "host-sim: " << error << '\n';
    return kExitUsage;
  }
  InitGMime();
  if (options.compare) return RunCompare(options, *config);
  Host host(options, *config);
  return checks ? host.CheckConfig() : host.Run();
}
