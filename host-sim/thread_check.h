// The thread tags of msys/plugin.h, checked on every call in both directions.
//
// Always on, in release builds too: a host is the one place that can see both
// sides of the border, and a call on a wrong thread is a crash later.  A
// violation prints the function, its tag and where it was called, and aborts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace hostsim {

// Who the calling thread is, as far as tags care.
inline constexpr std::uint32_t kNoLoop = UINT32_MAX;
void SetThreadIsMain();
void SetThreadIsLoop(std::uint32_t loop);  // kNoLoop: no longer one
std::uint32_t ThreadLoop();                // kNoLoop: not a loop's thread

// Each aborts unless the calling thread is what the tag of `function` asks.
void CheckMain(const char* function);
void CheckLoop(const char* function, std::uint32_t home_loop);

// A broken promise that is not about threads (finish() called twice).
[[noreturn]] void ContractViolation(const char* function, const char* what);

// Watches that one thread at a time runs Lua of a state (T1).  Every host
// function that touches session data enters the mark of its state; two threads
// inside at once is a violation.  The mark itself orders nothing, on purpose:
// depth_ is plain data, so that ThreadSanitizer sees a turn that was handed
// over without ordering.
class TurnMark {
 public:
  explicit TurnMark(std::string state) : state_(std::move(state)) {}
  TurnMark(const TurnMark&) = delete;
  TurnMark& operator=(const TurnMark&) = delete;

  void Enter(const char* function) noexcept;
  void Leave() noexcept;
  // Aborts unless the calling thread is inside: the tag is [state].
  void CheckInside(const char* function) const noexcept;
  const std::string& state() const { return state_; }

 private:
  const std::string state_;
  std::atomic<const void*> owner_{nullptr};       // relaxed, see above
  std::atomic<const char*> function_{"nothing"};  // relaxed: for the message
  int depth_ = 0;                                 // the owner's
};

// For frames through which no Lua error passes.
class TurnScope {
 public:
  TurnScope(TurnMark* mark, const char* function) noexcept : mark_(mark) {
    if (mark_) mark_->Enter(function);
  }
  ~TurnScope() {
    if (mark_) mark_->Leave();
  }
  TurnScope(const TurnScope&) = delete;
  TurnScope& operator=(const TurnScope&) = delete;

 private:
  TurnMark* mark_;
};

}  // namespace hostsim
