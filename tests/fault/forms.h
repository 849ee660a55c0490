// Every form of a call that policies have, as a callout's source and what must
// come of it when nothing fails.
//
// Each can be run again at once, whatever has failed in it before: nothing waits
// for what may not have begun.
#pragma once

#include <ostream>

#include <msys/plugin.h>

extern "C" {
#include <lua.h>
}

namespace msys::test {

struct Form {
  const char* name;
  const char* source;
  const char* expected;
  int returns = MSYS_COMPLETION_RETURNS_JOB;
};

inline void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

// Pools beside the predefined ones that the forms use.
constexpr std::uint32_t kTinyBacklog = 1;

// What the forms need besides: a C function that yields without asking.
inline void OpenForForms(lua_State* L) {
  lua_register(L, "c_yield", [](lua_State* co) { return lua_yield(co, 0); });
}

inline constexpr Form kForms[] = {
    // ---- synchronous
    {"sync", "return msys.runInPool('CPU', function() return 1, 'two' end)",
     "0 true 1 two"},
    {"sync_error",
     "local ok, e = msys.runInPool('CPU', function() error({}) end) "
     "return ok, type(e)",
     "0 false table"},
    {"sync_many_results",
     "return select('#', msys.runInPool('CPU', function() "
     "  return table.unpack({}, 1, 200) end))",
     "0 201"},
    {"sync_in_pcall",
     "return pcall(msys.runInPool, 'CPU', function() return 1 end)",
     "0 true true 1"},
    {"on_the_home_loop",
     "return msys.runInPool('Close', function() return {} ~= nil end)", "0 true true"},
    {"close_variable",
     "return msys.runInPool('CPU', function() "
     "  local x <close> = setmetatable({}, { __close = function() _TLS.y = {} end }) "
     "  return 1 end)",
     "0 true 1"},
    {"close_variable_error",
     "return msys.runInPool('CPU', function() "
     "  local x <close> = setmetatable({}, { __close = function(_, e) "
     "    error(e .. 'er', 0) end }) error('fail', 0) end)",
     "0 false failer"},
    // ---- asynchronous
    {"async",
     "msys.runInPool('CPU', function() return {} end, true) "
     "return msys.runInPool('CPU', function() end)",
     "0 true"},
    {"async_error",
     "msys.runInPool('CPU', function() error('expected') end, true) "
     "return msys.runInPool('CPU', function() end)",
     "0 true"},
    {"backlog",
     "for i = 1, 3 do msys.runInPool('tiny', function() return {} end, true) end "
     "return msys.runInPool('tiny', function() return 'room' end)",
     "0 true room"},
    {"finaliser",
     "setmetatable({}, { __gc = function() "
     "  msys.runInPool('CPU', function() end, true) end }) collectgarbage() "
     "return msys.runInPool('CPU', function() end)",
     "0 true"},
    // ---- with a completion function
    {"completion",
     "local got; local _, job = msys.runInPool('CPU', "
     "  function() return 1, 2 end, function(...) got = {...} end) "
     "return select('#', job:wait())",
     "0 3"},
    {"completion_many_results",
     "local got; local _, job = msys.runInPool('CPU', "
     "  function() return 1, 2, 3, 4, 5, 6 end, function(...) got = {...} end) "
     "return select('#', job:wait())",
     "0 7"},
    {"completion_of_error",
     "local _, job = msys.runInPool('CPU', function() error {} end, "
     "  function(ok, e) e.x = {} end) "
     "local ok, e = job:wait() return ok, type(e)",
     "0 false table"},
    {"completion_fails",
     "local _, job = msys.runInPool('CPU', function() return 1 end, error) "
     "return job:wait()",
     "0 true 1"},
    {"completion_sched",
     "local _, job = msys.runInPool('IO', function() return {} end, "
     "  function(ok, t) t.x = ok end, msys.core.ECTP_COMPLETE_CALLBACK_SCHED) "
     "local _, t = job:wait() return type(t)",
     "0 table"},
    {"completion_suspends",
     "local _, job = msys.runInPool('CPU', function() return 1 end, function() "
     "  msys.runInPool('IO', function() end) end) "
     "return job:wait()",
     "0 true 1"},
    {"wait_by_two",
     "local _, job = msys.runInPool('CPU', function() "
     "  msys.runInPool('IO', function() end) return 1 end, function() end) "
     "local _, other = msys.runInPool('IO', function() return job:wait() end, "
     "  function() end) "
     "local _, a = job:wait() local _, _, b = other:wait() return a, b",
     "0 1 1"},
    {"cancelled_job",
     "local _, job = msys.runInPool('CPU', function() end, function() end) "
     "return job:cancel(), job:status(), job:wait()",
     "0 true cancelled false cancelled: by job:cancel()"},
    {"completion_sched_of_kept_coroutine",
     "local kept local _, job = msys.runInPool('IO', function() "
     "  kept = coroutine.running() return 1 end, function() end, "
     "  msys.core.ECTP_COMPLETE_CALLBACK_SCHED) "
     "return job:wait()",
     "0 true 1"},
    {"completion_results", "return msys.runInPool('CPU', function() return 1, {} "
     "~= nil end, function() end)",
     "0 true 1 true", MSYS_COMPLETION_RETURNS_RESULTS},
    {"completion_results_sched",
     "return msys.runInPool('CPU', function() error('expected', 0) end, "
     "  function() end, msys.core.ECTP_COMPLETE_CALLBACK_SCHED)",
     "0 false expected", MSYS_COMPLETION_RETURNS_RESULTS},
    // ---- nested
    {"nested",
     "return msys.runInPool('CPU', function() "
     "  return msys.runInPool('IO', function() return 'in' end) end)",
     "0 true true in"},
    {"nested_same_pool",
     "return msys.runInPool('SpoolIn', function() "
     "  return msys.runInPool('SpoolIn', function() return 'in' end) end)",
     "0 true true in"},
    {"nested_async",
     "msys.runInPool('SpoolIn', function() "
     "  msys.runInPool('SpoolIn', function() return {} end, true) end) "
     "return msys.runInPool('SpoolIn', function() return 'behind' end)",
     "0 true behind"},
    {"nested_completion",
     "return msys.runInPool('CPU', function() "
     "  local _, job = msys.runInPool('IO', function() return 'in' end, "
     "    function() end) return job:wait() end)",
     "0 true true in"},
    // ---- in coroutines
    {"generator",
     "local g = coroutine.wrap(function() for i = 1, 2 do "
     "  coroutine.yield(select(2, msys.runInPool('CPU', function() return i end)))"
     " end end) return g(), g()",
     "0 1 2"},
    {"coroutine_in_a_closure",
     "return msys.runInPool('CPU', function() "
     "  return coroutine.wrap(function() "
     "    return coroutine.wrap(function() "
     "      return msys.runInPool('IO', function() return 'deep' end) end)() "
     "  end)() end)",
     "0 true true deep"},
    {"resume_that_fails",
     "local co = coroutine.create(function() "
     "  msys.runInPool('CPU', function() end) error('expected', 0) end) "
     "return coroutine.resume(co)",
     "0 false expected"},
    {"coroutine_of_script",
     "local co = coroutine.running() local ok = msys.runInPool('CPU', "
     "  function() return coroutine.running() end) return ok, type(co)",
     "0 true thread"},
    {"yield_refused",
     "return msys.runInPool('CPU', function() "
     "  return select(2, pcall(coroutine.yield)) end)",
     "0 true attempt to yield from outside a coroutine"},
    // ---- other loops, sleeping, locks
    {"run_in_inst", "return msys.runInInst(1, function() return {} ~= nil end)",
     "0 true true"},
    {"run_in_inst_from_a_pool",
     "return msys.runInPool('CPU', function() "
     "  return msys.runInInst(1, function() "
     "    return msys.runInPool('IO', function() return 'back' end) end) end)",
     "0 true true true back"},
    {"sleep", "msys.sleep(0.0001) return 'slept'", "0 slept"},
    {"sleep_in_a_coroutine",
     "return coroutine.wrap(function() msys.sleep(0) return 'slept' end)()",
     "0 slept"},
    {"sleep_in_a_pool",
     "return msys.runInPool('CPU', function() msys.sleep(0.0001) return 'slept' end)",
     "0 true slept"},
    {"lock",
     "msys.lock 'one' msys.lock 'two' msys.unlock 'one' msys.unlock 'two' return 1",
     "0 1"},
    {"lock_that_is_taken",
     "msys.lock 'one' "
     "local _, job = msys.runInPool('CPU', function() "
     "  msys.lock 'one' msys.unlock 'one' return 'got it' end, function() end) "
     "for _ = 1, 3 do msys.runInPool('CPU', function() end) end "
     "msys.unlock 'one' return job:wait()",
     "0 true got it"},
    {"lock_that_is_kept", "msys.lock 'one' return msys.runInPool('CPU', function() "
     "  msys.lock 'two' return 1 end)",
     "0 true 1"},
    {"lock_by_a_finaliser_when_the_closure_has_ended",
     "local _, job = msys.runInPool('CPU', function() "
     "  coroutine.running() collectgarbage() collectgarbage 'stop' "
     "  setmetatable({}, { __gc = function() msys.lock 'one' end }) "
     "  collectgarbage 'restart' return 1, 2, 3, 4, 5, 6 end, "
     "  function() end, msys.core.ECTP_COMPLETE_CALLBACK_SCHED) "
     "return select('#', job:wait())",
     "0 7"},
    {"lock_of_one_that_yields_in_c",
     "return msys.runInPool('CPU', function() msys.lock 'one' c_yield() end)",
     "0 false attempt to yield from outside a coroutine"},
    {"mutex",
     "local m = thread.mutex() m:lock() m:unlock() "
     "do local guard <close> = m m:lock() end return m:trylock()",
     "0 true"},
    {"mutex_that_is_taken",
     "local m = thread.mutex() m:lock() "
     "local _, job = msys.runInPool('CPU', function() "
     "  m:lock() m:unlock() return 'got it' end, function() end) "
     "for _ = 1, 3 do msys.runInPool('CPU', function() end) end "
     "m:unlock() return job:wait()",
     "0 true got it"},
    // ---- data and figures
    {"sharing",
     "_TLS.x = {} _OSTLS.y = {} return msys.runInPool('CPU', function() "
     "  _OSTLS.z = 1 return type(_TLS.x) end)",
     "0 true table"},
    {"sharing_in_a_coroutine",
     "return coroutine.wrap(function() _TLS.x = {} "
     "  return msys.runInPool('CPU', function() return type(_TLS.x) end) end)()",
     "0 true table"},
    {"figures",
     "local s = tostring(msys.threadpool.stat('CPU')) .. "
     "  msys.threadpool.find('cpu').name .. msys.threadpool.count() .. "
     "  tostring(thread.mutex()) "
     "return #s > 100, msys.runInPool('SpoolIn', msys.threadpool.current)",
     "0 true true SpoolIn 1"},
};

}  // namespace msys::test
