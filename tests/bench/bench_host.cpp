#include "bench_host.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace bench {
namespace {

[[noreturn]] void Die(const char* what, const char* why) {
  std::fprintf(stderr, "bench: %s: %s\n", what, why);
  std::exit(2);
}

void Post(void* ctx, std::uint32_t, msys_task* task) {
  static_cast<Loop*>(ctx)->Post(task);
}

int OnLoop(void* ctx, std::uint32_t) {
  return static_cast<Loop*>(ctx)->on_this_thread() ? 1 : 0;
}

void Log(void*, std::int32_t level, const char* component, const char* text) {
  if (level <= MSYS_LOG_WARNING) {
    std::fprintf(stderr, "bench: %s: %s\n", component, text);
  }
}

const msys_api* LoadPlugin() {
  void* library = dlopen(PluginPath(), RTLD_NOW);
  if (library == nullptr) Die("dlopen", dlerror());
  void* symbol = dlsym(library, MSYS_PLUGIN_ENTRY);
  if (symbol == nullptr) Die("dlsym", dlerror());
  const auto entry = reinterpret_cast<msys_plugin_entry_fn>(symbol);
  const msys_api* api = entry(MSYS_ABI_MAJOR);
  if (api == nullptr) Die(PluginPath(), "speaks another ABI");
  return api;
}

}  // namespace

const char* PluginPath() {
  const char* path = std::getenv("MSYS_BENCH_PLUGIN");
  return path != nullptr ? path : MSYS_BENCH_PLUGIN;
}

std::chrono::microseconds IdlePollTime() {
  const char* us = std::getenv("MSYS_BENCH_IDLE_POLL");
  return std::chrono::microseconds(us != nullptr ? std::atoi(us) : 0);
}

struct Host::Callout {
  msys_callout callout;
  Host* host;
  const char* function;
  std::int64_t argument;
  Callout* next;
};

Host::Host(const Options& options) : api_(LoadPlugin()) {
  msys_host host{};
  host.struct_size = sizeof host;
  host.abi_major = MSYS_ABI_MAJOR;
  host.ctx = &loop_;
  host.loop_count = 1;
  host.post = &Post;
  host.on_loop = &OnLoop;
  host.log = &Log;

  msys_pool_config pools[2]{};
  const char* names[2] = {"CPU", "IO"};
  const std::uint32_t concurrency[2] = {options.cpu, options.io};
  for (int i = 0; i < 2; ++i) {
    pools[i].struct_size = sizeof pools[i];
    pools[i].name = names[i];
    pools[i].concurrency = concurrency[i];
    pools[i].backlog = MSYS_UNSET;
    pools[i].stack_size_kib = MSYS_UNSET;
  }
  msys_config config{};
  config.struct_size = sizeof config;
  config.pool_count = 2;
  config.pools = pools;

  msys_error error{};
  error.struct_size = sizeof error;
  if (api_->open(&host, &config, &plugin_, &error) != MSYS_OK) {
    Die("open", error.text);
  }
  states_.resize(static_cast<std::size_t>(options.states));
  for (LuaState& state : states_) {
    state.L = luaL_newstate();
    if (state.L == nullptr) Die("luaL_newstate", "not enough memory");
    luaL_openlibs(state.L);
    lua_pushlightuserdata(state.L, this);
    lua_pushcclosure(state.L, &Finished, 1);
    lua_setglobal(state.L, "finished");
    if (api_->attach(plugin_, state.L, 0, "bench", &state.handle, &error) !=
        MSYS_OK) {
      Die("attach", error.text);
    }
  }
}

Host::~Host() {
  for (LuaState& state : states_) {
    api_->detach(
        state.handle, [](void* ctx) { *static_cast<bool*>(ctx) = true; },
        &state.detached);
  }
  for (LuaState& state : states_) {
    while (!state.detached) loop_.RunOnce();
    lua_close(state.L);
  }
  msys_error error{};
  error.struct_size = sizeof error;
  while (api_->stop(plugin_, 1000, &error) == MSYS_E_BUSY) {
  }
  api_->close(plugin_);
  while (free_ != nullptr) {
    Callout* next = free_->next;
    delete free_;
    free_ = next;
  }
}

void Host::Load(const char* chunk) {
  for (LuaState& state : states_) {
    // The name of a file, as policies have.
    if (luaL_loadbuffer(state.L, chunk, std::strlen(chunk), "@policy.lua") !=
            LUA_OK ||
        lua_pcall(state.L, 0, 0, 0) != LUA_OK) {
      Die("Load", lua_tostring(state.L, -1));
    }
  }
}

int Host::Prepare(void* ctx, lua_State* L) {
  const auto* call = static_cast<Callout*>(ctx);
  if (lua_getglobal(L, call->function) != LUA_TFUNCTION) return -1;
  lua_pushinteger(L, call->argument);
  return 1;
}

void Host::Finish(void* ctx, lua_State* L, msys_status status, int count) {
  auto* call = static_cast<Callout*>(ctx);
  Host& host = *call->host;
  if (status != MSYS_OK) {
    Die(call->function, status == MSYS_E_LUA ? lua_tostring(L, -1) : "not run");
  }
  if (count > 0) host.result_ = lua_tonumber(L, -count);
  --host.running_;
  call->next = host.free_;
  host.free_ = call;
}

void Host::Call(std::size_t state, const char* function,
                std::int64_t argument) {
  Callout* call = free_;
  if (call != nullptr) {
    free_ = call->next;
  } else {
    call = new Callout;
  }
  *call = Callout{};
  call->callout.struct_size = sizeof call->callout;
  call->callout.ctx = call;
  call->callout.name = function;
  call->callout.prepare = &Prepare;
  call->callout.finish = &Finish;
  call->host = this;
  call->function = function;
  call->argument = argument;
  ++running_;
  if (api_->run(states_[state].handle, &call->callout) != MSYS_OK) {
    Die("run", function);
  }
}

void Host::Drain() {
  while (running_ > 0) loop_.RunOnce();
}

int Host::Finished(lua_State* L) {
  auto* host = static_cast<Host*>(lua_touserdata(L, lua_upvalueindex(1)));
  if (host->expected_.fetch_sub(1, std::memory_order_relaxed) == 1) {
    host->loop_.Post(&host->all_come_.task);
  }
  return 0;
}

void Host::Expect(std::int64_t count) {
  all_come_.task.run = [](msys_task* task) {
    reinterpret_cast<ExpectedTask*>(task)->come = true;
  };
  all_come_.come = false;
  expected_.store(count, std::memory_order_relaxed);
}

void Host::DrainExpected() {
  Drain();
  while (!all_come_.come) loop_.RunOnce();
}

double Host::CallNow(std::size_t state, const char* function,
                     std::int64_t argument) {
  Call(state, function, argument);
  Drain();
  return result_;
}

msys_pool_stats Host::Stats(const char* pool) const {
  msys_pool_stats stats{};
  for (std::uint32_t i = 0; i < api_->pool_count(plugin_); ++i) {
    stats.struct_size = sizeof stats;
    if (api_->pool_stats(plugin_, i, &stats) == MSYS_OK &&
        std::strcmp(stats.name, pool) == 0) {
      return stats;
    }
  }
  Die("pool_stats", pool);
}

std::size_t Host::LuaBytes(std::size_t state) const {
  lua_State* L = states_[state].L;
  return static_cast<std::size_t>(lua_gc(L, LUA_GCCOUNT)) * 1024 +
         static_cast<std::size_t>(lua_gc(L, LUA_GCCOUNTB));
}

}  // namespace bench
