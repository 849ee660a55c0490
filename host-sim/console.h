// Operators' commands: the host's own, and everything of the plugin.
#pragma once

#include <string>

#include "control.h"
#include "plugin.h"
#include "reload.h"

namespace hostsim {

// Threads: the main thread.
class Console {
 public:
  // Borrowed.
  Console(Plugin& plugin, Reloader& reloader)
      : plugin_(plugin), reloader_(reloader) {}

  ControlAnswer Run(const std::string& command);

 private:
  ControlAnswer Config(const std::string& command);

  Plugin& plugin_;
  Reloader& reloader_;
};

}  // namespace hostsim
