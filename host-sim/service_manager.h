// What systemd is told about the host that it started as a service of
// Type=notify, so that `systemctl start` returns when there is something to use, or
// says that there is not.  Started otherwise, nobody is told anything.
//
// Threads: the main thread.
#pragma once

#include <chrono>
#include <string_view>

namespace hostsim {

// `doing` is what `systemctl status` shows.  Starting and stopping may take `at_most`
// from now on, if that is more than the unit allows.
void TellStarting(std::string_view doing, std::chrono::seconds at_most);
void TellReady(std::string_view doing);
void TellStopping(std::string_view doing, std::chrono::seconds at_most);

}  // namespace hostsim
