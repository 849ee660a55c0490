// A mail server without mail: loops that are real threads, each with a queue of
// tasks, and a log that tests can look into.
#pragma once

#include <msys/plugin.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace msys::test {

struct LogLine {
  int level;
  std::string component;
  std::string text;
};

class FakeHost {
 public:
  explicit FakeHost(std::uint32_t loops = 1);
  ~FakeHost();  // the loops run what is queued, then end
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // For open().
  msys_host Abi();
  // Gets the trace events, on whatever thread; before Abi().
  std::function<void(const msys_trace_event&)> trace;
  // Gets the lines of the log, on whatever thread; before Abi().
  std::function<void(const LogLine&)> logged;

  // [any but a loop] Runs f on the loop and waits until it has returned.
  void On(std::uint32_t loop, const std::function<void()>& f);
  // [any] Has the loop run f.
  void Later(std::uint32_t loop, std::function<void()> f);

  // The loop of the calling thread; -1: none.
  static int CurrentLoop();

  // Tasks posted by the plugin, and how many of them woke a sleeping loop.
  std::uint64_t posts(std::uint32_t loop) const;
  std::uint64_t wakes(std::uint32_t loop) const;

  std::vector<LogLine> log() const;
  // How many lines have all the words, in component or text.
  std::size_t Logged(const std::vector<std::string>& words) const;
  void AwaitLog(const std::vector<std::string>& words) const;

 private:
  struct Loop {
    std::uint32_t index = 0;
    mutable std::mutex mu;
    std::condition_variable posted;
    msys_task* head = nullptr;
    msys_task* tail = nullptr;
    bool sleeping = false;
    bool ending = false;
    std::uint64_t posts = 0;
    std::uint64_t wakes = 0;
    std::thread thread;
  };

  static void Post(void* ctx, std::uint32_t loop, msys_task* task);
  static int OnLoop(void* ctx, std::uint32_t loop);
  static void Log(void* ctx, std::int32_t level, const char* component,
                  const char* text);
  static void Trace(void* ctx, const msys_trace_event* event);
  void RunLoop(Loop& loop);
  void Put(Loop& loop, msys_task* task, bool by_plugin);
  std::size_t LoggedLocked(const std::vector<std::string>& words) const;

  std::vector<std::unique_ptr<Loop>> loops_;
  mutable std::mutex log_mu_;
  mutable std::condition_variable logged_;
  std::vector<LogLine> log_;
};

}  // namespace msys::test
