// Lua's memory, of which the n-th request fails.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>

#include "exempt.h"

namespace msys::test {

// Used by the holder of the turn only, but armed by the test's thread.
class FailingAllocator {
 public:
  // kOnce: the n-th request and Lua's second attempt, after it has collected
  // garbage.  kFromThenOn: all later ones as well.
  enum class Mode { kOnce, kFromThenOn };

  static void* Allocate(void* ud, void* block, std::size_t old_size,
                        std::size_t new_size) {
    auto& self = *static_cast<FailingAllocator*>(ud);
    if (block == nullptr) old_size = 0;  // then it is a kind of object
    if (new_size == 0) {
      std::free(block);
      self.bytes_ -= old_size;
      return nullptr;
    }
    // Lua counts on shrinking to succeed.
    if (new_size > old_size && exempt == 0 && self.Fails()) return nullptr;
    void* made = std::realloc(block, new_size);
    if (made != nullptr) self.bytes_ += new_size - old_size;
    return made;
  }

  void Arm(long n, Mode mode) {
    mode_ = mode;
    failed_ = retry_ = false;
    left_ = n;
  }
  // True: a request has failed.
  bool Disarm() {
    left_ = -1;
    retry_ = false;
    return failed_;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  bool Fails() {
    if (retry_.exchange(false)) return failed_ = true;
    if (left_ < 0) return false;
    if (left_ > 0) {
      --left_;
      return false;
    }
    if (mode_ == Mode::kOnce) {
      left_ = -1;
      retry_ = true;
    } else {
      failed_ = true;
    }
    return true;
  }

  std::atomic<Mode> mode_{Mode::kOnce};
  std::atomic<long> left_{-1};  // requests that succeed; negative: all
  std::atomic<bool> retry_{false};
  std::atomic<bool> failed_{false};
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace msys::test
