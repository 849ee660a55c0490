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
  // kOnce: the n-th request and Lua's second attempt, if it makes one, after it has
  // collected garbage.  kFromThenOn: all later ones as well.
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
    if (new_size > old_size && exempt == 0 && self.Fails(new_size)) return nullptr;
    void* made = std::realloc(block, new_size);
    if (made != nullptr) self.bytes_ += new_size - old_size;
    return made;
  }

  void Arm(long n, Mode mode) {
    mode_ = mode;
    failed_ = false;
    failed_size_ = 0;
    left_ = n;
  }
  // True: a request has failed.
  bool Disarm() {
    left_ = -1;
    failed_size_ = 0;
    return failed_;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  bool Fails(std::size_t size) {
    if (failed_size_.exchange(0) == size) return true;
    if (left_ < 0) return false;
    if (left_ > 0) {
      --left_;
      return false;
    }
    failed_ = true;
    if (mode_ == Mode::kOnce) {
      left_ = -1;
      failed_size_ = size;
    }
    return true;
  }

  std::atomic<Mode> mode_{Mode::kOnce};
  std::atomic<long> left_{-1};  // requests that succeed; negative: all
  std::atomic<std::size_t> failed_size_{0};  // of a first attempt; 0: none
  std::atomic<bool> failed_{false};
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace msys::test
