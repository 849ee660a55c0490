// host-sim --control SOCKET COMMAND...: sends one command, prints the answer.
#pragma once

#include <ostream>
#include <string>

#include "control.h"

namespace hostsim {

// The command's own answer; not good as well when nobody answers.
ControlAnswer AskControl(const std::string& socket, const std::string& command);

// Prints the answer to `out`, what is wrong to `err`; the exit status.
int RunControlClient(const std::string& socket, const std::string& command,
                     std::ostream& out, std::ostream& err);

}  // namespace hostsim
