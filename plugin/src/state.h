// One attached Lua state: its turn, its lanes, what runs in it.
//
// Threads: as the ABI's tags say for attach, run, cancel, detach; RunLane on the
// thread that holds the turn; the rest, unless it says otherwise, as well.
#pragma once

#include <msys/plugin.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "anchors.h"
#include "coroutines.h"
#include "engine.h"
#include "job.h"
#include "loop.h"
#include "pool.h"
#include "script.h"
#include "session.h"
#include "sleeper.h"
#include "sync.h"
#include "turn.h"

namespace msys {

// What the C functions in a Lua state know of its State: null after detach.
struct StateRef {
  State* state;
  bool drained;  // by the interpreter, which is closing
};

// What some kinds of trace events say besides.
struct TraceMore {
  int outcome = MSYS_OUTCOME_NONE;
  const Wait* wait = nullptr;
  std::uint64_t cause = 0;
  std::uint64_t time_ns = 0;  // 0: now
};

class State final : public LaneRunner {
 public:
  State(Engine& engine, lua_State* main, Loop& home, std::string name);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // A state that nobody owns yet: what is done to its Lua side is undone.
  struct Undo {
    void operator()(State* state) const;
  };
  using Opened = std::unique_ptr<State, Undo>;
  // [loop] A state whose Lua side is prepared; null: a Lua error, `error` says
  // what.  Throws when memory is out.
  static Opened Open(Engine& engine, lua_State* main, Loop& home, std::string name,
                     std::string& error);

  // The state that `L` belongs to; null: none, or it is detached.  [-0, +0, -]
  static State* Of(lua_State* L);

  // ---- work ----------------------------------------------------------------
  void RunLane(Lane& lane, Worker* self) override;
  // [loop] Has `work` run on the home loop with the turn held: at once if the
  // turn is free.
  void RunAtHome(Work& work);
  // [any] The same from any thread, later.
  void PostToLane(Lane& lane, Work& work);
  // [holder] The same by the holder.
  void Queue(Lane& lane, Work& work);

  // The state's lane in a pool, or on a loop; null when memory is out.
  PoolLane* LaneFor(Pool& pool);
  LoopLane* LaneFor(Loop& loop);
  LoopLane& home_lane() { return *home_lane_; }

  // ---- attaching [main thread of Lua, under protection] ---------------------
  void OpenLua(lua_State* L);   // [-0, +0, e]
  void CloseLua(lua_State* L);  // [-0, +0, e]

  // Takes back what Open() did; nothing runs in the state.
  void ReleaseLua();
  bool on_home_loop() const { return engine.host().OnLoop(home.index()); }

  // ---- blocking regions (T6) -------------------------------------------------
  // The running code, on L, may give up the turn while it blocks: it is the calling
  // worker's, and does not run in the middle of something of ours.
  bool MayLeaveTurn(lua_State* L) const;
  void LeaveTurn(Slice& slice);
  void ReenterTurn(Slice& slice);
  // Between the two, the worker sleeps.  Null, or why it ended early.
  const char* SleepBlocking(Slice& slice, std::uint64_t until_ns);

  // ---- Lua helpers, none of which raises -----------------------------------
  // Calls f(L, data) under protection on a coroutine of its own; false: it
  // raised, and the message is in `message` if that is not null.
  bool Protected(lua_CFunction f, void* data, std::string* message = nullptr);
  // A coroutine for a script; L is null when memory is out.
  Coroutine TakeCoroutine();
  // The next TakeCoroutine() runs no finaliser, unless memory is out.
  void PrepareCoroutine();
  // Pushes a string, or "not enough memory".
  void PushText(lua_State* to, const char* text);
  // Makes a text, on aux, for a script that waits for `wait`.  False: nothing is there,
  // and the wait is over; making it may have run a finaliser, and that may have had the
  // script's coroutine go on.
  [[nodiscard]] bool TextFor(const Script& script, const Wait* wait, const char* text);
  // Pushes the text of the error value at `index`, which has three free slots
  // above it: what tostring gives, or else that it gives nothing.
  void PushErrorText(lua_State* L, int index);

  // ---- callouts and sessions [loop] ----------------------------------------
  msys_status Run(msys_callout& callout);
  msys_status Cancel(msys_callout& callout);
  msys_status OpenSession(Session** out);
  void CloseSession(Session& session);
  msys_status Detach(void (*done)(void*), void* ctx);

  // The script that waits by a call in coroutine L; null: none.
  Script* WaitsIn(const lua_State* L);

  // [any] After stop()'s deadline: queued jobs are dropped, waits end.
  void RequestCancelAll();

  static constexpr char kCancelled[] = "cancelled: ";

  // ---- accounting ----------------------------------------------------------
  void JobSubmitted(Job& job);
  void JobStarted(Job& job);
  void ForgetSource(Job& job);  // its closure may be collected
  void JobOver(Job& job);  // started or not
  // Why new work is refused; null: it is not.  An interpreter that closes drains its
  // jobs, and the calls that they wait for are a part of them.
  const char* WhyRefused(JobMode mode) const {
    if (!closing_) return nullptr;
    if (why_cancelled_ != nullptr) return why_cancelled_ + sizeof kCancelled - 1;
    return mode == JobMode::kSync ? nullptr : "the interpreter closes";
  }
  // Waits have been ended, and no new ones may begin; null: they may.  Begins with
  // kCancelled.
  const char* why_cancelled() const { return why_cancelled_; }
  // [any] Jobs submitted and not over.
  std::uint64_t jobs() const { return jobs_shown_.get(); }
  // [any] Calls visit(job) for every job that has started and not ended.
  template <typename Visit>
  void ForEachRunning(Visit visit) EXCLUDES(running_mu_) {
    MutexLock lock(running_mu_);
    for (Job* job = running_; job != nullptr; job = job->next) {
      visit(*job);
    }
  }
  std::uint64_t NextId() { return id_base_ + ++last_id_; }
  // `script`: of a callout's event; with DELIVER, the one that waits.
  void Trace(int kind, const Slice* slice, const Script* script, const Job* job,
             const TraceMore& more = {}) {
    if (tracing) [[unlikely]] SendTrace(kind, slice, script, job, more);
  }

  // ---- the main script of an interpreter without a host --------------------
  // [the interpreter's thread] Lua runs outside of callouts: it holds the turn
  // whenever it runs.  False: memory is out.
  [[nodiscard]] bool OpenMain();
  // Does other work until `wait` is over; until all jobs are, when it is null.
  void BlockMain(Slice& slice, Wait* wait);
  // All is over; the state is gone when it returns.
  void CloseMain();
  bool draining_main() const { return draining_main_; }
  // Runs one of the interpreter's tasks, as soon as there is one.  Null: a host
  // has attached the state.
  void (*run_one_task)(void* ctx) = nullptr;
  void* run_one_task_ctx = nullptr;

  Engine& engine;
  // What scripts know as msys.core.ECTP_COMPLETE_CALLBACK_SCHED.
  lua_Integer complete_callback_sched = 0;
  lua_State* const main;
  Loop& home;
  const std::string name;
  const bool tracing = engine.host().tracing();
  Turn turn;
  lua_State* aux = nullptr;  // for protected calls by the holder
  Anchors anchors;
  Coroutines coroutines{anchors, main};
  Slice* current = nullptr;     // of the holder; null: nothing of ours runs
  Job* free_jobs = nullptr;
  Script* free_scripts = nullptr;
  std::size_t free_job_count = 0;
  static constexpr std::size_t kFreeJobs = 4096;
  Outbox stray;                 // submitted by finalisers outside of scripts
  // Code that is none of ours has resumed a coroutine that waited.
  bool strangers = false;
  Script* NewScript();  // null: memory is out
  void FreeScript(Script& script);

  // In callout.cpp, with the work items of callouts.
  void EndCallout(Slice& slice, Callout& script, msys_status status);

 private:
  // Calls f(aux, data), leaving `results` values or the error value.
  bool CallOnAux(lua_CFunction f, void* data, int results);
  [[gnu::cold]] void SendTrace(int kind, const Slice* slice,
                               const Script* script, const Job* job,
                               const TraceMore& more);
  void TraceParked(const Slice& slice, Lane& lane);
  void CancelAll(const char* why);
  // Drops the queued jobs of a lane, all or those submitted by one script.
  std::size_t DropQueued(Lane& lane, const char* why, std::uint64_t parent);
  std::size_t DropAllQueued(const char* why, std::uint64_t parent);
  void CancelWaitsOfRunning(const char* why);
  // The interpreter drains: jobs that wait only for each other never end.
  void CancelIfStuck();
  void FinishDetachIfOver();
  void FinishDetach();
  template <typename Visit>
  void ForEachOtherLane(Visit visit);
  // No lane but the home lane is in anybody's hands.
  bool LanesAtRest();
  void PumpUntilResumed(Slice& slice);

  static void PrefetchFor(const Work& work);
  void AfterSlice(Slice& slice, Callout& script, Outcome outcome);

  static void OnStart(Work* work);
  static void OnResume(Work* work);
  static void OnCancel(Work* work);
  static void OnSessionClose(Work* work);
  static void OnDetach(Work* work);
  static void OnDetachDone(Work* work);
  static void OnCancelAll(Work* work);
  static void OnMainResume(Work* work);

  std::unique_ptr<LoopLane> home_lane_;
  std::array<std::unique_ptr<PoolLane>, PoolSet::kMaxPools> pool_lanes_;
  std::vector<std::unique_ptr<LoopLane>> loop_lanes_;
  Anchors::Slot no_memory_text_ = Anchors::kNone;

  // Of the home loop's thread.
  Session* sessions_ = nullptr;
  bool detach_called_ = false;

  // Of the holder of the turn.
  Callout* callouts_ = nullptr;  // not yet finished
  std::uint64_t jobs_ = 0;      // submitted and not over
  Counter jobs_shown_;
  bool closing_ = false;
  const char* why_cancelled_ = nullptr;
  Sleeper* sleepers_ = nullptr;
  int protected_depth_ = 0;  // of the calls that are running on aux
  bool detaching_ = false;
  bool detach_queued_ = false;
  bool detach_over_ = false;
  void (*done_)(void*) = nullptr;
  void* done_ctx_ = nullptr;
  Work detach_work_, detach_done_work_, cancel_all_work_;
  std::atomic<bool> cancel_all_queued_{false};

  Script* main_script_ = nullptr;  // of an interpreter without a host
  bool main_waits_for_jobs_ = false;
  bool main_resumed_ = false;
  bool main_waits_for_lanes_ = false;
  bool draining_main_ = false;
  Slice main_slice_;

  const std::uint64_t id_base_;
  std::uint64_t last_id_ = 0;

  Mutex running_mu_;
  Job* running_ GUARDED_BY(running_mu_) = nullptr;
};

}  // namespace msys
