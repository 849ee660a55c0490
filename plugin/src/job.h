// One call of runInPool: a closure, a pool, and who gets the results.  A job ends
// exactly once: done, failed, cancelled (before it started) or refused (never
// accepted), and is counted under that name: in its lane's statistics or, refused, in
// its pool's.
//
// Threads: the holder of the state's turn, but for what the console and the log of
// stop() show of jobs in a pool's lane, or running: source, line, pool, state, and
// since when.  Any thread may read that under the lane's or the state's running-list
// lock.
#pragma once

#include <cstdint>

#include "pool.h"
#include "script.h"

namespace msys {

struct BoxWait;
struct JobBox;

enum class JobMode : std::uint8_t {
  kSync,             // the caller is suspended and gets the results
  kAsync,            // nobody gets them
  kCompletion,       // then the completion function, on the same thread
  kCompletionSched,  // then the completion function, on the home loop
};

enum class JobStage : std::uint8_t {
  kWaiting,  // for room in the backlog
  kQueued,
  kRunning,
  kEnded,    // the closure has; its completion function is to run at home
  kOver,     // but for the completion function, if it runs
};

struct Job final : Wait {
  explicit Job(State& s);

  // The one that has waited with the admission.
  static Job& Of(Admission& admission);
  // Into its lane; a caller that only waited for room goes on.
  void Enter();
  // Gives its place in the backlog, if it has one, to the next that waits for one.
  void LeaveBacklog();
  // As the wait of the script that called, in kSync.
  void Abandon() override;
  void Cancel(const char* why) override;
  const char* what() const override;
  Script* Needs() const override { return Running(); }

  // The closure's script; null: it has not started, or is over.
  Script* Running() const {
    return stage == JobStage::kRunning ? runner : nullptr;
  }

  // Null on a loop.
  PoolLane* pool_lane() const {
    return lane->executor.is_loop() ? nullptr : static_cast<PoolLane*>(lane);
  }
  LaneStats* stats() const {
    return lane->executor.is_loop() ? nullptr
                                    : &static_cast<PoolLane*>(lane)->stats;
  }
  const char* pool_name() const {
    const PoolLane* pool = pool_lane();
    return pool != nullptr ? pool->pool.name().c_str() : "loop";
  }

  // When it was handed to its pool; 0: not yet.  Its work has other uses later.
  std::uint64_t queued_ns() const {
    return runner != nullptr ? runner->resume.order : work.order;
  }

  // Since when it waits to start, before it does.
  std::uint64_t waits_since_ns() const {
    return admission.since_ns != 0 ? admission.since_ns : work.order;
  }

  void KeepClosure();
  void ShareTls();
  void ReleaseTls();

  State& state;
  LoopLane* lane = nullptr;      // the pool's, or a loop's (runInInst)
  Work work;                     // in the lane: start; in the home lane: complete
                                 // its order is when it was handed on, in ns
  Admission admission;           // in the pool's backlog
  Job* next = nullptr;           // in an outbox, or among the state's running
  Job* prev = nullptr;           // ones (by its mutex), or among the free ones
  Outbox* outbox = nullptr;      // it is in; null: none
  LoopLane* waiting_lane = nullptr;  // of the caller that waits for room

  JobMode mode = JobMode::kSync;
  JobStage stage = JobStage::kQueued;
  bool admitted = false;         // holds a place in the backlog
  bool failed = false;
  bool listed = false;           // among the state's running jobs
  bool completing = false;       // counted as one whose completion function is not over
  bool abandoned = false;        // dropped as soon as there is room for it
  bool shares_tls = false;       // holds a reference; else its caller, which waits
  Anchors::Slot slot = Anchors::kNone;  // the closure, or the box
  int line = 0;                         // of the closure
  JobBox* box = nullptr;                // kCompletion*
  BoxWait* waiters = nullptr;           // scripts in job:wait()
  Tls* tls = nullptr;                   // its caller's
  Script* runner = nullptr;             // the closure's script, once started

  std::uint64_t id = 0;
  std::uint64_t parent = 0;      // id of the script that submitted it
  std::uint64_t started_ns = 0;
  const char* source = nullptr;  // of the closure, as long as it lives
};

// A new job, or null.  Freed by EndJob() or FreeJob().
Job* NewJob(State& state);
void FreeJob(Job& job);  // never submitted, or over

// ---- before it starts (submission.cpp) ---------------------------------------

// Puts the job into the outbox of the running script, or queues it for room in
// the pool's backlog.  False: it waits for room, and so must the caller.
bool SubmitJob(Slice& slice, Job& job);
// The same for a caller that cannot wait; false: refused, nothing has changed.
bool SubmitJobNow(Slice& slice, Job& job);
// Hands the jobs of an outbox to their lanes, in order.
void Flush(Slice& slice, Outbox& outbox);

// Drops a job that has not started.  False: it has, or is over.  The waiting
// caller, and scripts in job:wait(), get false and `why`.
bool CancelJob(Job& job, const char* why);
// The same for a job that has been taken out of its lane.
void DropJob(Job& job, const char* why);

// ---- running, and its end ------------------------------------------------------

// Starts a job, as work of its lane.
void StartJob(Work* work);

// The result of a job is on the stack of `script`, which waits for it and now
// goes on.
void AnswerScript(const Job& job, Script& script);
// What the caller gets, if it waits, of a job that will not run.
void DeliverFailure(Job& job, const char* why);
// The job is over, and its closure's script, if any, has been given back.
void EndJob(Job& job);

}  // namespace msys
