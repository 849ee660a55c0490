#include "service_manager.h"

#include <systemd/sd-daemon.h>

#include <cstring>
#include <string>

#include "log.h"

namespace hostsim {
namespace {

void Tell(std::string state) {
  const int sent = ::sd_notify(0, state.c_str());
  if (sent < 0)
    Log(MSYS_LOG_WARNING, "host",
        std::string("cannot tell systemd how the service is: ") +
            std::strerror(-sent));
}

std::string Status(std::string_view doing) {
  return "STATUS=" + std::string(doing);
}

std::string Allowing(std::chrono::seconds at_most) {
  return "\nEXTEND_TIMEOUT_USEC=" +
         std::to_string(std::chrono::microseconds(at_most).count());
}

}  // namespace

void TellStarting(std::string_view doing, std::chrono::seconds at_most) {
  Tell(Status(doing) + Allowing(at_most));
}

void TellReady(std::string_view doing) { Tell("READY=1\n" + Status(doing)); }

void TellStopping(std::string_view doing, std::chrono::seconds at_most) {
  Tell("STOPPING=1\n" + Status(doing) + Allowing(at_most));
}

}  // namespace hostsim
