// A plugin that is open for as long as the object lives, and Lua states that are
// attached for as long as theirs does.  All of it by the ABI, so that it can be
// the one linked into the test or one that was dlopened.
#pragma once

#include <msys/plugin.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "fake_host.h"

struct lua_State;

namespace msys::test {

struct PoolSpec {
  std::string name;
  std::uint32_t concurrency = MSYS_UNSET;
  std::uint32_t backlog = MSYS_UNSET;
};

// The api table of a plugin file; the library stays loaded.
const msys_api& LoadApi(const char* path);

class TestPlugin {
 public:
  TestPlugin(const msys_api& api, FakeHost& host,
             const std::vector<PoolSpec>& pools = {},
             int completion_returns = MSYS_COMPLETION_RETURNS_JOB);
  ~TestPlugin();  // stop() and close() must succeed
  TestPlugin(const TestPlugin&) = delete;
  TestPlugin& operator=(const TestPlugin&) = delete;

  msys_status Stop(std::uint32_t deadline_ms, std::string* text = nullptr);
  msys_status Configure(const std::vector<PoolSpec>& pools);
  msys_pool_stats Stats(const std::string& pool) const;
  std::string Console(const std::string& command) const;

  const msys_api& api;
  FakeHost& host;
  msys_plugin* handle = nullptr;
};

// What a callout came to; values as tostring gives them.
struct Result {
  msys_status status = MSYS_OK;
  std::vector<std::string> values;

  // "OK 1 nil x", "LUA message", "CANCELLED": one line to compare with.
  std::string text() const;
};

class TestState;

// A callout under way.  Destroying it waits for its end.
class Running {
 public:
  Running(TestState& state, std::string source, msys_session* session);
  ~Running();

  Result Wait();       // again and again
  bool done() const;   // finish() was called
  msys_status Cancel();
  msys_status CancelHere();  // on the calling thread, whichever that is
  msys_status started() const { return started_; }

 private:
  static int Prepare(void* ctx, lua_State* L);
  static void Finish(void* ctx, lua_State* L, msys_status status, int count);

  TestState& state_;
  const std::string source_;
  msys_callout callout_{};
  msys_status started_ = MSYS_OK;
  Result result_;
  std::promise<void> promise_;
  std::shared_future<void> over_{promise_.get_future().share()};
};

class TestState {
 public:
  // `before` is called on the loop with the state before it is attached.
  TestState(TestPlugin& plugin, std::uint32_t loop = 0,
            const std::string& name = "test",
            const std::function<void(lua_State*)>& before = {});
  ~TestState();  // detaches, then closes
  TestState(const TestState&) = delete;
  TestState& operator=(const TestState&) = delete;

  // [not a loop] A chunk as a callout; returns when run() has.
  std::unique_ptr<Running> Start(const std::string& source,
                                 msys_session* session = nullptr);
  Result Run(const std::string& source, msys_session* session = nullptr);

  // [not a loop] Returns when detach() has; its end can be waited for.
  void Detach();
  void AwaitDetached();
  // [not a loop] Detaches, and attaches the same Lua state anew.
  void AttachAgain();

  msys_session* OpenSession();
  void CloseSession(msys_session* session);

  TestPlugin& plugin;
  const std::uint32_t loop;
  lua_State* L = nullptr;
  msys_state* handle = nullptr;

 private:
  static void Done(void* ctx);
  void Attach(const std::string& name);
  bool detaching_ = false;
  std::promise<void> promise_;
  std::shared_future<void> detached_{promise_.get_future().share()};
};

}  // namespace msys::test
