// msys.threadpool: the pools, and what they did.
#include <algorithm>
#include <cstring>
#include <string>

#include "../console.h"
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kStat[] = "msys.threadpool.stat";

void SetInteger(lua_State* L, const char* name, std::uint64_t value) {
  lua_pushinteger(L, static_cast<lua_Integer>(value));
  lua_setfield(L, -2, name);
}

void SetNumber(lua_State* L, const char* name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

void SetPool(lua_State* L, const Pool& pool) {
  lua_pushlstring(L, pool.name().data(), pool.name().size());
  lua_setfield(L, -2, "name");
  lua_pushinteger(L, pool.id());
  lua_setfield(L, -2, "id");
}

void SetTimes(lua_State* L, const char* const (&names)[3],
              const msys_histogram& times) {
  constexpr double kSecond = 1e9;
  SetNumber(L, names[0],
            static_cast<double>(HistogramQuantileNs(times, 0.5)) / kSecond);
  SetNumber(L, names[1],
            static_cast<double>(HistogramQuantileNs(times, 0.99)) / kSecond);
  SetNumber(L, names[2], static_cast<double>(times.max_ns) / kSecond);
}

// The pool that argument 1 names; null: there is none.
Pool* PoolArgument(lua_State* L, State& state) {
  const int type = lua_type(L, 1);
  luaL_argexpected(L, type == LUA_TSTRING || type == LUA_TNUMBER, 1,
                   "thread pool name or id");
  return ToPool(L, state, 1);
}

int PushNil(lua_State* L) {
  lua_pushnil(L);
  return 1;
}

std::size_t Format(const msys_pool_stats& stats, char* out,
                   std::size_t size) noexcept {
  try {
    const std::string text = FormatPoolStats(stats);
    const std::size_t length = std::min(text.size(), size);
    std::memcpy(out, text.data(), length);
    return length;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

// Upvalue 1: the figures at the time of the call.
int l_stat_tostring(lua_State* L) {
  const auto& stats =
      *static_cast<const msys_pool_stats*>(lua_touserdata(L, lua_upvalueindex(1)));
  char text[4096];
  const std::size_t length = Format(stats, text, sizeof text);
  if (length == 0) return luaL_error(L, "%s: not enough memory", kStat);
  lua_pushlstring(L, text, length);
  return 1;
}

// msys.threadpool.stat(pool)  ->  table | nil
int l_stat(lua_State* L) {
  State& state = CheckState(L);
  Pool* pool = PoolArgument(L, state);
  if (pool == nullptr) return PushNil(L);
  auto& s = *static_cast<msys_pool_stats*>(
      lua_newuserdatauv(L, sizeof(msys_pool_stats), 0));
  pool->Snapshot(s);

  lua_createtable(L, 0, 40);
  SetPool(L, *pool);
  SetInteger(L, "invocations", s.invocations);
  SetNumber(L, "avg_concurrency", s.avg_concurrency);
  SetNumber(L, "saturation", s.saturation);
  SetNumber(L, "avg_wallclock_time_per_op", s.avg_wallclock_s);
  SetInteger(L, "queue_sz", s.queued);
  SetInteger(L, "num_threads", s.threads);
  SetInteger(L, "num_active_threads", s.threads_active);
  SetInteger(L, "num_inactive_threads", s.threads - s.threads_active);
  SetInteger(L, "job_num_queued", s.queued);
  SetInteger(L, "job_num_running", s.running);
  SetInteger(L, "job_num_suspended", s.suspended);
  SetInteger(L, "job_num_completing", s.completing);
  SetInteger(L, "submitted", s.submitted);
  SetInteger(L, "done", s.done);
  SetInteger(L, "failed", s.failed);
  SetInteger(L, "cancelled", s.cancelled);
  SetInteger(L, "refused", s.refused);
  SetInteger(L, "parked", s.parked);
  SetInteger(L, "concurrency", s.concurrency);
  SetInteger(L, "backlog", s.backlog);
  SetTimes(L, {"wait_p50", "wait_p99", "wait_max"}, s.wait);
  SetTimes(L, {"run_p50", "run_p99", "run_max"}, s.run);

  lua_createtable(L, 0, 2);                   // figures, table, metatable
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, &l_stat_tostring, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, kStat);
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  return 1;
}

// msys.threadpool.find(pool)  ->  { name, id } | nil
int l_find(lua_State* L) {
  State& state = CheckState(L);
  const Pool* pool = PoolArgument(L, state);
  if (pool == nullptr) return PushNil(L);
  lua_createtable(L, 0, 2);
  SetPool(L, *pool);
  return 1;
}

int l_count(lua_State* L) {
  lua_pushinteger(L,
                  static_cast<lua_Integer>(CheckState(L).engine.pools().size()));
  return 1;
}

// msys.threadpool.current()  ->  name, worker | nil
int l_current(lua_State* L) {
  CheckState(L);
  const Worker* worker = Worker::current();
  if (worker == nullptr) return PushNil(L);
  const std::string& name = worker->pool->name();
  lua_pushlstring(L, name.data(), name.size());
  lua_pushinteger(L, worker->number);
  return 2;
}

constexpr luaL_Reg kFunctions[] = {
    {"count", l_count},
    {"find", l_find},
    {"stat", l_stat},
    {"current", l_current},
    {nullptr, nullptr},
};

}  // namespace

void OpenThreadPool(lua_State* L, int threadpool) {
  lua_pushvalue(L, threadpool);
  SetFunctions(L, kFunctions);
  lua_pop(L, 1);
}

}  // namespace msys
