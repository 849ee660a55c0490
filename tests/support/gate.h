// A named place where threads stop until the test lets them go.
#pragma once

#include <condition_variable>
#include <mutex>

namespace msys::test {

class Gate {
 public:
  // Waits until the gate is open; it stays open.
  void Pass() {
    std::unique_lock lock(mu_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void Open() {
    const std::lock_guard lock(mu_);
    open_ = true;
    changed_.notify_all();
  }
  // Waits until `count` threads have come, open or not.
  void AwaitArrivals(int count = 1) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }
  int arrived() {
    const std::lock_guard lock(mu_);
    return arrived_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

}  // namespace msys::test
