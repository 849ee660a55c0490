#include "thread_check.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace hostsim {
namespace {

thread_local bool is_main = false;
thread_local std::uint32_t current_loop = kNoLoop;
thread_local char self_token;  // its address names the thread

std::string ThreadName() {
  if (is_main) return "the main thread";
  if (current_loop != kNoLoop) return "loop " + std::to_string(current_loop);
  return "a thread that is neither main nor a loop";
}

[[noreturn]] void WrongThread(const char* function, const std::string& tag) {
  std::fprintf(stderr, "thread check: %s() is %s, but was called on %s\n",
               function, tag.c_str(), ThreadName().c_str());
  std::abort();
}

}  // namespace

void SetThreadIsMain() { is_main = true; }
void SetThreadIsLoop(std::uint32_t loop) { current_loop = loop; }
std::uint32_t ThreadLoop() { return current_loop; }

void CheckMain(const char* function) {
  if (!is_main) WrongThread(function, "[main]");
}

void CheckLoop(const char* function, std::uint32_t home_loop) {
  if (current_loop != home_loop || current_loop == kNoLoop)
    WrongThread(function, "[loop " + std::to_string(home_loop) + "]");
}

void ContractViolation(const char* function, const char* what) {
  std::fprintf(stderr, "contract check: %s(): %s\n", function, what);
  std::abort();
}

void TurnMark::Enter(const char* function) noexcept {
  const void* expected = nullptr;
  if (owner_.load(std::memory_order_relaxed) != &self_token &&
      !owner_.compare_exchange_strong(expected, &self_token,
                                      std::memory_order_relaxed)) {
    std::fprintf(stderr,
                 "thread check: T1: %s() on %s, while another thread is inside "
                 "%s() of the same Lua state \"%s\"\n",
                 function, ThreadName().c_str(),
                 function_.load(std::memory_order_relaxed), state_.c_str());
    std::abort();
  }
  if (depth_++ == 0) function_.store(function, std::memory_order_relaxed);
}

void TurnMark::Leave() noexcept {
  if (--depth_ == 0) owner_.store(nullptr, std::memory_order_relaxed);
}

void TurnMark::CheckInside(const char* function) const noexcept {
  if (owner_.load(std::memory_order_relaxed) != &self_token)
    WrongThread(function, "[state] of \"" + state_ + "\"");
}

}  // namespace hostsim
