// What the plugin's trace says of each job, and whether it can be true: submitted
// once, started once at most, over exactly once, in this order.
#pragma once

#include <msys/plugin.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace msys::test {

class Ledger {
 public:
  // For msys_host.trace; any thread.
  void Note(const msys_trace_event& event);

  // Nothing runs any more: every job must be over.  Forgets them all.
  void Close();

  // What was impossible; the first is kept.
  std::string error();
  std::uint64_t submitted() { return Count(0); }
  std::uint64_t ended(int outcome) { return Count(outcome); }

 private:
  struct Job {
    bool started = false, over = false, completing = false, completed = false;
  };
  void Impossible(const msys_trace_event& event, const char* what);
  std::uint64_t Count(int index) {
    const std::lock_guard lock(mu_);
    return counts_.at(static_cast<std::size_t>(index));
  }

  std::mutex mu_;
  std::unordered_map<std::uint64_t, Job> jobs_;
  std::array<std::uint64_t, 5> counts_{};  // submitted, and by outcome
  std::string error_;
};

}  // namespace msys::test
