// The host's callbacks, as the rest of the plugin uses them.
#pragma once

#include <msys/plugin.h>

#include <cstdarg>
#include <cstdio>

#include "process.h"

namespace msys {

class Host {
 public:
  explicit Host(const msys_host& host) : host_(host) {}

  std::uint32_t loop_count() const { return host_.loop_count; }
  bool OnLoop(std::uint32_t loop) const {
    return host_.on_loop(host_.ctx, loop) != 0;
  }
  bool OnAnyLoop() const {
    for (std::uint32_t i = 0; i < host_.loop_count; ++i) {
      if (OnLoop(i)) return true;
    }
    return false;
  }
  void Post(std::uint32_t loop, msys_task& task) const {
    host_.post(host_.ctx, loop, &task);
  }

  // One line, cut at 4 KiB: log lines need no memory that could be missing.  A
  // fork is silent: the host's log may be locked in it.
  void Log(int level, const char* component, const char* format, ...) const
      __attribute__((format(printf, 4, 5))) {
    if (process::IsFork()) return;
    char text[4096];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    host_.log(host_.ctx, level, component, text);
  }

  bool tracing() const { return host_.trace != nullptr; }
  void Trace(const msys_trace_event& event) const {
    host_.trace(host_.ctx, &event);
  }

 private:
  msys_host host_;
};

}  // namespace msys
