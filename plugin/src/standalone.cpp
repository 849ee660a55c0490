// luaopen_msys: the plugin inside a plain Lua interpreter.  There is no host, so
// this is one: the interpreter's thread is the loop, which runs its tasks while
// it waits.  A synchronous call waits in place; asynchronous jobs run while
// another call waits, and are drained when the state closes.
#include <condition_variable>
#include <cstdio>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "engine.h"
#include "lua/binding.h"
#include "process.h"
#include "state.h"

namespace msys {
namespace {

class Interpreter {
 public:
  Interpreter() : engine_(MakeHost(), MSYS_COMPLETION_RETURNS_JOB) {}

  // False: `error` says why.
  bool Open(lua_State* main, std::string& error) {
    if (!engine_.pools().Configure(nullptr, error)) return false;
    auto state = State::Open(engine_, main, engine_.loop(0), "lua", error);
    if (state == nullptr) return false;
    if (!engine_.Add(*state)) return false;  // it is not being stopped
    if (!state->OpenMain()) {
      engine_.Unlist(*state);
      engine_.EndTransit();
      error = "not enough memory";
      return false;
    }
    state->run_one_task = &RunOneTask;
    state->run_one_task_ctx = this;
    state_ = state.release();
    return true;
  }

  // Drains; on the interpreter's thread.
  void Close() {
    State* state = std::exchange(state_, nullptr);
    if (state == nullptr) return;
    engine_.Unlist(*state);
    state->CloseMain();
    engine_.EndTransit();
    std::string error;
    engine_.Stop(0, error);  // nothing is left but workers on their way out
    engine_.AtRest(UINT64_MAX);
  }

 private:
  msys_host MakeHost() {
    msys_host host{};
    host.struct_size = sizeof host;
    host.abi_major = MSYS_ABI_MAJOR;
    host.ctx = this;
    host.loop_count = 1;
    host.post = &Post;
    host.on_loop = &OnLoop;
    host.log = &Log;
    return host;
  }

  static void Post(void* ctx, std::uint32_t, msys_task* task) {
    auto& self = *static_cast<Interpreter*>(ctx);
    WaitableLock lock(self.mu_);
    task->host[0] = nullptr;
    (self.tail_ == nullptr ? self.head_
                           : reinterpret_cast<msys_task*&>(self.tail_->host[0])) =
        task;
    self.tail_ = task;
    self.posted_.notify_one();
  }

  static void RunOneTask(void* ctx) {
    auto& self = *static_cast<Interpreter*>(ctx);
    msys_task* task = nullptr;
    {
      WaitableLock lock(self.mu_);
      while (self.head_ == nullptr) lock.Wait(self.posted_);
      task = self.head_;
      self.head_ = static_cast<msys_task*>(task->host[0]);
      if (self.head_ == nullptr) self.tail_ = nullptr;
    }
    task->run(task);
  }

  static int OnLoop(void* ctx, std::uint32_t) {
    return static_cast<Interpreter*>(ctx)->thread_ == std::this_thread::get_id();
  }

  static void Log(void*, std::int32_t, const char* component, const char* text) {
    std::fprintf(stderr, "msys: %s: %s\n", component, text);
  }

  const std::thread::id thread_ = std::this_thread::get_id();
  WaitableMutex mu_;
  std::condition_variable posted_;
  msys_task* head_ GUARDED_BY(mu_) = nullptr;
  msys_task* tail_ GUARDED_BY(mu_) = nullptr;
  Engine engine_;
  State* state_ = nullptr;
};

const char kInterpreter = 0;

// A userdata whose finaliser drains the jobs when the state closes.  Finalisers
// run youngest first, so a new one is made whenever jobs may be left behind
// that use something younger than the last.
struct Drain {
  Interpreter* interpreter;  // null: not the newest
};

int CollectDrain(lua_State* L) {
  auto* drain = static_cast<Drain*>(lua_touserdata(L, 1));
  if (drain->interpreter == nullptr) return 0;
  if (process::IsFork()) return 0;  // there are no threads that would drain
  Interpreter* interpreter = std::exchange(drain->interpreter, nullptr);
  lua_rawgetp(L, LUA_REGISTRYINDEX, StateRefKey());
  static_cast<StateRef*>(lua_touserdata(L, -1))->drained = true;
  interpreter->Close();
  delete interpreter;
  return 0;
}

Interpreter* NewInterpreter() noexcept {
  try {
    return new Interpreter;
  } catch (const std::exception&) {
    return nullptr;
  }
}

// Writes the reason into `error`; false: failed.
bool OpenInterpreter(Interpreter& interpreter, lua_State* main, char* error,
                     std::size_t size) noexcept {
  try {
    std::string text;
    if (interpreter.Open(main, text)) return true;
    std::snprintf(error, size, "%s", text.c_str());
  } catch (const std::bad_alloc&) {
    std::snprintf(error, size, "not enough memory");
  } catch (const std::exception& e) {
    std::snprintf(error, size, "%s", e.what());
  }
  return false;
}

Drain* NewDrain(lua_State* L) {
  auto* drain = static_cast<Drain*>(lua_newuserdatauv(L, sizeof(Drain), 0));
  drain->interpreter = nullptr;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, &CollectDrain);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return drain;
}

}  // namespace

// Nothing new is finalised when the state closes: one that a finaliser had made
// then would never drain.  Nor may a finaliser that runs while one is being made
// make another: the older of the two would be in charge, and be collected.
void RenewDrain(lua_State* L, const State& state) {
  if (InFinaliser(L, state)) return;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kInterpreter) == LUA_TUSERDATA) {
    auto* old = static_cast<Drain*>(lua_touserdata(L, -1));
    Drain* drain = NewDrain(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kInterpreter);
    drain->interpreter = std::exchange(old->interpreter, nullptr);
  }
  lua_pop(L, 1);
}

}  // namespace msys

// [-0, +1, e] For require: the table msys, of a state that a host has attached,
// or of this interpreter.
extern "C" __attribute__((visibility("default"))) int luaopen_msys(
    lua_State* L) {
  using namespace msys;
  if (process::IsFork()) {
    return luaL_error(L, "msys: this process was forked after the pools' threads "
                      "had started; load msys in the child, or fork earlier");
  }
  if (State::Of(L) == nullptr) {
    // Of a state that closes nobody would drain the jobs.
    if (lua_gc(L, LUA_GCCOUNT) < 0) {
      return luaL_error(L, "msys: a finaliser cannot load msys; load it earlier");
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State* main = lua_tothread(L, -1);
    lua_pop(L, 1);
    Drain* drain = NewDrain(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kInterpreter);
    Interpreter* interpreter = NewInterpreter();
    if (interpreter == nullptr) return luaL_error(L, "msys: not enough memory");
    char error[512];
    if (!OpenInterpreter(*interpreter, main, error, sizeof error)) {
      delete interpreter;
      return luaL_error(L, "msys: %s", error);
    }
    drain->interpreter = interpreter;
  }
  PushModule(L);
  return 1;
}
