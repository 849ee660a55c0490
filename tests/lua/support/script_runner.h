// What run_lua_test offers to the scripts it runs: the C functions behind the
// table `test` (prelude.lua puts it together).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gate.h"
#include "test_plugin.h"

namespace msys::test {

// A callout that a script has started, or the runner.
struct Handle {
  TestState* state = nullptr;
  msys_callout callout{};
  std::string source;    // of a chunk for the other state; else the function
  std::string text;      // its outcome, when it ran in the other state
  std::atomic<bool> finished{false};
  Gate over;             // opened after that
  std::jthread thread;   // waits for it, when it runs in the other state
};

class Runner {
 public:
  Runner(FakeHost& host, TestPlugin& plugin) : host(host), plugin(plugin) {}

  // Puts the functions into the table at the top of L.
  void SetFunctions(lua_State* L);

  Gate& gate(const char* name);
  Handle& NewHandle();

  FakeHost& host;
  TestPlugin& plugin;
  TestState* home = nullptr;   // of the script, on loop 0
  TestState* other = nullptr;  // on loop 1

 private:
  std::mutex mu_;
  std::map<std::string, Gate> gates_;
  std::vector<std::unique_ptr<Handle>> handles_;
};

}  // namespace msys::test
