// The C entry points: check, translate, call.  No exception leaves them.
#include <msys/plugin.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "console.h"
#include "engine.h"
#include "lua_api.h"
#include "process.h"
#include "state.h"
#include "text.h"

struct msys_plugin {
  msys::Engine engine;
};

namespace msys {
namespace {

// The handles of the ABI are our objects.
State& Of(msys_state* state) { return *reinterpret_cast<State*>(state); }
Session& Of(msys_session* s) { return *reinterpret_cast<Session*>(s); }

void Say(msys_error* error, const char* text) {
  if (error == nullptr ||
      error->struct_size <= offsetof(msys_error, text)) {
    return;
  }
  const std::size_t size = error->struct_size - offsetof(msys_error, text);
  std::snprintf(error->text, std::min(size, sizeof error->text), "%s", text);
}

msys_status Fail(msys_error* error, msys_status status, const char* text) {
  Say(error, text);
  return status;
}

msys_status FailInFork(msys_error* error) {
  return Fail(error, MSYS_E_FORK,
              "this process is a fork of one whose pools had started; fork before "
              "the first attach");
}

// One try around one call; the text of what is thrown goes to the caller.
template <typename Call>
msys_status Guard(msys_error* error, Call call) noexcept {
  try {
    Say(error, "");
    return call();
  } catch (const std::bad_alloc&) {
    return Fail(error, MSYS_E_NOMEM, "not enough memory");
  } catch (const std::exception& e) {
    return Fail(error, MSYS_E_SYSTEM, e.what());
  }
}

msys_status CheckConfig(const msys_config* config, std::string& text) {
  if (config == nullptr) return MSYS_OK;
  if (!MSYS_HAS(config, pools)) {
    text = "msys_config.struct_size is " + std::to_string(config->struct_size) +
           "; set it to sizeof(msys_config)";
    return MSYS_E_ABI;
  }
  return MSYS_OK;
}

msys_status Open(const msys_host* host, const msys_config* config,
                 msys_plugin** out, msys_error* error) {
  if (out == nullptr) return Fail(error, MSYS_E_ARG, "open: out is NULL");
  *out = nullptr;
  if (host == nullptr) return Fail(error, MSYS_E_ARG, "open: host is NULL");
  if (process::IsFork()) return FailInFork(error);
  if (!MSYS_HAS(host, log)) {
    return Fail(error, MSYS_E_ABI,
                "open: msys_host.struct_size is too small; set it to "
                "sizeof(msys_host)");
  }
  if (host->abi_major != MSYS_ABI_MAJOR) {
    return Fail(error, MSYS_E_ABI,
                "open: msys_host.abi_major is not MSYS_ABI_MAJOR; host and "
                "plugin were built with different headers");
  }
  if (host->post == nullptr || host->on_loop == nullptr || host->log == nullptr) {
    return Fail(error, MSYS_E_ARG,
                "open: post, on_loop and log of msys_host must be set");
  }
  constexpr std::uint32_t kMaxLoops = 1024;
  if (host->loop_count == 0 || host->loop_count > kMaxLoops) {
    return Fail(error, MSYS_E_ARG, "open: loop_count must be 1 to 1024");
  }
  return Guard(error, [&] {
    std::string text;
    if (const msys_status status = CheckConfig(config, text)) {
      return Fail(error, status, ("open: " + text).c_str());
    }
    std::int32_t returns = MSYS_COMPLETION_RETURNS_JOB;
    if (config != nullptr && MSYS_HAS(config, completion_returns)) {
      returns = config->completion_returns;
    }
    if (returns != MSYS_COMPLETION_RETURNS_JOB &&
        returns != MSYS_COMPLETION_RETURNS_RESULTS) {
      return Fail(error, MSYS_E_ARG,
                  "open: completion_returns is neither "
                  "MSYS_COMPLETION_RETURNS_JOB nor _RESULTS");
    }
    msys_host copy{};  // what an older host does not have is NULL
    std::memcpy(&copy, host, std::min<std::size_t>(host->struct_size, sizeof copy));
    auto plugin = std::unique_ptr<msys_plugin>(
        new msys_plugin{Engine(copy, returns)});
    if (!plugin->engine.pools().Configure(config, text)) {
      return Fail(error, MSYS_E_ARG, ("open: " + text).c_str());
    }
    *out = plugin.release();
    return msys_status{MSYS_OK};
  });
}

msys_status Configure(msys_plugin* plugin, const msys_config* config,
                      msys_error* error) {
  if (plugin == nullptr || config == nullptr) {
    return Fail(error, MSYS_E_ARG, "configure: plugin or config is NULL");
  }
  if (process::IsFork()) return FailInFork(error);
  Engine& engine = plugin->engine;
  if (!engine.on_main_thread()) {
    return Fail(error, MSYS_E_THREAD,
                "configure: call it on the thread that called open()");
  }
  if (engine.stopping()) {
    return Fail(error, MSYS_E_CLOSED, "configure: stop() has begun");
  }
  return Guard(error, [&] {
    std::string text;
    if (const msys_status status = CheckConfig(config, text)) {
      return Fail(error, status, ("configure: " + text).c_str());
    }
    if (!engine.pools().Configure(config, text)) {
      return Fail(error, MSYS_E_ARG, ("configure: " + text).c_str());
    }
    return msys_status{MSYS_OK};
  });
}

msys_status Stop(msys_plugin* plugin, std::uint32_t deadline_ms,
                 msys_error* error) {
  if (plugin == nullptr) return Fail(error, MSYS_E_ARG, "stop: plugin is NULL");
  if (process::IsFork()) return FailInFork(error);
  if (!plugin->engine.on_main_thread()) {
    return Fail(error, MSYS_E_THREAD,
                "stop: call it on the thread that called open()");
  }
  return Guard(error, [&] {
    std::string text;
    const msys_status status = plugin->engine.Stop(deadline_ms, text);
    if (status != MSYS_OK) Say(error, ("stop: " + text).c_str());
    return status;
  });
}

msys_status Close(msys_plugin* plugin) {
  if (plugin == nullptr) return MSYS_OK;
  if (process::IsFork()) return MSYS_E_FORK;
  if (!plugin->engine.on_main_thread()) return MSYS_E_THREAD;
  if (!plugin->engine.stopping() || !plugin->engine.Closable()) {
    return MSYS_E_BUSY;
  }
  delete plugin;
  return MSYS_OK;
}

bool IsCoroutine(lua_State* L) {
  if (lua_checkstack(L, 1) == 0) return false;  // State::Open will say it
  const bool is_main = lua_pushthread(L) == 1;
  lua_pop(L, 1);
  return !is_main;
}

msys_status Attach(msys_plugin* plugin, lua_State* L, std::uint32_t loop,
                   const char* name, msys_state** out, msys_error* error) {
  if (out == nullptr) return Fail(error, MSYS_E_ARG, "attach: out is NULL");
  *out = nullptr;
  if (plugin == nullptr || L == nullptr) {
    return Fail(error, MSYS_E_ARG, "attach: plugin or L is NULL");
  }
  if (process::IsFork()) return FailInFork(error);
  Engine& engine = plugin->engine;
  if (loop >= engine.host().loop_count()) {
    return Fail(error, MSYS_E_ARG, "attach: there is no loop of that number");
  }
  if (!engine.host().OnLoop(loop)) {
    return Fail(error, MSYS_E_THREAD, "attach: call it on the loop's thread");
  }
  if (IsCoroutine(L)) {
    return Fail(error, MSYS_E_ARG,
                "attach: L is a coroutine, which Lua may collect: pass the main "
                "thread of its state, of LUA_RIDX_MAINTHREAD");
  }
  constexpr char kStopped[] = "attach: stop() has begun";
  if (!engine.BeginAttach()) return Fail(error, MSYS_E_CLOSED, kStopped);
  const msys_status status = Guard(error, [&] {
    std::string text;
    std::string shown = name != nullptr ? name : "unnamed";
    HideControls(shown.data());
    auto state = State::Open(engine, L, engine.loop(loop), std::move(shown), text);
    if (state == nullptr) {
      return Fail(error,
                  text.find("not enough memory") != text.npos ? MSYS_E_NOMEM
                                                              : MSYS_E_LUA,
                  ("attach: " + text).c_str());
    }
    if (!engine.Add(*state)) return Fail(error, MSYS_E_CLOSED, kStopped);
    *out = reinterpret_cast<msys_state*>(state.release());
    return msys_status{MSYS_OK};
  });
  // Only now, with whatever was made of a state that is not attached gone.
  engine.EndTransit();
  return status;
}

msys_status Detach(msys_state* state, void (*done)(void*), void* ctx) {
  if (state == nullptr || done == nullptr) return MSYS_E_ARG;
  if (process::IsFork()) return MSYS_E_FORK;
  if (!Of(state).on_home_loop()) return MSYS_E_THREAD;
  return Of(state).Detach(done, ctx);
}

msys_status SessionOpen(msys_state* state, msys_session** out) {
  if (out != nullptr) *out = nullptr;
  if (state == nullptr || out == nullptr) return MSYS_E_ARG;
  if (process::IsFork()) return MSYS_E_FORK;
  if (!Of(state).on_home_loop()) return MSYS_E_THREAD;
  Session* session = nullptr;
  const msys_status status = Of(state).OpenSession(&session);
  *out = reinterpret_cast<msys_session*>(session);
  return status;
}

void SessionClose(msys_session* session) {
  if (session == nullptr || process::IsFork()) return;
  State& state = Of(session).state;
  if (!state.on_home_loop()) {
    state.engine.host().Log(MSYS_LOG_ERROR, "session",
                            "session_close of state %s was not called on its "
                            "loop: the session stays open until detach",
                            state.name.c_str());
    return;
  }
  state.CloseSession(Of(session));
}

void SessionPushSelf(msys_session* session, lua_State* L) {
  if (process::IsFork()) return;
  if (session == nullptr) {
    luaL_error(L, "session_push_self: there is no session; open one for the callout");
  }
  PushSelf(Of(session), L);
}

msys_status Run(msys_state* state, msys_callout* callout) {
  if (callout == nullptr) return MSYS_E_ARG;
  if (!MSYS_HAS(callout, plugin_data)) return MSYS_E_ABI;
  callout->plugin_data = nullptr;
  if (state == nullptr || callout->prepare == nullptr || callout->finish == nullptr ||
      callout->flags != 0) {
    return MSYS_E_ARG;
  }
  if (process::IsFork()) return MSYS_E_FORK;
  State& s = Of(state);
  if (!s.on_home_loop()) return MSYS_E_THREAD;
  if (callout->session != nullptr && &Of(callout->session).state != &s) {
    return MSYS_E_ARG;
  }
  return s.Run(*callout);
}

msys_status Cancel(msys_callout* callout) {
  if (callout == nullptr) return MSYS_E_ARG;
  if (process::IsFork()) return MSYS_E_FORK;
  if (callout->plugin_data == nullptr) return MSYS_E_NOT_FOUND;
  State& state = static_cast<Callout*>(callout->plugin_data)->state;
  if (!state.on_home_loop()) return MSYS_E_THREAD;
  return state.Cancel(*callout);
}

struct Region {
  State* state;
  Slice* slice;
};
static_assert(sizeof(Region) <= sizeof(msys_blocking));

void BlockingBegin(lua_State* L, msys_blocking* region) {
  auto* r = new (region) Region{nullptr, nullptr};
  // No worker has the turn by a loop; L may be in another thread's hands.
  if (process::IsFork() || Worker::current() == nullptr) return;
  State* state = State::Of(L);
  if (state == nullptr || !state->MayLeaveTurn(L)) return;  // the turn is kept
  r->state = state;
  r->slice = state->current;
  state->LeaveTurn(*r->slice);
}

void BlockingEnd(msys_blocking* region) {
  const auto* r = reinterpret_cast<Region*>(region);
  if (r->state == nullptr || process::IsFork()) return;
  r->state->ReenterTurn(*r->slice);
}

msys_status CurrentWorker(msys_worker* out) {
  if (out == nullptr) return MSYS_E_ARG;
  if (!MSYS_HAS(out, pool)) return MSYS_E_ABI;
  out->worker = 0;
  out->pool = nullptr;
  if (process::IsFork()) return MSYS_E_FORK;
  const Worker* worker = Worker::current();
  if (worker == nullptr) return MSYS_E_NOT_FOUND;
  out->worker = worker->number;
  out->pool = worker->pool->name().c_str();
  return MSYS_OK;
}

std::uint32_t PoolCount(msys_plugin* plugin) {
  return plugin == nullptr
             ? 0
             : static_cast<std::uint32_t>(plugin->engine.pools().size());
}

msys_status PoolStats(msys_plugin* plugin, std::uint32_t index,
                      msys_pool_stats* out) {
  if (out == nullptr) return MSYS_E_ARG;
  if (out->struct_size < offsetof(msys_pool_stats, run)) return MSYS_E_ABI;
  msys_pool_stats stats{};
  const std::uint32_t size = std::min<std::uint32_t>(out->struct_size, sizeof stats);
  stats.struct_size = size;
  std::memcpy(out, &stats, size);
  if (plugin == nullptr) return MSYS_E_ARG;
  if (process::IsFork()) return MSYS_E_FORK;
  if (index >= plugin->engine.pools().size()) return MSYS_E_NOT_FOUND;
  return Guard(nullptr, [&] {
    plugin->engine.pools().at(index).Snapshot(stats);
    std::memcpy(out, &stats, size);
    out->struct_size = size;
    return msys_status{MSYS_OK};
  });
}

std::uint64_t HistogramBound(std::uint32_t bucket) {
  return HistogramBoundNs(bucket);
}

std::uint64_t HistogramQuantile(const msys_histogram* histogram,
                                double fraction) {
  return histogram == nullptr ? 0 : HistogramQuantileNs(*histogram, fraction);
}

msys_status Console(msys_plugin* plugin, const char* command,
                    void (*write)(void*, const char*, std::size_t), void* ctx) {
  if (plugin == nullptr || command == nullptr || write == nullptr) {
    return MSYS_E_ARG;
  }
  if (process::IsFork()) return MSYS_E_FORK;
  return Guard(nullptr, [&] {
    std::string answer;
    const msys_status status = RunConsole(plugin->engine, command, answer);
    write(ctx, answer.data(), answer.size());
    return status;
  });
}

std::uint64_t PendingJobs(msys_plugin* plugin) {
  return plugin == nullptr || process::IsFork() ? 0 : plugin->engine.Jobs();
}

constexpr msys_api kApi = {
    sizeof(msys_api), MSYS_ABI_MAJOR,  MSYS_ABI_MINOR, MSYS_PLUGIN_VERSION,
    Open,             Configure,       Stop,           Close,
    Attach,           Detach,          SessionOpen,    SessionClose,
    SessionPushSelf,  Run,             Cancel,         BlockingBegin,
    BlockingEnd,      CurrentWorker,   PoolCount,      PoolStats,
    HistogramBound,   HistogramQuantile, Console,    PendingJobs,
};

}  // namespace
}  // namespace msys

extern "C" const msys_api* msys_plugin_entry(uint32_t abi_major) {
  return abi_major == MSYS_ABI_MAJOR ? &msys::kApi : nullptr;
}
