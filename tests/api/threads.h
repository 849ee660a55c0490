// The threads of this process, by name, as an operator sees them.
#pragma once

#include <dirent.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace msys::test {

struct ThreadInfo {
  int tid;
  std::string name;
};

inline std::vector<ThreadInfo> Threads() {
  std::vector<ThreadInfo> threads;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream comm(std::string("/proc/self/task/") + entry->d_name + "/comm");
    std::string name;
    if (std::getline(comm, name)) threads.push_back({std::atoi(entry->d_name), name});
  }
  closedir(tasks);
  return threads;
}

inline bool Blocked(const ThreadInfo& thread, int signal) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread.tid) + "/status");
  std::string line;
  while (std::getline(status, line) && !line.starts_with("SigBlk:")) {
  }
  return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1) != 0;
}

inline std::size_t CountThreads(std::string_view prefix) {
  std::size_t count = 0;
  for (const ThreadInfo& thread : Threads()) {
    count += std::string_view(thread.name).starts_with(prefix);
  }
  return count;
}

// Leaving a pool takes a thread a moment.  A hang is the test's timeout.
inline void AwaitThreads(std::string_view prefix, std::size_t count) {
  while (CountThreads(prefix) != count) std::this_thread::yield();
}

}  // namespace msys::test
