// What the C functions of the Lua side share.
//
// With a C-built Lua a raise is a longjmp and skips destructors.  So in every
// function that may raise no local has a destructor, and C++ that may throw is
// called through a noexcept function that makes no Lua call.
#pragma once

#include <cstdint>

#include "../lua_api.h"

namespace msys {

class LoopLane;
class Pool;
class State;
struct Job;
enum class JobMode : std::uint8_t;
struct Script;
struct Slice;
struct Tls;

// The registry key of the StateRef.
const void* StateRefKey();

// [-1, +0, e] (lightuserdata State): puts everything into the Lua state.
int OpenBinding(lua_State* L);
// [-1, +0, e] (lightuserdata State): the functions now refuse, and what was
// kept for the state is let go.
int CloseBinding(lua_State* L);

// The state of a C function whose first upvalue is the StateRef; raises when it
// is detached, or the process is a fork.  `submitter`: the function's name, if it
// submits jobs: what it raises in an interpreter that has been drained nobody sees,
// since only finalisers run there, and so it is said on stderr as well.
State& CheckState(lua_State* L, const char* submitter = nullptr);

// The running slice; raises, naming `function`, when no callout or closure runs.
Slice& CheckSlice(lua_State* L, State& state, const char* function);

// The same, of the running callout or closure.
Script& CheckScript(lua_State* L, State& state, const char* function);

// Why the plugin takes no new job of this mode; null: it does.
const char* WhyRefused(const State& state, JobMode mode);

// Raises when the script cannot be suspended here.
void CheckCanSuspend(lua_State* L, State& state, const char* function,
                     const char* instead);

// In a suspended call the stack is: mark, what keeps the rest, what the wait gives.
constexpr int kKept = 2;
// How a call goes on that returns just what its wait gives.
int ReturnAboveKept(lua_State* L, int, lua_KContext);

// The anchors that Suspend() takes, and `more` of the caller's: behind its last
// allocation in Lua, since a finaliser might take them.  It may run one itself.
// [-0, +0, m]
void ReserveForWait(lua_State* L, State& state, std::size_t more = 0);

// The pool that argument `arg` names, by name or id; raises.
Pool& CheckPool(lua_State* L, State& state, int arg);
// The same; null for an unknown one.
Pool* ToPool(lua_State* L, State& state, int arg);

// Tables of scripts may have metatables, and _G one that forbids new globals: the
// plugin's own names go past them.
int RawGetField(lua_State* L, int table, const char* name);   // [-0, +1, m]
void RawSetField(lua_State* L, int table, const char* name);  // [-1, +0, m]
int RawGetGlobal(lua_State* L, const char* name);             // [-0, +1, m]

// Sets functions into the table at the top, each with the StateRef as upvalue.
// [-0, +0, m]
void SetFunctions(lua_State* L, const luaL_Reg* functions);

// Puts the metatable of a kind of userdata into the registry, unless it is there: a
// second attach keeps the first one's, since there may be values that have it.  Scripts
// cannot get it: with it they could call what the collector calls, or change the values
// of others.  [-0, +0, m]
void OpenKind(lua_State* L, const void* key, const char* name, const luaL_Reg* methods,
              const luaL_Reg* metamethods);

// The userdata of that kind that is the first argument; raises.  [-0, +0, e]
void* CheckKind(lua_State* L, const void* key, const char* name);

// Pushes t[name], a table, made if it was not there.  [-0, +1, m]
void SubTable(lua_State* L, int table, const char* name);

// Pushes the table msys.  [-0, +1, -]
void PushModule(lua_State* L);

// One for each family; called once, at attach, with nothing on the stack to
// keep.  [-0, +0, e]
void OpenCoroutine(lua_State* L);
void OpenExit(lua_State* L);
void OpenConstants(lua_State* L, State& state, int core);
void OpenDataSharing(lua_State* L);
void OpenRunInPool(lua_State* L, int msys);
void OpenRunInInst(lua_State* L, int msys);
void OpenSleep(lua_State* L, int msys);
void OpenLock(lua_State* L, int msys);
void OpenMutex(lua_State* L, int thread);
void OpenThreadPool(lua_State* L, int threadpool);
void OpenJobObject(lua_State* L);

// Whose _TLS the code running on L sees.  Pushes what keeps it.  [-0, +1, m]
Tls& PushCurrentTls(lua_State* L, State& state);
// Gives it to a job whose mode is known: its keeper is at index `keeper`, and an
// anchor has been reserved.  [-0, +0, -]
void GiveTls(lua_State* L, Tls& tls, int keeper, Job& job);

// Fills in what every job has: its lane, where the closure, the second argument,
// comes from, and who submits it.  [-0, +0, -]
void DescribeJob(lua_State* L, State& state, LoopLane& lane, Job& job);

// In an interpreter without a host: the jobs submitted from now on are drained,
// when the state closes, before what is older is finalised.  But for those that a
// finaliser submits: what they use may have been finalised by then.  [-0, +0, m]
void RenewDrain(lua_State* L, const State& state);

struct JobBox;
// Pushes a new job object, whose closure, completion function and metatable are at
// the given indices.  [-0, +1, m]
JobBox* NewJobBox(lua_State* L, int closure, int completion, int metatable);
void PushJobMetatable(lua_State* L);  // [-0, +1, -]

}  // namespace msys
