// The smallest host that can run policies: one loop on the thread that makes
// it, N Lua states, callouts that call a global Lua function.  The plugin is
// loaded as users load it, by dlopen; Lua is the program's own.
#pragma once

#include <msys/plugin.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench_loop.h"

struct lua_State;

namespace bench {

// Where the plugin is: $MSYS_BENCH_PLUGIN, else the one of this build.
const char* PluginPath();
// $MSYS_BENCH_IDLE_POLL: for how many microseconds the hosts' loops look for work
// before they sleep.  0, as the floors: not at all.
std::chrono::microseconds IdlePollTime();

class Host {
 public:
  struct Options {
    int states = 1;
    std::uint32_t cpu = 1;  // concurrency of the pool "CPU"
    std::uint32_t io = 50;  // of the pool "IO"
  };
  // Ends the process with a message when anything fails: a benchmark that goes
  // on after a failure measures the failure.
  explicit Host(const Options& options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Runs a chunk in every state, outside of callouts.
  void Load(const char* chunk);

  // Starts a callout: the state's global `function`, with `argument`.
  void Call(std::size_t state, const char* function, std::int64_t argument = 0);
  // Runs the loop until all callouts have ended.  One that fails ends the
  // process.
  void Drain();
  // For work that outlives its callouts: from now on `count` calls of the
  // global function finished() are awaited, on whatever thread.
  void Expect(std::int64_t count);
  // Drain(), then runs the loop until they have come.
  void DrainExpected();
  // Drain() of one callout that returns a number.
  double CallNow(std::size_t state, const char* function,
                 std::int64_t argument = 0);

  Loop& loop() { return loop_; }
  std::size_t states() const { return states_.size(); }
  std::size_t callouts() const { return running_; }
  lua_State* lua(std::size_t state) const { return states_[state].L; }
  const msys_api& api() const { return *api_; }
  msys_plugin* plugin() const { return plugin_; }
  msys_pool_stats Stats(const char* pool) const;

  // Bytes that Lua of this state has asked for and not given back.
  std::size_t LuaBytes(std::size_t state) const;

 private:
  struct Callout;
  struct LuaState {
    lua_State* L = nullptr;
    msys_state* handle = nullptr;
    bool detached = false;
  };

  static int Finished(lua_State* L);
  static int Prepare(void* ctx, lua_State* L);
  static void Finish(void* ctx, lua_State* L, msys_status status, int count);

  Loop loop_{IdlePollTime()};
  const msys_api* api_ = nullptr;
  msys_plugin* plugin_ = nullptr;
  std::vector<LuaState> states_;
  std::size_t running_ = 0;
  double result_ = 0;
  Callout* free_ = nullptr;

  std::atomic<std::int64_t> expected_{
      0};  // relaxed: the task carries the order
  struct ExpectedTask {
    msys_task task;  // first: its run() gets its address
    bool come;
  } all_come_{};
};

}  // namespace bench
