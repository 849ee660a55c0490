/* msys/plugin.h: what a mail server (the host) and the runInPool plugin say to
 * each other.  C99, no other header of this project, no Lua header.
 *
 * The plugin gives Lua policies msys.runInPool(pool, closure, ...): the closure
 * runs on a thread of a named pool, the calling script is suspended, and the
 * host's event loop goes on serving other sessions meanwhile.
 *
 * A host in seven steps
 *
 *   1. dlopen() the plugin, dlsym("msys_plugin_entry"), call it with
 *      MSYS_ABI_MAJOR: a table of functions, or NULL when the majors differ.
 *   2. Fill in msys_host (how to post a task to a loop, how to log) and call
 *      open().  No thread starts yet, so the host may still fork.
 *   3. Make a lua_State and attach() it to one of your loops: its home loop.
 *      From now on run Lua of this state only through run(), also to load the
 *      policies, which find msys, _TLS and _OSTLS in place.
 *   4. For a session: session_open().  For each phase of it: fill in an
 *      msys_callout whose prepare() pushes a function and its arguments, and
 *      call run().  finish() is called with the results, at once or later.
 *   5. When the session is over: session_close().  If it goes away in the
 *      middle of a phase: cancel(), and wait for finish().
 *   6. To end a state: detach(), wait for its done(), then lua_close().  Jobs
 *      that its scripts have left behind are cut short by that: to have them
 *      finish, wait until pending_jobs() is 0.
 *   7. stop() the plugin, close() it, dlclose().
 *
 * Lua comes from the host: lua_* symbols must be visible to the plugin when it
 * is loaded (link with -rdynamic, or load liblua5.4 with RTLD_GLOBAL).  Both a
 * C build of Lua 5.4.4 or later (errors are longjmp) and a C++ build (errors are
 * exceptions) will do, if its functions have C's names: those of Debian's
 * lua5.4-c++ have C++'s since Debian 13.
 *
 * Turns.  Lua has no locks, so a state is run by one thread at a time: the
 * thread that holds the state's turn.  The plugin hands turns around; a host
 * never does.  It only keeps the thread tags below.
 *
 * Thread tags, one on every function:
 *   [main]   the thread that called open(); overlaps no other [main] call
 *   [loop]   the thread of the home loop of the state in question
 *   [state]  the thread that holds the state's turn now: inside prepare(),
 *            finish(), or a C function called by Lua of that state
 *   [any]    any thread, concurrently with everything
 * A call on a wrong thread that the plugin can detect is refused with
 * MSYS_E_THREAD and changes nothing.
 *
 * Ownership.  "Borrowed" pointers are valid until the call returns, unless
 * another end is named.  Strings are NUL-terminated; names are compared
 * without regard to ASCII letter case.
 *
 * Growth.  Structs that cross the border start with their size in bytes as the
 * caller compiled it, and only ever grow at the end.  The side that reads a
 * struct uses only the fields that are inside the given size and takes the
 * documented default for the rest.  MAJOR changes when an old binary would
 * misbehave; MINOR when a field or a function was appended.
 *
 * What else a host may do
 *   fork()   Before the first attach() both processes may use the plugin.  A
 *            later fork has none of its threads: every function refuses with
 *            MSYS_E_FORK, those without a status do nothing (pool_count() still
 *            counts), Lua functions raise.  The parent notices nothing.
 *   exec()   A pool's thread has all signals blocked but those of faults, and a
 *            program that a C function starts there inherits that: SIGTERM would not
 *            end it.  Give it a mask of its own (posix_spawnattr_setsigmask, or
 *            sigprocmask in the child).
 *   exit()   Ends the process with its status at any time; nothing is drained.
 *            In such a fork, and when a C function calls it on a pool's thread,
 *            it leaves out the handlers of atexit() and the destructors of static
 *            objects that are older than the first open(); the standard streams
 *            are written.  Elsewhere, and by os.exit on a pool's thread of the
 *            parent, nothing is left out.
 *   dlclose() does no harm at any time: the code stays, with what runs in it.
 *   Two copies of the plugin, or two plugins of one copy that are open at once,
 *            share nothing but oneTBB, which has as many threads for all of them
 *            as the first one asked for; the others log it when they want more.
 *            A Lua state is attached to one of them at a time: MSYS_E_LUA.
 *   oneTBB   may be used by the host, before and beside the plugin, with as many
 *            threads as without it.  A limit that the host has set counts for the
 *            pools, too, which is logged.  How many threads there can ever be
 *            oneTBB decides at its first use: 256, or max_allowed_parallelism
 *            then; the plugin, when it is first, sees to it that pools may grow.
 *            A task on one of oneTBB's own threads must not run a loop of the
 *            host's, or wait for anything that the plugin runs: oneTBB may count
 *            that thread as idle and give it the job, and no other thread; both
 *            then wait for ever.  A thread of the host's that has entered an arena
 *            may wait.  A task that blocks for another reason may delay a job
 *            until the task ends.
 *   A loop that ends before its states are detached leaves them attached:
 *            stop() gives MSYS_E_BUSY for ever.
 *
 * Source: the project's README; manual pages msys-plugin(3), msys-runInPool(3lua).
 */
#ifndef MSYS_PLUGIN_H
#define MSYS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

/* The one place where the version number is written. */
#define MSYS_PLUGIN_VERSION "1.0.0"

#define MSYS_ABI_MAJOR 1
#define MSYS_ABI_MINOR 2

/* True when `field` lies inside the struct `s` as its sender compiled it. */
#define MSYS_HAS(s, field) \
  ((s)->struct_size >= offsetof(__typeof__(*(s)), field) + sizeof((s)->field))

/* ---------------------------------------------------------------- status -- */

/* Fixed width: an enum's width is the compiler's choice.
 * Negative is failure.  A published value keeps its meaning for ever. */
typedef int32_t msys_status;
#define MSYS_OK 0
#define MSYS_E_ABI (-1)       /* other MAJOR, or a struct that is too small    */
#define MSYS_E_ARG (-2)       /* null or nonsense; the error text says which   */
#define MSYS_E_NOMEM (-3)     /* nothing changed                               */
#define MSYS_E_CLOSED (-4)    /* stop() or detach() has begun                  */
#define MSYS_E_BUSY (-5)      /* something still runs; try again later         */
#define MSYS_E_THREAD (-6)    /* not the thread that the tag asks for          */
#define MSYS_E_FORK (-7)      /* this process is a fork of one with threads    */
#define MSYS_E_LUA (-8)       /* a Lua error; the message is given             */
#define MSYS_E_CANCELLED (-9) /* cancel(), detach() or stop() ended it         */
#define MSYS_E_NOT_FOUND (-10) /* no pool, command or callout of that name     */
#define MSYS_E_SYSTEM (-11)   /* the system refused (threads); text says what  */

/* Where a function puts the reason of a failure: what was asked, what was
 * found, what to do.  The caller's; may be NULL.  Set struct_size; text is
 * "" after success. */
typedef struct msys_error {
  uint32_t struct_size;
  char text[508];
} msys_error;

/* ------------------------------------------------------------------ host -- */

#define MSYS_LOG_ERROR 3   /* the numbers of syslog(3) */
#define MSYS_LOG_WARNING 4
#define MSYS_LOG_NOTICE 5
#define MSYS_LOG_INFO 6
#define MSYS_LOG_DEBUG 7

/* A piece of work for a loop.  The plugin owns it and never posts it again
 * before it has run; from post() until run() is called, `host` is the host's,
 * to link tasks in a queue: so posting needs no memory and cannot fail. */
typedef struct msys_task {
  void (*run)(struct msys_task *task); /* [loop] the task may be freed inside */
  void *host[2];
} msys_task;

/* What happened to a job or a callout, for a host that draws time lines.  The
 * events of one state come one after the other, whatever their threads are:
 *   callout  START (SUSPEND RESUME)* END, then finish()
 *   job      SUBMIT [PARK] START (SUSPEND RESUME)* DELIVER* END
 *            [COMPLETION (SUSPEND RESUME)* COMPLETED]
 * What is over before it began has END without START. */
#define MSYS_TRACE_SUBMIT 1  /* runInPool or runInInst was called           */
#define MSYS_TRACE_START 2   /* the closure or callout begins on this thread */
#define MSYS_TRACE_SUSPEND 3 /* it gave the thread back, to go on later      */
#define MSYS_TRACE_RESUME 4  /* it goes on, on this thread                   */
#define MSYS_TRACE_END 5     /* it is over; `outcome` says how               */
#define MSYS_TRACE_PARK 6    /* a worker that came for the job had found its */
                             /* state busy at time_ns; it starts now         */
#define MSYS_TRACE_DELIVER 7 /* the result reaches a script that waits       */
#define MSYS_TRACE_BLOCK 8   /* a blocking region begins on this thread      */
#define MSYS_TRACE_UNBLOCK 9 /* and ends                                     */
#define MSYS_TRACE_COMPLETION 10 /* the job's completion function begins     */
#define MSYS_TRACE_COMPLETED 11  /* and is over                              */

#define MSYS_OUTCOME_NONE 0
#define MSYS_OUTCOME_DONE 1
#define MSYS_OUTCOME_FAILED 2
#define MSYS_OUTCOME_CANCELLED 3
#define MSYS_OUTCOME_REFUSED 4 /* never sent: nothing was submitted */

typedef struct msys_trace_event {
  uint32_t struct_size;
  int32_t kind;          /* MSYS_TRACE_ */
  uint64_t time_ns;      /* CLOCK_MONOTONIC */
  uint64_t id;           /* of the job or callout; no other of this copy of */
                         /* the plugin has the same, in whatever open() */
  uint64_t parent;       /* id of the script that submitted the job, with */
                         /* DELIVER of the one that waits; 0: none */
  const char *pool;      /* the job's; NULL: a callout, or of runInInst */
  int32_t worker;        /* the worker this thread is in worker_pool, from 1; */
                         /* 0: not a worker, so a loop */
  int32_t line;          /* of the closure's definition */
  const char *source;    /* its file as Lua names it ("@policy.lua"); NULL: a */
                         /* callout, or the closure may be collected by now */
  const char *state;     /* the name given to attach(), control bytes as ? */
  void *callout_ctx;     /* the msys_callout's ctx when it is a callout */
  int32_t outcome;       /* MSYS_OUTCOME_, with END and COMPLETED */
  /* Since ABI 1.1: */
  const char *worker_pool; /* the pool this thread works for, whatever job the */
                           /* event is about; NULL: not a worker */
  const char *name;      /* of the callout, "validate_data"; NULL: a job */
  const char *waits_for; /* with SUSPEND: "results" (of runInPool, runInInst), */
                         /* "room" (in a backlog), "job" (job:wait), "sleep", */
                         /* "lock" or "mutex"; else NULL */
  uint64_t cause;        /* with RESUME: id of the job whose result it goes on */
                         /* with; 0: something else ended the wait */
  uint64_t queued_ns;    /* when the job was handed to its pool; 0: it was not */
  uint64_t started_ns;   /* when its closure started; 0: it has not */
} msys_trace_event;

/* Filled in by the host; copied by open().  The plugin may hold locks of its own
 * when it calls the host: a lock that one of these takes must not be held by a
 * thread while it calls the plugin. */
typedef struct msys_host {
  uint32_t struct_size; /* sizeof(msys_host) */
  uint32_t abi_major;   /* MSYS_ABI_MAJOR */
  void *ctx;            /* the host's; handed back, never looked into */

  /* How many loops there are, 1 to 1024; they are numbered from 0. */
  uint32_t loop_count;

  /* [any] Have `loop` call task->run(task), after everything posted to it
   * before.  Must not block, fail, or run the task inside the call.  A loop
   * that sleeps must be woken.  Once the task is visible to the loop it must
   * not be touched.  Every loop must go on running its tasks until its states
   * are detached and stop() has returned MSYS_OK.
   * The wake is most of what a short closure's caller waits for: a loop may look
   * for tasks some 50 us before it sleeps, with a sched_yield() before each look,
   * for a pool's thread may be waiting for its CPU. */
  void (*post)(void *ctx, uint32_t loop, msys_task *task);

  /* [any] Non-zero when the calling thread is `loop`'s. */
  int (*on_loop)(void *ctx, uint32_t loop);

  /* [any] One line, no newline at its end; both strings borrowed.  Must not
   * call the plugin or Lua. */
  void (*log)(void *ctx, int32_t level, const char *component,
              const char *text);

  /* [any] Optional: NULL costs nothing.  The event is borrowed; must not call
   * the plugin or Lua. */
  void (*trace)(void *ctx, const msys_trace_event *event);
} msys_host;

/* --------------------------------------------------------- configuration -- */

/* ThreadPool "name" { Concurrency  Backlog  Stack_Size }
 * A field left out of a struct by its size, or MSYS_UNSET, keeps its value:
 * the predefined one, or for a new pool 1, 0 (no limit) and 0 (the system's). */
#define MSYS_UNSET UINT32_MAX

typedef struct msys_pool_config {
  uint32_t struct_size;
  uint32_t concurrency; /* threads at most, up to 1024; 0: on the home loop */
  const char *name;     /* 1 to 64 letters, digits, '_', '-', '.' */
  uint32_t backlog;     /* jobs queued at most; 0: no limit.  Fixed from the */
                        /* first attach() on, or once the pool is made: then */
                        /* another value is logged, and changes nothing */
  uint32_t stack_size_kib; /* of a worker's C stack; the largest of all pools */
                           /* counts, as of the first attach(); 0: default; */
                           /* else MSYS_STACK_KIB_MIN to MSYS_STACK_KIB_MAX */
} msys_pool_config;

/* Lua lets C functions call one another 200 deep before it says "C stack
 * overflow".  With string.gsub that takes about 440 KiB, in a message handler a
 * tenth more, and the innermost function needs some, too: a thread that had less
 * would end the process. */
#define MSYS_STACK_KIB_MIN 1024
#define MSYS_STACK_KIB_MAX (1024 * 1024)

#define MSYS_COMPLETION_RETURNS_JOB 0     /* runInPool(p, f, g): true, job    */
#define MSYS_COMPLETION_RETURNS_RESULTS 1 /* ... suspends; gives f's results  */

typedef struct msys_config {
  uint32_t struct_size;
  uint32_t pool_count;           /* of all pools there can be 256 */
  const msys_pool_config *pools; /* an array; its stride is the struct_size */
                                 /* of its first element, and of each; one */
                                 /* that cannot be is MSYS_E_ARG */
  int32_t completion_returns;    /* MSYS_COMPLETION_RETURNS_; open() only */
} msys_config;

/* --------------------------------------------------------------- handles -- */

typedef struct msys_plugin msys_plugin;   /* open()  ... close()             */
typedef struct msys_state msys_state;     /* attach() ... done() of detach() */
typedef struct msys_session msys_session; /* session_open() ... session_close() */

/* One call of a policy function.  The host's memory, and the host's to free
 * from the moment that finish() is called, or when run() failed. */
typedef struct msys_callout {
  uint32_t struct_size;
  uint32_t flags;        /* 0 */
  void *ctx;             /* the host's */
  msys_session *session; /* whose _TLS and self it sees; NULL: its own */
  const char *name;      /* for logs, "validate_data"; borrowed until finish(); */
                         /* may be NULL */

  /* [state] on the home loop.  Push the function and its arguments on L, whose
   * stack is empty, and return the number of arguments; negative: nothing to
   * call, finish() gets MSYS_E_NOT_FOUND.  May raise Lua errors (so: no
   * destructors in this frame); must not yield. */
  int (*prepare)(void *ctx, struct lua_State *L);

  /* [state] on the home loop, exactly once.  The top `count` values of L are
   * the results when status is MSYS_OK.  After MSYS_E_LUA they are two: the
   * error value, and a string with its message and, where there is one, a traceback
   * (not of prepare(), nor of C code that yields).  After any other status, none.
   * L need not be the one that prepare() had.  May raise Lua errors, which are
   * logged; must not yield.  May call run(), cancel() and session_close(). */
  void (*finish)(void *ctx, struct lua_State *L, msys_status status,
                 int count);

  void *plugin_data; /* the plugin's, from run() until finish() */
} msys_callout;

/* A blocking region, on the C stack of the function that blocks. */
typedef struct msys_blocking {
  void *plugin_data[4];
} msys_blocking;

/* ------------------------------------------------------------ statistics -- */

/* Durations are counted in buckets: bucket i holds those of at most
 * histogram_bound_ns(i) nanoseconds that no earlier bucket holds; the last
 * bucket has no bound. */
#define MSYS_HISTOGRAM_BUCKETS 112

typedef struct msys_histogram {
  uint64_t count;
  uint64_t sum_ns;
  uint64_t max_ns;
  uint64_t bucket[MSYS_HISTOGRAM_BUCKETS];
} msys_histogram;

typedef struct msys_pool_stats {
  uint32_t struct_size;
  int32_t id;
  char name[68];
  uint32_t concurrency;
  uint32_t backlog;
  uint32_t threads;        /* threads that are in the pool now */
  uint32_t threads_active; /* of these, running a closure or a completion */
                           /* function */
  uint64_t submitted;      /* = done + failed + cancelled + refused + queued */
                           /*   + running + suspended */
  uint64_t invocations;    /* closures started */
  uint64_t done;
  uint64_t failed;         /* ended with a Lua error */
  uint64_t cancelled;      /* dropped before they started */
  uint64_t refused;        /* never accepted */
  uint64_t parked;         /* times a worker found the state of a job busy */
  uint64_t queued;         /* now */
  uint64_t running;        /* now, on a thread */
  uint64_t suspended;      /* now, started and waiting for something */
  double avg_concurrency;  /* running closures, seen by each that starts */
  double saturation;       /* the same as a share of the concurrency, 0 to 1 */
  double avg_wallclock_s;  /* from start to end of a closure */
  msys_histogram wait;     /* to the start, from the moment at which the script */
                           /* that submitted waited or ended; room in the */
                           /* backlog is waited for, too */
  msys_histogram run;      /* from start to end */
  /* Since ABI 1.2: */
  uint64_t completing;     /* now, completion functions that have to run yet or */
                           /* run; their closures are done or failed */
} msys_pool_stats;

typedef struct msys_worker {
  uint32_t struct_size;
  int32_t worker;   /* from 1 */
  const char *pool; /* valid while the plugin is open */
} msys_worker;

/* ------------------------------------------------------------- functions -- */

typedef struct msys_api {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  const char *version; /* MSYS_PLUGIN_VERSION of the plugin; static */

  /* [main] Checks everything and takes copies; starts nothing.  `config` may
   * be NULL: the predefined pools.  MSYS_OK: *out is the caller's, to end with
   * stop() and close().  Failure (ABI, ARG, NOMEM, FORK): *out is NULL.
   * Host callbacks are used until close(). */
  msys_status (*open)(const msys_host *host, const msys_config *config,
                      msys_plugin **out, msys_error *error);

  /* [main] Changes the named pools' concurrency and adds pools, with jobs in
   * flight; pools not named keep what they have.  All is checked first: after
   * a failure nothing has changed.  MSYS_E_CLOSED after stop() has begun. */
  msys_status (*configure)(msys_plugin *plugin, const msys_config *config,
                           msys_error *error);

  /* [main] Ends all work: new jobs, callouts, sessions and states are refused, jobs
   * that are queued are still run until `deadline_ms` have passed since the first
   * stop() (of several calls the least counts), then they are cancelled; running
   * closures, and states that are attached, are waited for until the deadline, and
   * once 0.2 s more, for what is cancelled then; workers that have nothing left to
   * do have up to a second to go.  MSYS_OK: nothing runs any more and no state is
   * attached.  MSYS_E_BUSY: closures still run, or states are attached, or workers
   * have not left their pools, and the error's text says which; after the deadline
   * each closure is logged (pool, file:line, seconds), and each worker unless the
   * thread is a loop.  Do not unload then; call again.  On a thread that is a loop
   * it never waits: MSYS_E_BUSY until all is over; call again from a timer. */
  msys_status (*stop)(msys_plugin *plugin, uint32_t deadline_ms,
                      msys_error *error);

  /* [main] Frees the plugin after stop(), once nothing runs and no state is
   * attached, as MSYS_OK of stop() says; else MSYS_E_BUSY and nothing happens.
   * NULL is fine.  open() may be called again. */
  msys_status (*close)(msys_plugin *plugin);

  /* [loop] Makes `L`, the main thread of a Lua state, one of the plugin's, with
   * `loop` as its home, and puts msys, thread, _TLS and _OSTLS into its
   * globals.  `L` is borrowed until detach()'s done(); `name`, for logs, is
   * copied and may be NULL.  Nothing of the state may be running.  Best before any
   * script has run: neither C code nor a coroutine.close that a script has kept from
   * before may close a coroutine that waits.  Callouts and closures run on
   * coroutines that begin without a hook and with a copy of L's lua_getextraspace();
   * what prepare() sets of these is its callout's alone: closures have their session
   * by _TLS, or by a value that they share.  From the first attach() on threads are
   * started as they are needed.  Failure (ARG, also for a coroutine; NOMEM, CLOSED,
   * THREAD, FORK, LUA): the state is as before but may hold some of the globals. */
  msys_status (*attach)(msys_plugin *plugin, struct lua_State *L,
                        uint32_t loop, const char *name, msys_state **out,
                        msys_error *error);

  /* [loop] Refuses new jobs and callouts of the state, drops its queued jobs
   * (their scripts get false, "cancelled: ..."), ends what scripts and closures
   * wait for (sleeps, locks, results) with an error or false, lets what runs
   * finish, closes its sessions, then calls done(ctx) on the home loop, with no
   * turn held, perhaps before detach() returns.  From then on `state` is gone and
   * the host may lua_close(). */
  msys_status (*detach)(msys_state *state, void (*done)(void *ctx), void *ctx);

  /* [loop] A session: the callouts that share one _TLS and one self.  The
   * caller's, to end with session_close() or the state's detach().  Failure (ARG,
   * NOMEM, CLOSED, THREAD, FORK): *out is NULL. */
  msys_status (*session_open)(msys_state *state, msys_session **out);
  /* [loop] Callouts of the session that still run keep what they see. NULL is
   * fine. */
  void (*session_close)(msys_session *session);

  /* [state] Replaces the table at the top of L (a policy's module) by the
   * session's self for it: a table of its own that falls back to the module.
   * The same one for every phase until session_close().  May raise Lua errors, as
   * it does without a session; for use in prepare(). */
  void (*session_push_self)(msys_session *session, struct lua_State *L);

  /* [loop] Starts a callout.  MSYS_OK: finish() will be called, perhaps before
   * run() returns.  Failure (ARG, NOMEM, CLOSED, THREAD, FORK): it will not, and
   * plugin_data is NULL (but with ABI), so that cancel() finds nothing.  That a
   * callout runs already is not noticed. */
  msys_status (*run)(msys_state *state, msys_callout *callout);

  /* [loop] Ends a callout whose session went away: its queued jobs are dropped,
   * running ones finish and their results are dropped, pending <close>
   * variables run, and finish() is called with MSYS_E_CANCELLED, perhaps
   * before cancel() returns.  MSYS_E_NOT_FOUND: it has finished already. */
  msys_status (*cancel)(msys_callout *callout);

  /* [state] A C function called by Lua is about to block: others may run Lua
   * of this state meanwhile.  Between begin and end no Lua API call is allowed
   * and pointers into Lua values are valid only while the stack of L keeps the
   * values.  Always pairs, never nests.  On a loop, in a finaliser, while the
   * plugin closes a script's coroutines, or on a thread that is no pool's, the turn
   * is kept.  Neither raises. */
  void (*blocking_begin)(struct lua_State *L, msys_blocking *region);
  /* The thread of blocking_begin().  Waits for the turn. */
  void (*blocking_end)(msys_blocking *region);

  /* [any] MSYS_E_NOT_FOUND when the calling thread is no worker of a pool; then,
   * and in a fork, worker is 0 and pool NULL. */
  msys_status (*current_worker)(msys_worker *out);

  /* [any] Pools are numbered from 0 for pool_stats; ids are the Lua ones.  After
   * a failure other than ABI all fields but struct_size are zero. */
  uint32_t (*pool_count)(msys_plugin *plugin);
  msys_status (*pool_stats)(msys_plugin *plugin, uint32_t index,
                            msys_pool_stats *out);
  uint64_t (*histogram_bound_ns)(uint32_t bucket); /* UINT64_MAX: no bound */
  /* The duration below which `fraction` (0 to 1) of the counted ones lie. */
  uint64_t (*histogram_quantile_ns)(const msys_histogram *histogram,
                                    double fraction);

  /* [any] An operator's command line, "threads stats".  write() is called on
   * this thread with pieces of the answer, borrowed.  MSYS_E_NOT_FOUND: the answer
   * is one line that says what would have been right. */
  msys_status (*console)(msys_plugin *plugin, const char *command,
                         void (*write)(void *ctx, const char *text,
                                       size_t length),
                         void *ctx);

  /* [any] Since ABI 1.2.  How many jobs the scripts of all attached states have
   * submitted that are not over, their completion functions included; 0 in a fork.
   * detach() drops those that have not started and ends what the others wait for:
   * a host that wants to have them finish looks here before. */
  uint64_t (*pending_jobs)(msys_plugin *plugin);
} msys_api;

#if defined(__GNUC__)
#define MSYS_EXPORT __attribute__((visibility("default")))
#else
#define MSYS_EXPORT
#endif

/* [any] The plugin's one entry.  NULL when it does not speak `abi_major`.  The
 * table is static and valid while the plugin is loaded. */
MSYS_EXPORT const msys_api *msys_plugin_entry(uint32_t abi_major);
typedef const msys_api *(*msys_plugin_entry_fn)(uint32_t abi_major);
#define MSYS_PLUGIN_ENTRY "msys_plugin_entry"

#ifdef __cplusplus
}
#endif

#endif /* MSYS_PLUGIN_H */
