#include "script_runner.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

// Lua errors may be longjmps: what has a destructor lives in functions that make
// no Lua call.
namespace msys::test {
namespace {

Runner& Of(lua_State* L) {
  return *static_cast<Runner*>(lua_touserdata(L, lua_upvalueindex(1)));
}

Handle& CheckHandle(lua_State* L) {
  auto* handle = static_cast<Handle*>(lua_touserdata(L, 1));
  luaL_argexpected(L, handle != nullptr, 1, "handle");
  return *handle;
}

// ---- callouts ------------------------------------------------------------------

int PrepareFunction(void* ctx, lua_State* L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, ctx);
  return 0;
}

// registry[handle] = {n = count + 1, status, values...}
void FinishFunction(void* ctx, lua_State* L, msys_status status, int count) {
  auto& handle = *static_cast<Handle*>(ctx);
  Check(FakeHost::CurrentLoop() == 0, "finish() is not on its home loop");
  luaL_checkstack(L, 4, nullptr);
  lua_createtable(L, count + 1, 1);
  lua_insert(L, -(count + 1));
  for (int i = count; i > 0; --i) lua_rawseti(L, -(i + 1), i + 1);
  lua_pushinteger(L, status);
  lua_rawseti(L, -2, 1);
  lua_pushinteger(L, count + 1);
  lua_setfield(L, -2, "n");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle);
  handle.finished = true;
  handle.over.Open();
}

// host.start(function [, session]) -> handle
int l_start(lua_State* L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Handle& handle = Of(L).NewHandle();
  handle.state = Of(L).home;
  handle.callout.struct_size = sizeof handle.callout;
  handle.callout.ctx = &handle;
  handle.callout.name = "case";
  handle.callout.session = static_cast<msys_session*>(lua_touserdata(L, 2));
  handle.callout.prepare = &PrepareFunction;
  handle.callout.finish = &FinishFunction;
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle);
  const msys_status status =
      Of(L).plugin.api.run(handle.state->handle, &handle.callout);
  if (status != MSYS_OK) return luaL_error(L, "run() gave %d", status);
  lua_pushlightuserdata(L, &handle);
  return 1;
}

void StartElsewhere(Runner& runner, Handle& handle, const char* source) {
  handle.source = source;
  handle.thread = std::jthread([&handle, &runner] {
    handle.text = runner.other->Run(handle.source).text();
    handle.finished = true;
    handle.over.Open();
  });
}

// host.elsewhere(source) -> handle; its results are one string
int l_elsewhere(lua_State* L) {
  Handle& handle = Of(L).NewHandle();
  StartElsewhere(Of(L), handle, luaL_checkstring(L, 1));
  lua_pushlightuserdata(L, &handle);
  return 1;
}

// host.await(handle): in a pool
int l_await(lua_State* L) {
  Handle& handle = CheckHandle(L);
  Runner& runner = Of(L);  // no Lua call is allowed in the region
  msys_blocking region;
  runner.plugin.api.blocking_begin(L, &region);
  handle.over.Pass();
  runner.plugin.api.blocking_end(&region);
  return 0;
}

// host.results(handle) -> table or string
int l_results(lua_State* L) {
  Handle& handle = CheckHandle(L);
  if (!handle.finished) {
    lua_pushnil(L);
  } else if (handle.state == nullptr) {
    lua_pushlstring(L, handle.text.data(), handle.text.size());
  } else {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &handle);
  }
  return 1;
}

int l_cancel(lua_State* L) {
  lua_pushinteger(L, Of(L).plugin.api.cancel(&CheckHandle(L).callout));
  return 1;
}

int l_session(lua_State* L) {
  msys_session* session = nullptr;
  if (Of(L).plugin.api.session_open(Of(L).home->handle, &session) != MSYS_OK) {
    return luaL_error(L, "session_open failed");
  }
  lua_pushlightuserdata(L, session);
  return 1;
}

int l_close_session(lua_State* L) {
  Of(L).plugin.api.session_close(static_cast<msys_session*>(lua_touserdata(L, 1)));
  return 0;
}

// host.self(session, module) -> self
int l_self(lua_State* L) {
  lua_settop(L, 2);
  Of(L).plugin.api.session_push_self(
      static_cast<msys_session*>(lua_touserdata(L, 1)), L);
  return 1;
}

// ---- threads -------------------------------------------------------------------

// host.block(name): as a C function that blocks should
int l_block(lua_State* L) {
  Gate& gate = Of(L).gate(luaL_checkstring(L, 1));
  Runner& runner = Of(L);  // no Lua call is allowed in the region
  msys_blocking region;
  runner.plugin.api.blocking_begin(L, &region);
  gate.Pass();
  runner.plugin.api.blocking_end(&region);
  return 0;
}

// host.hold(name): keeps the state's turn
int l_hold(lua_State* L) {
  Of(L).gate(luaL_checkstring(L, 1)).Pass();
  return 0;
}

int l_release(lua_State* L) {
  Of(L).gate(luaL_checkstring(L, 1)).Open();
  return 0;
}

// host.await_blocked(name [, count]): in a pool
int l_await_blocked(lua_State* L) {
  Gate& gate = Of(L).gate(luaL_checkstring(L, 1));
  const int count = static_cast<int>(luaL_optinteger(L, 2, 1));
  Runner& runner = Of(L);  // no Lua call is allowed in the region
  msys_blocking region;
  runner.plugin.api.blocking_begin(L, &region);
  gate.AwaitArrivals(count);
  runner.plugin.api.blocking_end(&region);
  return 0;
}

// host.thread() -> id, name
int l_thread(lua_State* L) {
  char name[32] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  lua_pushinteger(L, syscall(SYS_gettid));
  lua_pushstring(L, name);
  return 2;
}

// host.loop() -> number of the loop whose thread this is, or nil
int l_loop(lua_State* L) {
  const int loop = FakeHost::CurrentLoop();
  if (loop < 0) {
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, loop);
  }
  return 1;
}

// host.worker() -> pool, number; nothing on another thread
int l_worker(lua_State* L) {
  msys_worker worker{};
  worker.struct_size = sizeof worker;
  if (Of(L).plugin.api.current_worker(&worker) != MSYS_OK) return 0;
  lua_pushstring(L, worker.pool);
  lua_pushinteger(L, worker.worker);
  return 2;
}

// ---- the host's log and figures --------------------------------------------------

void PushLine(lua_State* L, const Runner& runner, std::size_t index,
              bool* there) {
  const auto log = runner.host.log();
  *there = index < log.size();
  if (!*there) return;
  // Tests of memory failures do not use the log, so this does not raise.
  lua_pushstring(L, (std::to_string(log[index].level) + " " +
                     log[index].component + ": " + log[index].text)
                        .c_str());
}

// host.log() -> lines
int l_log(lua_State* L) {
  lua_newtable(L);
  for (std::size_t i = 0;; ++i) {
    bool there = false;
    PushLine(L, Of(L), i, &there);
    if (!there) return 1;
    lua_rawseti(L, -2, static_cast<lua_Integer>(i) + 1);
  }
}

// host.await_log(text): in a pool
int l_await_log(lua_State* L) {
  const char* text = luaL_checkstring(L, 1);
  Runner& runner = Of(L);  // no Lua call is allowed in the region
  msys_blocking region;
  runner.plugin.api.blocking_begin(L, &region);
  runner.host.AwaitLog({text});
  runner.plugin.api.blocking_end(&region);
  return 0;
}

msys_pool_stats Stats(const Runner& runner, const char* pool) {
  return runner.plugin.Stats(pool);
}

// host.stats(pool) -> table
int l_stats(lua_State* L) {
  const msys_pool_stats s = Stats(Of(L), luaL_checkstring(L, 1));
  lua_newtable(L);
  const auto set = [L](const char* name, std::uint64_t n) {
    lua_pushinteger(L, static_cast<lua_Integer>(n));
    lua_setfield(L, -2, name);
  };
  set("submitted", s.submitted);
  set("invocations", s.invocations);
  set("done", s.done);
  set("failed", s.failed);
  set("cancelled", s.cancelled);
  set("refused", s.refused);
  set("parked", s.parked);
  set("queued", s.queued);
  set("running", s.running);
  set("suspended", s.suspended);
  set("threads", s.threads);
  set("concurrency", s.concurrency);
  return 1;
}

// ---- Lua without the plugin, and C between Lua functions ---------------------------

// host.stock(source) -> what the chunk returns, or its error, as a string
int l_stock(lua_State* L) {
  lua_State* stock = luaL_newstate();
  luaL_openlibs(stock);
  if (luaL_loadstring(stock, luaL_checkstring(L, 1)) == LUA_OK) {
    lua_pcall(stock, 0, 1, 0);
  }
  std::size_t length = 0;
  const char* text = luaL_tolstring(stock, -1, &length);
  lua_pushlstring(L, text, length);
  lua_close(stock);
  return 1;
}

// host.resume(coroutine) -> status, values...: by C code that knows no msys
int l_resume(lua_State* L) {
  lua_State* co = lua_tothread(L, 1);
  luaL_argexpected(L, co != nullptr, 1, "coroutine");
  int results = 0;
  const int status = lua_resume(co, L, 0, &results);
  lua_pushinteger(L, status);
  lua_xmove(co, L, status > LUA_YIELD ? 1 : results);
  return lua_gettop(L) - 1;
}

// host.yield(...): yields by itself
int l_yield(lua_State* L) { return lua_yield(L, lua_gettop(L)); }

// host.call(f, ...): a C boundary that Lua cannot yield across
int l_call(lua_State* L) {
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

int AfterCallK(lua_State* L, int, lua_KContext) { return lua_gettop(L); }

// host.callk(f, ...): one that it can
int l_callk(lua_State* L) {
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, &AfterCallK);
  return lua_gettop(L);
}

constexpr luaL_Reg kFunctions[] = {
    {"start", l_start},       {"elsewhere", l_elsewhere},
    {"await", l_await},       {"results", l_results},
    {"cancel", l_cancel},     {"session", l_session},
    {"close_session", l_close_session}, {"self", l_self},
    {"block", l_block},       {"hold", l_hold},
    {"release", l_release},   {"await_blocked", l_await_blocked},
    {"thread", l_thread},     {"loop", l_loop},
    {"worker", l_worker},     {"log", l_log},
    {"await_log", l_await_log}, {"stats", l_stats},
    {"stock", l_stock},       {"resume", l_resume},
    {"yield", l_yield},       {"call", l_call},
    {"callk", l_callk},       {nullptr, nullptr},
};

}  // namespace

void Runner::SetFunctions(lua_State* L) {
  lua_pushlightuserdata(L, this);
  luaL_setfuncs(L, kFunctions, 1);
}

Gate& Runner::gate(const char* name) {
  const std::lock_guard lock(mu_);
  return gates_[name];
}

Handle& Runner::NewHandle() {
  const std::lock_guard lock(mu_);
  handles_.push_back(std::make_unique<Handle>());
  return *handles_.back();
}

}  // namespace msys::test
