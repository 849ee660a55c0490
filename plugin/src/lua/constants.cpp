// msys.core's constants.  One that the host has defined already is the host's.
#include "../state.h"
#include "binding.h"

namespace msys {
namespace {

constexpr char kSched[] = "ECTP_COMPLETE_CALLBACK_SCHED";

struct Constant {
  const char* name;
  lua_Integer value;
};

// Every one but kSched means what ECTP_COMPLETE_CALLBACK does.
constexpr Constant kModes[] = {
    {"ECTP_COMPLETE_NONE", 0},
    {"ECTP_COMPLETE_EVENT", 1},
    {"ECTP_COMPLETE_MODULE", 2},
    {"ECTP_COMPLETE_CALLBACK", 3},
    {"ECTP_COMPLETE_SEMAPHORE", 4},
    {"ECTP_COMPLETE_SYNC", 5},
    {kSched, 6},
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
constexpr Constant kVerdicts[] = {
    {"VALIDATE_CONT", 0}, {"VALIDATE_DONE", 1}, {"VALIDATE_AGAIN", 2}};

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

// None gets a value that the host has given to another one.
template <std::size_t kCount>
void SetDistinct(lua_State* L, int core, const Constant (&constants)[kCount]) {
  const auto is_taken = [&](lua_Integer value) {
    bool taken = false;
    for (const auto& [name, unused] : constants) {
      taken = taken || IsField(L, core, name, value);
    }
    return taken;
  };
  for (auto [name, value] : constants) {
    if (is_taken(value)) value = kCount;  // the first that none has of itself
    while (is_taken(value)) ++value;
    SetIfMissing(L, core, name, value);
  }
}

lua_Integer Sched(lua_State* L, int core) {
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

}  // namespace

void OpenConstants(lua_State* L, State& state, int core) {
  SetDistinct(L, core, kModes);
  SetDistinct(L, core, kVerdicts);
  for (const auto& [name, value] : kPools) SetIfMissing(L, core, name, value);
  state.complete_callback_sched = Sched(L, core);
}

}  // namespace msys
