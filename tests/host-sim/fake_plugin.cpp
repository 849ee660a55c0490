// A stand-in for the plugin: no threads, but every callback of the ABI.  So
// the host can be tested apart from the real one.
//
//   msys.runInPool("now", f)    calls f in place
//   msys.runInPool("later", f)  suspends; a task posted to the loop calls f
//   msys.runInPool("never", f)  suspends until the callout is cancelled
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <lua.hpp>
#include <set>
#include <string>

#include "msys/plugin.h"

struct msys_session {
  int self;  // registry reference of the table module -> self
  msys_state* state;
};

struct msys_state {
  msys_plugin* plugin;
  lua_State* L;
  std::uint32_t loop;
  std::set<struct FakeRun*> runs;
  bool closing = false;
  void (*done)(void*) = nullptr;
  void* done_ctx = nullptr;
};

struct msys_plugin {
  msys_host host;
  std::atomic<int> states{0};
  std::atomic<int> sessions{0};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<int> lingering{0};  // how often a job is still pending
};

struct FakeRun {
  msys_task task;  // first
  msys_callout* callout;
  msys_state* state;
  lua_State* co;
  int ref;
};

namespace {

FakeRun* RunOf(lua_State* L) {
  FakeRun* run = nullptr;
  std::memcpy(&run, lua_getextraspace(L), sizeof run);
  return run;
}

void End(FakeRun* run, msys_status status, int count) {
  msys_callout* callout = run->callout;
  msys_state* state = run->state;
  lua_State* co = run->co;
  const int ref = run->ref;
  callout->plugin_data = nullptr;
  state->runs.erase(run);
  delete run;
  callout->finish(callout->ctx, co, status, count);
  luaL_unref(state->L, LUA_REGISTRYINDEX, ref);
  if (state->closing && state->runs.empty() && state->done) {
    const auto done = state->done;
    void* ctx = state->done_ctx;
    --state->plugin->states;
    delete state;
    done(ctx);
  }
}

void Failed(FakeRun* run) {  // the error value is on top of co
  lua_checkstack(run->co, LUA_MINSTACK);  // after an error there may be none
  luaL_tolstring(run->co, -1, nullptr);
  lua_pushliteral(run->co, "\n");
  luaL_traceback(run->co, run->co, nullptr, 0);
  lua_concat(run->co, 3);
  lua_remove(run->co, -2);
  End(run, MSYS_E_LUA, 2);
}

void Resume(FakeRun* run, int args) {
  int count = 0;
  const int status = lua_resume(run->co, nullptr, args, &count);
  if (status == LUA_OK) return End(run, MSYS_OK, count);
  if (status != LUA_YIELD) return Failed(run);
  // "later" left its pool's name and the closure.
  const bool later = std::strcmp(lua_tostring(run->co, -2), "later") == 0;
  if (!later) return;
  const msys_host& host = run->state->plugin->host;
  run->task.run = [](msys_task* task) {
    auto* self = reinterpret_cast<FakeRun*>(task);
    // A coroutine that is suspended can run nothing else.
    lua_State* L = self->state->L;
    lua_xmove(self->co, L, 1);
    lua_pop(self->co, 1);
    lua_pushboolean(self->co, lua_pcall(L, 0, 1, 0) == LUA_OK);
    lua_xmove(L, self->co, 1);
    Resume(self, 2);
  };
  host.post(host.ctx, run->state->loop, &run->task);
}

int l_run_in_pool(lua_State* L) {
  const char* pool = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  FakeRun* run = RunOf(L);
  if (run) {
    ++run->state->plugin->calls;
    run->state->plugin->lingering = 3;
  }
  lua_settop(L, 2);
  if (std::strcmp(pool, "now") == 0) {
    lua_pushboolean(L, lua_pcall(L, 0, 1, 0) == LUA_OK);
    lua_insert(L, -2);
    return 2;
  }
  return lua_yield(L, 2);
}

int l_prepare(lua_State* L) {
  auto* callout = static_cast<msys_callout*>(lua_touserdata(L, 1));
  lua_settop(L, 0);
  const int args = callout->prepare(callout->ctx, L);
  lua_pushinteger(L, args);
  return lua_gettop(L);
}

msys_status Open(const msys_host* host, const msys_config* config,
                 msys_plugin** out, msys_error* error) {
  *out = nullptr;
  for (std::uint32_t i = 0; config && i < config->pool_count; ++i) {
    if (std::strcmp(config->pools[i].name, "refuse") != 0) continue;
    std::strcpy(error->text, "pool \"refuse\" is refused");
    return MSYS_E_ARG;
  }
  *out = new msys_plugin{*host, {0}, {0}, {0}, {0}};
  return MSYS_OK;
}

msys_status Configure(msys_plugin*, const msys_config*, msys_error*) {
  return MSYS_OK;
}

msys_status Stop(msys_plugin* plugin, std::uint32_t, msys_error* error) {
  if (plugin->states == 0) return MSYS_OK;
  std::strcpy(error->text, "states are attached");
  return MSYS_E_BUSY;
}

msys_status Close(msys_plugin* plugin) {
  if (plugin && plugin->sessions != 0) std::abort();  // a session leaked
  delete plugin;
  return MSYS_OK;
}

msys_status Attach(msys_plugin* plugin, lua_State* L, std::uint32_t loop,
                   const char*, msys_state** out, msys_error*) {
  auto* state = new msys_state{plugin, L, loop, {}};
  ++plugin->states;
  FakeRun* none = nullptr;
  std::memcpy(lua_getextraspace(L), &none, sizeof none);
  lua_getglobal(L, "msys");
  lua_pushcfunction(L, l_run_in_pool);
  lua_setfield(L, -2, "runInPool");
  lua_getfield(L, -1, "core");
  lua_pushinteger(L, 7);
  lua_setfield(L, -2, "VALIDATE_CONT");
  lua_pushinteger(L, 8);
  lua_setfield(L, -2, "VALIDATE_DONE");
  lua_pushinteger(L, 9);
  lua_setfield(L, -2, "VALIDATE_AGAIN");
  lua_pop(L, 2);
  *out = state;
  return MSYS_OK;
}

msys_status Cancel(msys_callout* callout) {
  auto* run = static_cast<FakeRun*>(callout->plugin_data);
  if (!run) return MSYS_E_NOT_FOUND;
  lua_resetthread(run->co);
  lua_settop(run->co, 0);
  End(run, MSYS_E_CANCELLED, 0);
  return MSYS_OK;
}

msys_status Detach(msys_state* state, void (*done)(void*), void* ctx) {
  state->closing = true;
  if (state->runs.empty()) {
    --state->plugin->states;
    delete state;
    done(ctx);
    return MSYS_OK;
  }
  state->done = done;
  state->done_ctx = ctx;
  std::set<FakeRun*> runs = state->runs;
  for (FakeRun* run : runs) Cancel(run->callout);
  return MSYS_OK;
}

msys_status SessionOpen(msys_state* state, msys_session** out) {
  lua_newtable(state->L);
  *out = new msys_session{luaL_ref(state->L, LUA_REGISTRYINDEX), state};
  ++state->plugin->sessions;
  return MSYS_OK;
}

void SessionClose(msys_session* session) {
  if (!session) return;
  --session->state->plugin->sessions;
  luaL_unref(session->state->L, LUA_REGISTRYINDEX, session->self);
  delete session;
}

void SessionPushSelf(msys_session* session, lua_State* L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, session->self);  // module map
  lua_pushvalue(L, -2);
  lua_rawget(L, -2);  // module map self?
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);  // module map self
    lua_newtable(L);
    lua_pushvalue(L, -4);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_insert(L, -3);
  lua_pop(L, 2);
}

msys_status Run(msys_state* state, msys_callout* callout) {
  if (state->closing) return MSYS_E_CLOSED;
  lua_State* co = lua_newthread(state->L);
  const int ref = luaL_ref(state->L, LUA_REGISTRYINDEX);
  auto* run = new FakeRun{{}, callout, state, co, ref};
  std::memcpy(lua_getextraspace(co), &run, sizeof run);
  callout->plugin_data = run;
  state->runs.insert(run);
  lua_pushcfunction(co, l_prepare);
  lua_pushlightuserdata(co, callout);
  if (lua_pcall(co, 1, LUA_MULTRET, 0) != LUA_OK) {
    Failed(run);
    return MSYS_OK;
  }
  const auto args = static_cast<int>(lua_tointeger(co, -1));
  lua_pop(co, 1);
  if (args < 0)
    End(run, MSYS_E_NOT_FOUND, 0);
  else
    Resume(run, args);
  return MSYS_OK;
}

void BlockingBegin(lua_State*, msys_blocking*) {}
void BlockingEnd(msys_blocking*) {}
msys_status CurrentWorker(msys_worker*) { return MSYS_E_NOT_FOUND; }
std::uint32_t PoolCount(msys_plugin*) { return 1; }

msys_status PoolStats(msys_plugin* plugin, std::uint32_t,
                      msys_pool_stats* out) {
  std::strcpy(out->name, "IO");
  out->id = 1;
  out->concurrency = 50;
  out->submitted = out->invocations = out->done = plugin->calls;
  out->running = plugin->lingering > 0 ? 1 : 0;
  out->avg_concurrency = 1.05;
  out->saturation = 0.021;
  out->avg_wallclock_s = 0.000345;
  return MSYS_OK;
}

std::uint64_t Bound(std::uint32_t bucket) { return bucket; }
std::uint64_t Quantile(const msys_histogram*, double) { return 5000; }
msys_status Console(msys_plugin*, const char*,
                    void (*write)(void*, const char*, std::size_t), void* ctx) {
  write(ctx, "ok\n", 3);
  return MSYS_OK;
}

std::uint64_t PendingJobs(msys_plugin* plugin) {
  if (plugin->lingering == 0) return 0;
  --plugin->lingering;
  return 1;
}

const msys_api kApi = {sizeof(msys_api),
                       MSYS_ABI_MAJOR,
                       MSYS_ABI_MINOR,
                       "fake",
                       Open,
                       Configure,
                       Stop,
                       Close,
                       Attach,
                       Detach,
                       SessionOpen,
                       SessionClose,
                       SessionPushSelf,
                       Run,
                       Cancel,
                       BlockingBegin,
                       BlockingEnd,
                       CurrentWorker,
                       PoolCount,
                       PoolStats,
                       Bound,
                       Quantile,
                       Console,
                       PendingJobs};

}  // namespace

const msys_api* msys_plugin_entry(std::uint32_t abi_major) {
#ifdef FAKE_WRONG_ABI
  constexpr std::uint32_t kMajor = MSYS_ABI_MAJOR + 1;
#else
  constexpr std::uint32_t kMajor = MSYS_ABI_MAJOR;
#endif
  return abi_major == kMajor ? &kApi : nullptr;
}
