// msys.core's constants.  One that the host has defined already is the host's.
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kSched[] = "ECTP_COMPLETE_CALLBACK_SCHED";
constexpr char kCallback[] = "ECTP_COMPLETE_CALLBACK";
constexpr lua_Integer kSchedValue = 6;
constexpr lua_Integer kCallbackValue = 3;

struct Constant {
  const char* name;
  lua_Integer value;
};

constexpr Constant kModes[] = {
    {"ECTP_COMPLETE_NONE", 0},
    {"ECTP_COMPLETE_EVENT", 1},
    {"ECTP_COMPLETE_MODULE", 2},
    {kCallback, kCallbackValue},
    {"ECTP_COMPLETE_SEMAPHORE", 4},
    {"ECTP_COMPLETE_SYNC", 5},
    {"ECTP_COMPLETE_EVENT_INST", 7},
    {"ECTP_COMPLETE_CALLBACK_SCHED_INST", 8},
};

constexpr Constant kPools[] = {
    {"ECTP_CLASS_SHORT_LIVED", -1},
    {"ECTP_CLASS_CPU", 0},
    {"ECTP_CLASS_IO", 1},
    {"ECTP_CLASS_SWAPOUT", 2},
    {"ECTP_CLASS_SWAPIN", 3},
    {"ECTP_CLASS_CLOSE", 4},
    {"ECTP_CLASS_UNLINK", 5},
    {"ECTP_CLASS_BATCH_UNLINK", 6},
    {"ECTP_CLASS_SPOOL_IN", 7},
    {"ECTP_CLASS_ASYNC_BOUNCE", 8},
    {"ECTP_CLASS_SIEVE_IO", 9},
};

// What a phase's function returns: the values are no one's but the host's.
constexpr const char* kVerdicts[] = {"VALIDATE_CONT", "VALIDATE_DONE", "VALIDATE_AGAIN"};

void SetIfMissing(lua_State* L, int core, const char* name, lua_Integer value) {
  if (lua_getfield(L, core, name) == LUA_TNIL) {
    lua_pushinteger(L, value);
    RawSetField(L, core, name);
  }
  lua_pop(L, 1);
}

bool IsField(lua_State* L, int core, const char* name, lua_Integer value) {
  lua_getfield(L, core, name);
  lua_pushinteger(L, value);
  const bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

// Before the others: no other mode may be taken for it.
lua_Integer SetSched(lua_State* L, int core) {
  SetIfMissing(L, core, kSched,
               IsField(L, core, kCallback, kSchedValue) ? kCallbackValue : kSchedValue);
  int is_integer = 0;
  lua_getfield(L, core, kSched);
  const lua_Integer value = lua_tointegerx(L, -1, &is_integer);
  if (is_integer == 0 || lua_type(L, -1) != LUA_TNUMBER) {
    luaL_error(L, "msys.core.%s is a %s; an integer is wanted, or nothing", kSched,
               luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return value;
}

bool IsVerdict(lua_State* L, int core, lua_Integer value) {
  bool found = false;
  for (const char* name : kVerdicts) found = found || IsField(L, core, name, value);
  return found;
}

}  // namespace

void OpenConstants(lua_State* L, State& state, int core) {
  const lua_Integer sched = SetSched(L, core);
  state.complete_callback_sched = sched;
  for (const auto& [name, value] : kModes) {
    SetIfMissing(L, core, name, value == sched ? kSchedValue : value);
  }
  for (const auto& [name, value] : kPools) SetIfMissing(L, core, name, value);
  for (const char* name : kVerdicts) {
    lua_Integer value = 0;
    while (IsVerdict(L, core, value)) ++value;
    SetIfMissing(L, core, name, value);
  }
}

}  // namespace msys
