// host-sim: a small mail server around the runInPool plugin.
#include <iostream>
#include <string>

#include "compare.h"
#include "config.h"
#include "control_client.h"
#include "host.h"
#include "log.h"
#include "message.h"
#include "options.h"

int main(int argc, char** argv) {
  using namespace hostsim;
  Options options;
  std::string error;
  if (!ParseOptions(argc, argv, &options, &error)) {
    std::cerr << "host-sim: " << error << '\n';
    return kExitUsage;
  }
  if (options.action == Options::Action::kHelp) {
    std::cout << UsageText();
    return kExitDone;
  }
  if (options.action == Options::Action::kVersion) {
    std::cout << "host-sim " MSYS_PLUGIN_VERSION "\n";
    return kExitDone;
  }
  if (options.action == Options::Action::kControl)
    return RunControlClient(options.control, options.command, std::cout,
                            std::cerr);
  const auto config = ReadConfig(options.config, &error);
  if (!config) {
    std::cerr << error;
    return kExitUsage;
  }
  if (!LogOpen(config->log_level, config->log_file.string(), &error)) {
    std::cerr << "host-sim: " << error << '\n';
    return kExitUsage;
  }
  InitGMime();
  if (options.compare) return RunCompare(options, *config);
  Host host(options, *config);
  return options.action == Options::Action::kCheckConfig ? host.CheckConfig()
                                                         : host.Run();
}
