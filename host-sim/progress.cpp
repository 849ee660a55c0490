#include "progress.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "log.h"

namespace hostsim {

Progress::Progress(const SessionCounts& counts, std::uint64_t sessions)
    : counts_(counts),
      sessions_(sessions),
      enabled_(::isatty(STDERR_FILENO) == 1),
      begin_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (enabled_) LogStatusLine("");
}

void Progress::Draw() const {
  if (!enabled_) return;
  constexpr std::size_t kWidth = 30;
  const std::uint64_t ended = counts_.ended();
  const auto full = static_cast<std::size_t>(
      sessions_ > 0 ? kWidth * ended / sessions_ : kWidth);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_)
          .count();
  char text[160];
  std::snprintf(text, sizeof text, "[%s%s] %llu/%llu sessions, %.0f per second",
                std::string(full, '#').c_str(),
                std::string(kWidth - full, '.').c_str(),
                static_cast<unsigned long long>(ended),
                static_cast<unsigned long long>(sessions_),
                seconds > 0 ? static_cast<double>(ended) / seconds : 0.0);
  LogStatusLine(text);
}

}  // namespace hostsim
