// msys.core's constants.  One that the host has defined already is the host's.
#include "binding.h"

namespace msys {
namespace {

struct Constant {
  const char* name;
  lua_Integer value;
};

constexpr Constant kConstants[] = {
    {"ECTP_COMPLETE_NONE", 0},
    {"ECTP_COMPLETE_EVENT", 1},
    {"ECTP_COMPLETE_MODULE", 2},
    {"ECTP_COMPLETE_CALLBACK", 3},
    {"ECTP_COMPLETE_SEMAPHORE", 4},
    {"ECTP_COMPLETE_SYNC", 5},
    {"ECTP_COMPLETE_CALLBACK_SCHED", 6},
    {"ECTP_COMPLETE_EVENT_INST", 7},
    {"ECTP_COMPLETE_CALLBACK_SCHED_INST", 8},
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
    {"VALIDATE_CONT", 0},
    {"VALIDATE_DONE", 1},
    {"VALIDATE_AGAIN", 2},
};

}  // namespace

void OpenConstants(lua_State* L, int core) {
  for (const Constant& constant : kConstants) {
    if (lua_getfield(L, core, constant.name) == LUA_TNIL) {
      lua_pushinteger(L, constant.value);
      RawSetField(L, core, constant.name);
    }
    lua_pop(L, 1);
  }
}

}  // namespace msys
