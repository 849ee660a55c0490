/* The turn protocol of one Lua state (plugin/src/turn.h), for spin.
 *
 * Modelled: the turn's word and its bits, changed by TryTake and Release outside
 * of mu_; the lists of waiters; the home loop with its task queue; two pools and
 * their workers; the lanes of the state (home, one in each pool) and one lane of
 * another state that keeps a pool busy; jobs that only run, call into the other
 * pool, leave the turn in a blocking region, or wait for somebody outside (a
 * sleep, a lock, room in a backlog); callouts, cancel, detach, stop's cancel-all.
 *
 * Grain: what happens under a mutex is one atomic step, unless it works on the
 * word while others may (TakePoolLane), where mu is a real lock.
 * What the holder does to things that are only the holder's is one step too.
 *
 * Left out, and why:
 *   - weak memory: every step is sequentially consistent.  The orders are argued
 *     in turn.h and looked at by ThreadSanitizer.
 *   - tickets as numbers: loops and leaving threads are one list in order of
 *     arrival; of the two pool lanes the model knows which is the older.
 *   - the order within a lane is that of arrival; it matters to fairness between
 *     jobs, not to the turn.
 *   - batches end at any moment: a superset of every bound on jobs and time.
 *   - Lua, memory failure, changes of concurrency, a second loop.
 *
 * Claimed: T1, T2, T3, T5 and L1 where they could be broken, I1 to I3 always
 * (Monitor), nobody touches a deleted state, every job ends exactly once, nothing
 * is left at the end (T4 is how Worker is written), and T7 below, for those who
 * wait on their stack, for the loop, and for a pool's lane.
 * Seen by it: a thread in WakeNext that came back to the turn of a state that was
 * gone, before detach asked for wakers; and that a pool's lane could be passed for
 * ever by a loop that was quicker each time, before its thread waited in line.
 *
 * Each run takes one of the configurations below (-DCONFIG=n): workers of each
 * pool W0 W1; callouts NC, jobs NJ and what they do (SETUP); whether the host may
 * CANCEL, DETACH, STOP at any moment; how often another state's lane wants a
 * thread of pool 1 (FOREIGN).
 */

#if CONFIG == 1 /* a nested synchronous call into the other pool */
#define W0 1
#define W1 1
#define NC 2
#define NJ 3
#define SETUP Sync(0, 0, 0, NEST, 1); Nested(1, 0, 1, PLAIN); Sync(2, 1, 1, PLAIN, NONE)
#elif CONFIG == 2 /* blocking regions, two at once in a pool; the loop wants in */
#define W0 2
#define W1 1
#define NC 3
#define NJ 3
#define SETUP Async(0, 0, 0, BLOCK); Async(1, 1, 0, BLOCK); Sync(2, 2, 1, PLAIN, NONE)
#elif CONFIG == 3 /* detach at any moment; a pool that is busy elsewhere */
#define W0 1
#define W1 1
#define NC 2
#define NJ 2
#define DETACH
#define FOREIGN 1
#define SETUP Async(0, 0, 0, PLAIN); Async(1, 1, 1, PLAIN)
#elif CONFIG == 4 /* cancel; a completion on the loop; nested both ways */
#define W0 1
#define W1 1
#define NC 1
#define NJ 3
#define CANCEL
#define SETUP Sched(0, 0, 0, PLAIN); Sync(1, 0, 1, NEST, 2); Nested(2, 1, 0, PLAIN)
#elif CONFIG == 5 /* work from outside; stop's cancel-all */
#define W0 1
#define W1 1
#define NC 2
#define NJ 2
#define STOP
#define SETUP Async(0, 0, 0, OUTSIDE); Sync(1, 1, 1, PLAIN, NONE)
#elif CONFIG == 6 /* all threads of a pool are away: the chain goes on */
#define W0 1
#define W1 1
#define NC 2
#define NJ 4
#define FOREIGN 1
#define SETUP Async(0, 0, 1, BLOCK); Sync(1, 0, 0, BLOCK, NONE); \
  Async(2, 1, 1, PLAIN); Sync(3, 1, 0, PLAIN, NONE)
#elif CONFIG == 7 /* detach during blocking regions, with two workers */
#define W0 2
#define W1 1
#define NC 2
#define NJ 3
#define DETACH
#define SETUP Async(0, 0, 0, BLOCK); Sync(1, 0, 1, NEST, 2); Nested(2, 1, 0, PLAIN)
#elif CONFIG == 8 /* the loop has callouts for ever: leavers get their turn */
#define W0 1
#define W1 1
#define NC 2
#define NJ 1
#define ENDLESS
#define SETUP Async(0, 1, 0, BLOCK)
#elif CONFIG == 9 /* detach, with a job that is woken from outside */
#define W0 1
#define W1 1
#define NC 1
#define NJ 2
#define DETACH
#define SETUP Async(0, 0, 0, OUTSIDE); Sync(1, 0, 1, PLAIN, NONE)
#elif CONFIG == 10 /* the same while stopping */
#define W0 1
#define W1 1
#define NC 1
#define NJ 2
#define STOP
#define DETACH
#define SETUP Async(0, 0, 0, OUTSIDE); Sync(1, 0, 1, PLAIN, NONE)
#elif CONFIG == 11 /* a pool whose thread never comes: nobody else minds */
#define W0 1
#define W1 1
#define NC 3
#define NJ 2
#define ENDLESS
#define ABSENT
#define SETUP Async(0, 1, 0, BLOCK); Async(1, 2, 1, PLAIN)
#endif

#define NOBODY 255
#define NONE   255

/* ---- lanes and who has them: L1 of lane.h ------------------------------- */
#define HOME    0
#define P       1 /* the state's lane in pool 0 */
#define Q       2 /* in pool 1 */
#define FOREIGN_LANE 3 /* another state's, in pool 1 */
#define POOL(l) ((l == P) -> 0 : 1)

mtype = { idle, hand, runs, ready_, parked, pooled, coming };
mtype at[4] = idle; /* a party of L1; `coming` is "a thread is on its way" */
bit busy[3];        /* Lane::busy_ */
chan work[3] = [8] of { byte };

/* ---- the turn ------------------------------------------------------------ */
#define HELD    1
#define WAITERS 2
#define DUE     4
#define URGENT  8

byte word = 0;
bit mu = 0;
byte due = NONE;
chan ready = [3] of { byte };   /* of the holder */
chan urgents = [4] of { byte }; /* loops_ and leaving_, merged by ticket:
                                   HOME, or THREAD(t) */
#define THREAD(t) (10 + (t))
bit in_pools[3];                /* pools_ */
bit ticket[3];                  /* has a ticket */
byte older = NONE;              /* of P and Q with tickets, the older one */
byte passed = 0;
#ifndef MAX_PASSED
#define MAX_PASSED 2
#endif
byte misses[3];                 /* of P and Q: Lane::misses */
#ifndef MAX_MISSES
#define MAX_MISSES 1
#endif

#define AVAILABLE ((word & (HELD | DUE)) == 0)
#define POOL_WAITS (in_pools[P] || in_pools[Q])
#define WAITER_BITS ((len(urgents) > 0) -> (WAITERS | URGENT) : (POOL_WAITS -> WAITERS : 0))

byte wakers = 0; /* threads in WakeNext */

/* Weak fairness does not see to it that a mutex is got by all who want it.  For
 * liveness, who comes back to mu_ in WakeNext is let in before others. */
#ifdef LIVE
byte back = 0;
#define MU_FREE (mu == 0 && back == 0)
#define COMES_BACK(plus) back = back plus 1
#else
#define MU_FREE (mu == 0)
#define COMES_BACK(plus) skip
#endif

/* ghosts: who holds, who waits in TakeWaiting, whether the State is deleted */
byte holder = NOBODY;
#define NT 5 /* thread 0 is the loop, then the workers */
bit waiting[NT];
bit granted[NT]; /* Leaving::granted */
bit gone = 0;

#define ALIVE assert(!gone)
#define TAKEN assert(holder == NOBODY); holder = me /* T1 */

/* ---- pools --------------------------------------------------------------- */
#define WORKERS(p) ((p == 0) -> W0 : W1)
byte awake[2];
chan pool_ready[2] = [2] of { byte };
bit slot_busy[NT];
chan arena[NT] = [1] of { byte }; /* task_arena::enqueue of each slot */
chan tasks = [4] of { byte };     /* the loop's queue: OnLoop of a lane */

/* ---- callouts and jobs --------------------------------------------------- */
#define QUEUED  1
#define RUNNING 2
#define OVER    3
#define SYNC  0
#define ASYNC 1
#define SCHED 2 /* the completion function runs on the home loop */
#define PLAIN 0
#define NEST  1 /* calls job_sub, synchronously */
#define BLOCK 2
#define OUTSIDE 3

/* configuration, written once by init */
byte job_pool[NJ]; byte job_does[NJ]; byte job_mode[NJ];
byte job_sub[NJ] = NONE; byte job_caller[NJ] = NONE; /* callout, or JOB(job) */
byte call_sync[NC] = NONE; byte call_async[NC] = NONE;

byte stage[NJ]; byte call[NC]; /* 0, QUEUED, RUNNING, OVER */
bit has_caller[NJ]; /* Job::script */
bit waits[NJ];      /* Script::wait of a closure */
bit outside[NJ];    /* ... is in somebody's list */
bit call_waits[NC]; bit cancelled[NC];
byte jobs = 0; byte callouts = 0; byte to_run = NC;
bit closing = 0; bit detaching = 0; bit detach_called = 0;
bit detach_queued = 0; bit detach_over = 0;
bit unlisted = 0; bit engine_mu = 0; bit stop_asked = 0;

/* work items */
#define START(c)  c
#define RESUME(c) (4 + c)
#define CANCEL_(c) (8 + c)
#define JOB(j)    (16 + j)
#define GO_ON(j)  (24 + j)
#define COMPLETE(j) (32 + j)
#define DETACH_ 40
#define DONE_   41
#define ALL_    42
#define LANE(j) (1 + job_pool[j])

/* ---- lane.cpp, state.cpp: one step each, by the holder ------------------- */

/* Lane::Push: `mine` tells whether the lane was idle. */
inline Push(l, w) {
  ALIVE;
  work[l]!w;
  if
  :: busy[l] -> mine = 0
  :: else -> assert(at[l] == idle); busy[l] = 1; at[l] = hand; mine = 1
  fi
}

/* Lane::Settle */
inline Settle(l) {
  if
  :: len(work[l]) > 0 -> mine = 1
  :: else -> busy[l] = 0; at[l] = idle; mine = 0
  fi
}

/* Turn::Ready */
inline Ready(l) { at[l] = ready_; ready!l }

/* State::Queue */
inline Queue(l, w) {
  Push(l, w);
  if :: mine -> Ready(l) :: else fi
}

/* State::FinishDetachIfOver */
inline FinishDetachIfOver() {
  if
  :: detaching && !detach_queued && jobs == 0 && callouts == 0 ->
     detach_queued = 1; Queue(HOME, DONE_)
  :: else
  fi
}

/* EndJob, State::JobOver: every job ends exactly once. */
inline EndJob(j) {
  assert(stage[j] == QUEUED || stage[j] == RUNNING);
  stage[j] = OVER; jobs--;
  FinishDetachIfOver()
}

/* Deliver, DeliverFailure, WakeScript */
inline Deliver(j) {
  if
  :: has_caller[j] ->
     has_caller[j] = 0;
     if
     :: job_caller[j] < 4 ->
        call_waits[job_caller[j]] = 0; Queue(HOME, RESUME(job_caller[j]))
     :: else ->
        waits[job_caller[j] - 16] = 0;
        Queue(LANE(job_caller[j] - 16), GO_ON(job_caller[j] - 16))
     fi
  :: else
  fi
}

/* CancelJob of a queued one: DropJob */
inline CancelJob(j) {
  assert(work[LANE(j)]??[eval(JOB(j))]);
  work[LANE(j)]??eval(JOB(j));
  Deliver(j); EndJob(j)
}

/* l_run_in_pool, FlushJobs: `ok` is 0 when it is refused. */
inline SubmitJob(j) {
  ok = !closing;
  if
  :: ok -> assert(stage[j] == 0); stage[j] = QUEUED; jobs++;
           has_caller[j] = (job_mode[j] == SYNC); Queue(LANE(j), JOB(j))
  :: else
  fi
}

/* AfterClosure */
inline AfterClosure(j) {
  if
  :: job_mode[j] == SCHED -> Queue(HOME, COMPLETE(j))
  :: else -> Deliver(j); EndJob(j)
  fi
}

/* State::EndCallout */
inline EndCallout(c) {
  if
  :: cancelled[c] && work[HOME]??[eval(CANCEL_(c))] -> work[HOME]??eval(CANCEL_(c))
  :: else
  fi;
  assert(call[c] == QUEUED || call[c] == RUNNING);
  if :: call[c] == RUNNING -> callouts-- :: else fi;
  call[c] = OVER;
  FinishDetachIfOver()
}

/* State::CancelAll: what is queued is dropped, waits end. */
inline CancelAll() {
  closing = 1;
  i = 0;
  do
  :: i < NJ ->
     if :: stage[i] == QUEUED -> CancelJob(i) :: else fi;
     i++
  :: else -> break
  od;
  i = 0;
  do
  :: i < NJ ->
     if
     :: stage[i] == RUNNING && outside[i] ->
        outside[i] = 0; waits[i] = 0; Queue(LANE(i), GO_ON(i))
     :: else
     fi;
     i++
  :: else -> break
  od;
  i = 0
}

/* ---- turn.cpp ------------------------------------------------------------ */

/* A ticket is given up with the turn taken. */
inline Unticket(l) {
  if
  :: l != HOME ->
     ticket[l] = 0; misses[l] = 0;
     older = (ticket[P] -> P : (ticket[Q] -> Q : NONE))
  :: else
  fi
}

/* Turn::Park, under mu_ */
inline Park(l) {
  assert(at[l] != parked && at[l] != pooled); /* L1 */
  at[l] = parked;
  if
  :: l == HOME -> urgents!HOME; word = word | URGENT
  :: else ->
     if
     :: !ticket[l] -> ticket[l] = 1; if :: older == NONE -> older = l :: else fi
     :: else
     fi;
     in_pools[l] = 1
  fi
}

/* the first of pools_, by ticket */
inline FirstPoolLane(l) {
  l = ((in_pools[P] && (!in_pools[Q] || older == P)) -> P : (in_pools[Q] -> Q : NONE));
  if :: l != NONE -> in_pools[l] = 0; at[l] = hand :: else fi
}

/* Turn::TryTake, TryTakeContended: the compare-exchange that succeeds, or the
 * load that finds the turn held or due. */
inline TryTake() {
  ALIVE;
  if
  :: AVAILABLE -> word = word | HELD; TAKEN; ok = 1
  :: else -> ok = 0
  fi
}

/* Turn::TakeWaiting: the one place where a thread waits, never a loop (T3), and
 * never for another job (T5): after a blocking region (T6), and with a lane that
 * has been passed too often (T7). */
inline TakeWaiting() {
  assert(me != 0);
  atomic { TryTake() }
  if
  :: ok
  :: else ->
     atomic {
       MU_FREE -> ALIVE;
       if
       :: AVAILABLE -> word = word | HELD; TAKEN; ok = 1
       :: else -> word = word | WAITERS; urgents!THREAD(me);
                  word = word | URGENT; waiting[me] = 1
       fi
     }
     if
     :: ok
     :: else -> atomic { granted[me] -> ALIVE; granted[me] = 0;
                         waiting[me] = 0; assert(holder == me) }
     fi
  fi
}

/* Turn::TakeOrPark: first without mu_ (TryTake, TakeDue), then with it
 * (TakeOrParkLocked), or in line on its stack. */
inline TakeOrPark(l) {
  atomic {
    TryTake();
    if :: ok -> Unticket(l); at[l] = runs :: else fi
  }
  atomic {
    if
    :: !ok && due == l && word == DUE ->
       word = HELD; due = NONE; TAKEN; ok = 1; Unticket(l); at[l] = runs
    :: else
    fi
  }
  if
  :: ok
  :: !ok && l != HOME && misses[l] >= MAX_MISSES ->
     TakeWaiting();
     atomic { ok = 1; Unticket(l); at[l] = runs }
  :: else ->
     atomic {
       MU_FREE -> ALIVE;
       if
       :: due == l -> due = NONE; assert(word & DUE); word = HELD | WAITER_BITS;
                      TAKEN; ok = 1; Unticket(l); at[l] = runs
       :: due != l && AVAILABLE -> /* TakeOrAnnounce takes */
                      word = word | HELD; TAKEN; ok = 1; Unticket(l); at[l] = runs
       :: else ->     /* TakeOrAnnounce announces */
                      word = word | WAITERS; Park(l);
                      if :: l != HOME -> misses[l]++ :: else fi
       fi
     }
  fi
}

/* Turn::TakePoolLane: the turn is free, and others may take it at any moment. */
inline TakePoolLane() {
  atomic {
    mu == 0 -> mu = 1; ALIVE; COMES_BACK(-);
    if
    :: AVAILABLE -> assert(len(urgents) == 0); /* I2 */ FirstPoolLane(chosen)
    :: else -> chosen = NONE /* whoever has it wakes the next */
    fi
  }
  atomic { /* the compare-exchange */
    ALIVE;
    if
    :: AVAILABLE -> word = WAITER_BITS
    :: else -> if :: chosen != NONE -> Park(chosen); chosen = NONE :: else fi
    fi
  }
  atomic { ALIVE; mu = 0 }
}

/* Turn::WakeNext with TakeOwed and TakeLeaving: one step, since others only read
 * the word while it is held.  is_self: the caller is about to look for work. */
inline WakeNext(is_self) {
  atomic {
    MU_FREE -> ALIVE; assert(holder == me);
    do :: ready?i -> Park(i) :: empty(ready) -> break od; i = 0;
    owed = NONE;
    passed = (POOL_WAITS && len(urgents) > 0 -> passed + 1 : 0);
    if
    :: len(urgents) > 0 ->
       if
       :: passed >= MAX_PASSED -> /* TakeOwed */
          passed = 0; FirstPoolLane(owed); misses[owed] = MAX_MISSES
       :: else
       fi;
       urgents?chosen;
       if :: chosen == HOME -> at[HOME] = hand :: else fi
    :: else -> FirstPoolLane(chosen)
    fi;
    holder = NOBODY;
    word = WAITER_BITS;
    if
    :: chosen >= THREAD(0) && chosen != NONE -> /* T2: it waits, now */
       assert(waiting[chosen - THREAD(0)] && !granted[chosen - THREAD(0)]);
       word = word | HELD; holder = chosen - THREAD(0)
    :: chosen == HOME -> word = word | DUE; due = HOME
    :: else
    fi
  }
  if
  :: chosen >= THREAD(0) && chosen != NONE ->
     atomic { granted[chosen - THREAD(0)] = 1; chosen = NONE }
  :: else
  fi;
  if
  :: owed != NONE -> Wake(owed, is_self); atomic { owed = NONE; ok = 0 }
  :: else
  fi;
  do
  :: chosen == NONE -> break
  :: else ->
     Wake(chosen, is_self);
     if
     :: ok -> atomic { chosen = NONE }
     :: else -> atomic { COMES_BACK(+) } TakePoolLane()
     fi
  od
}

/* Turn::Release, ReleaseTo: one compare-exchange if nobody waits but at most one
 * lane that has become ready. */
inline Release(is_self) {
  atomic {
    ALIVE; assert(holder == me);
    if
    :: len(ready) == 0 && word == HELD -> word = 0; holder = NOBODY; fast = 1
    :: len(ready) == 1 && word == HELD ->
       ready?chosen; at[chosen] = hand; holder = NOBODY; fast = 1;
       if :: chosen == HOME -> due = HOME; word = DUE :: else -> word = 0 fi
    :: else -> fast = 0; wakers++
    fi
  }
  if
  :: fast && chosen != NONE -> Wake(chosen, is_self)
  :: fast && chosen == NONE
  :: else ->
     WakeNext(is_self);
     atomic { ALIVE; wakers-- }
  fi;
  atomic { fast = 0; chosen = NONE; ok = 0 }
}

/* Turn::Submit: from outside. */
inline Submit(l) {
  atomic {
    MU_FREE -> ALIVE;
    if
    :: !AVAILABLE -> word = word | WAITERS; Park(l); ok = 0
    :: AVAILABLE && l == HOME -> word = DUE | WAITER_BITS; due = HOME; ok = 1
    :: else -> ok = 1
    fi
  }
  if :: ok -> Wake(l, 0) :: else fi
}

/* ---- pool.cpp ------------------------------------------------------------ */

inline TakeSlot(p) {
  i = ((p == 0) -> 1 : 1 + W0);
  do :: slot_busy[i] -> i++ :: else -> break od;
  slot_busy[i] = 1; awake[p]++
}

/* Executor::Wake: Pool's and Loop's.  `ok`: a thread will come now. */
inline Wake(l, is_self) {
  atomic {
    assert(l == FOREIGN_LANE || at[l] == hand); /* L1 */
    if
    :: l == HOME -> at[l] = coming; tasks!l; ok = 1
    :: l != HOME && is_self && my_pool == POOL(l) && next == NONE ->
       if
       :: nempty(pool_ready[my_pool]) -> /* an older lane goes first */
          pool_ready[my_pool]?next; at[next] = coming;
          pool_ready[my_pool]!l; at[l] = pooled; ok = 0
       :: true -> next = l; at[l] = coming; ok = 1
       fi
    :: else ->
       if
       :: awake[POOL(l)] >= WORKERS(POOL(l)) -> /* P1 */
          pool_ready[POOL(l)]!l; at[l] = pooled; ok = 0
       :: else ->
          assert(empty(pool_ready[POOL(l)]));
          TakeSlot(POOL(l)); at[l] = coming; arena[i]!l; i = 0; ok = 1
       fi
    fi
  }
}

/* Pool::NextLane */
inline NextLane() {
  atomic {
    if
    :: next != NONE -> lane = next; next = NONE
    :: else ->
       if
       :: pool_ready[my_pool]?lane -> at[lane] = coming
       :: empty(pool_ready[my_pool]) ->
          slot_busy[me] = 0; awake[my_pool]--; lane = NONE
       fi
    fi
  }
}

/* Pool::Forget's first half */
inline TakeOut(l) {
  if
  :: pool_ready[POOL(l)]??[eval(l)] -> pool_ready[POOL(l)]??eval(l); at[l] = hand; ok = 1
  :: else -> ok = 0
  fi
}

/* ---- what lanes run ------------------------------------------------------ */

#define LOCALS bit ok; bit mine; bit fast; \
  byte chosen = NONE; byte owed = NONE; byte i; byte n; byte next = NONE; byte w

/* StartJob, ResumeJob, by a worker.  `block`: the closure is now in
 * blocking_begin. */
inline RunInPool() {
  if
  :: w < GO_ON(0) ->
     assert(stage[w - JOB(0)] == QUEUED);
     stage[w - JOB(0)] = RUNNING;
     w = w - JOB(0);
     if
     :: job_does[w] == PLAIN -> AfterClosure(w)
     :: job_does[w] == BLOCK -> block = 1
     :: job_does[w] == OUTSIDE -> waits[w] = 1; outside[w] = 1
     :: job_does[w] == NEST ->
        SubmitJob(job_sub[w]);
        if :: ok -> waits[w] = 1 :: else -> AfterClosure(w) fi
     fi
  :: else ->
     assert(stage[w - GO_ON(0)] == RUNNING);
     w = w - GO_ON(0); waits[w] = 0;
     AfterClosure(w)
  fi
}

/* OnStart, OnResume, OnCancel, CompleteAtHome, OnDetach, OnCancelAll; not
 * OnDetachDone, which takes several steps. */
inline RunAtHome() {
  if
  :: w < RESUME(0) -> /* OnStart: runInPool, asynchronous, then synchronous */
     if
     :: closing -> EndCallout(w)
     :: else ->
        call[w] = RUNNING; callouts++;
        if :: call_async[w] != NONE -> SubmitJob(call_async[w]) :: else fi;
        if
        :: call_sync[w] != NONE -> SubmitJob(call_sync[w]); call_waits[w] = 1
        :: else -> EndCallout(w)
        fi
     fi
  :: w >= RESUME(0) && w < CANCEL_(0) ->
     assert(!call_waits[w - RESUME(0)]);
     EndCallout(w - RESUME(0))
  :: w >= CANCEL_(0) && w < JOB(0) -> /* OnCancel */
     w = w - CANCEL_(0);
     if
     :: call_waits[w] -> /* Job::Abandon */
        call_waits[w] = 0; has_caller[call_sync[w]] = 0;
        if :: stage[call_sync[w]] == QUEUED -> CancelJob(call_sync[w]) :: else fi
     :: else ->
        assert(work[HOME]??[eval(RESUME(w))]);
        work[HOME]??eval(RESUME(w))
     fi;
     if
     :: call_async[w] != NONE && stage[call_async[w]] == QUEUED ->
        CancelJob(call_async[w]) /* DropAllQueued */
     :: else
     fi;
     EndCallout(w)
  :: w >= COMPLETE(0) && w < DETACH_ -> EndJob(w - COMPLETE(0))
  :: w == DETACH_ -> detaching = 1; CancelAll(); FinishDetachIfOver()
  :: w == ALL_ -> CancelAll()
  fi
}

/* State::OnDetachDone */
inline OnDetachDone() {
  atomic { engine_mu == 0 -> detach_queued = 0; unlisted = 1 } /* Unlist */
  atomic {
    if
    :: len(work[HOME]) > 0 || wakers > 0 -> detach_queued = 1; Queue(HOME, DONE_); fast = 0
    :: else -> fast = 1
    fi
  }
  if
  :: fast ->
     n = P;
     do
     :: n <= Q ->
        atomic { TakeOut(n) } /* Pool::Forget */
        atomic { if :: ok -> Settle(n); assert(!mine) :: else fi }
        atomic { fast = fast && !busy[n]; n++ }
     :: else -> break
     od;
     atomic {
       n = 0;
       if :: fast && jobs == 0 && callouts == 0 -> detach_over = 1 :: else fi;
       fast = 0
     }
  :: else
  fi
}

/* ---- threads ------------------------------------------------------------- */

/* Pool::Work with State::RunLane inlined. */
proctype Worker(byte me; byte my_pool) {
  LOCALS; byte lane = NONE; bit block; bit has;
end_arena:
  do
  :: atomic { arena[me]?lane }
     do
     :: lane == FOREIGN_LANE -> at[FOREIGN_LANE] = idle; NextLane()
     :: lane == P || lane == Q ->
        TakeOrPark(lane); /* T4: does not wait */
        if
        :: !ok
        :: else ->
           has = 1; /* slice.lane */
           do
           :: atomic { /* Lane::PopOrSettle, work->run */
                assert(holder == me && !gone);
                if
                :: !has -> break
                :: has && len(work[lane]) == 0 -> has = 0; Settle(lane); break
                :: else -> work[lane]?w; RunInPool(); ok = 0
                fi
              }
              if
              :: block -> /* State::LeaveTurn */
                 atomic {
                   block = 0; has = 0; Settle(lane);
                   if :: mine -> Ready(lane) :: else fi
                 }
                 Release(0);
                 TakeWaiting(); /* State::ReenterTurn */
                 atomic { ok = 0; AfterClosure(w) }
              :: else
              fi;
              w = 0;
              if
              :: break /* T9: urgent, or the batch is over */
              :: true
              fi
           od;
           atomic {
             w = 0;
             if
             :: has -> has = 0; Settle(lane); if :: mine -> Ready(lane) :: else fi
             :: else
             fi;
             if :: detaching -> FinishDetachIfOver() :: else fi;
             ok = 0; mine = 0
           }
           Release(1)
        fi;
        atomic { ok = 0; NextLane() }
     :: else -> break
     od
  od
}

/* The home loop: the host's event loop, LoopLane::OnLoop, State::Run, Cancel,
 * Detach, with RunLane inlined.  T3: it waits for nothing but mutexes. */
proctype Loop() {
  LOCALS; byte me = 0; byte my_pool = 9;
end_loop:
  do
  :: atomic {
       if
       :: tasks?n -> assert(n == HOME && !gone); n = 0; mine = 1
       :: to_run > 0 && !detach_called -> /* State::Run */
          to_run--; call[to_run] = QUEUED; Push(HOME, START(to_run))
#ifdef ENDLESS
       :: call[0] == OVER -> call[0] = QUEUED; Push(HOME, START(0))
#endif
#ifdef CANCEL
       :: call[0] != 0 && call[0] != OVER && !cancelled[0] -> /* State::Cancel */
          cancelled[0] = 1; Push(HOME, CANCEL_(0))
#endif
#ifdef DETACH
       :: !detach_called -> detach_called = 1; Push(HOME, DETACH_)
#endif
       :: timeout -> goto finished
       fi
     }
     if
     :: !mine
     :: else ->
        TakeOrPark(HOME);
        if
        :: !ok
        :: else ->
           do
           :: atomic {
                assert(holder == me && !gone);
                if
                :: len(work[HOME]) == 0 -> break
                :: else ->
                   work[HOME]?w;
                   if :: w != DONE_ -> RunAtHome() :: else fi
                fi
              }
              if
              :: w == DONE_ -> OnDetachDone()
              :: else
              fi;
              w = 0;
              if
              :: !detach_over -> break /* the batch is over */
              :: true
              fi
           od;
           atomic {
             w = 0; ok = 0;
             Settle(HOME);
             if :: mine -> Ready(HOME) :: else fi;
             mine = 0
           }
           if
           :: detach_over -> atomic { /* State::FinishDetach */
                assert(!gone && mu == 0 && word == HELD && empty(ready));
                detach_over = 0; holder = NOBODY; gone = 1; word = 0
              }
           :: else -> Release(0)
           fi
        fi
     fi;
     atomic { mine = 0; ok = 0 }
  od;
finished: /* nothing can happen any more: has everything? */
  atomic {
    assert(word == 0 && due == NONE && holder == NOBODY && mu == 0);
    assert(empty(ready) && empty(urgents) && !POOL_WAITS && wakers == 0);
    assert(jobs == 0 && callouts == 0 && awake[0] == 0 && awake[1] == 0);
    assert(empty(pool_ready[0]) && empty(pool_ready[1]) && empty(tasks));
    i = 0;
    do
    :: i < 3 -> assert(!busy[i] && at[i] == idle && empty(work[i])); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < NC -> assert(call[i] == OVER || (detach_called && call[i] == 0)); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < NJ ->
       assert(stage[i] == OVER || (stage[i] == 0 && (closing || cancelled[0])));
       i++
    :: else -> break
    od;
#ifdef DETACH
    assert(gone)
#endif
  }
}

/* Timers, locks, other states' pools, Engine::Stop: State::PostToLane. */
proctype Outside() {
  LOCALS; byte me = NT; byte my_pool = 9; byte lane = NONE;
#ifdef FOREIGN
  byte left = FOREIGN;
#endif
end_outside:
  do
  :: atomic { outside[0] -> outside[0] = 0; lane = LANE(0); Push(lane, GO_ON(0)) }
     if :: mine -> Submit(lane) :: else fi;
     atomic { mine = 0; ok = 0; lane = NONE }
#ifdef STOP
  :: atomic { !stop_asked && !unlisted && engine_mu == 0 -> /* RequestCancelAll */
       stop_asked = 1; engine_mu = 1; Push(HOME, ALL_) }
     if :: mine -> Submit(HOME) :: else fi;
     atomic { engine_mu = 0; mine = 0; ok = 0 }
#endif
#ifdef FOREIGN
  :: atomic { left > 0 && at[FOREIGN_LANE] == idle -> left--; at[FOREIGN_LANE] = hand }
     Wake(FOREIGN_LANE, 0);
     ok = 0
#endif
  od
}

/* I1, I2, I3: true whenever mu_ is free. */
#define WAITER_EXISTS (len(urgents) > 0 || POOL_WAITS)
#define ON_ITS_WAY (at[P] == coming || at[Q] == coming || at[HOME] == coming || \
                    at[P] == hand || at[Q] == hand || at[HOME] == hand || wakers > 0)
#define COUNTS_ON_IT (len(urgents) > 0)
#define BROKEN ((WAITER_EXISTS && (word & WAITERS) == 0) ||     /* I1 */ \
                (AVAILABLE && (COUNTS_ON_IT ||                  /* I2 */ \
                               (WAITER_EXISTS && !ON_ITS_WAY))) || \
                ((word & DUE) != 0 && due == NONE) ||           /* I3 */ \
                ((word & (HELD | DUE)) == (HELD | DUE)))
proctype Monitor() {
end_monitor:
  atomic { mu == 0 && BROKEN -> assert(false) }
}

/* T7 and the end of everything, under weak fairness.  All configurations but the
 * endless ones have a finite amount of work, so nobody waits for ever exactly if
 * there comes a time after which nobody waits and nothing is left. */
#ifdef ENDLESS
ltl t7 { [] ((waiting[1] -> <> !waiting[1]) &&
             (at[P] == parked -> <> (at[P] == runs)) &&
             (at[HOME] == parked -> <> (at[HOME] == runs))) }
#else
ltl t7 { <> [] (word == 0 && !WAITER_EXISTS && jobs == 0 && callouts == 0 && to_run * (1 - detach_called) == 0) }
#endif

/* callout c calls job j in pool p, which does d (with a nested call to s) */
inline Sync(j, c, p, d, s) {
  call_sync[c] = j; job_caller[j] = c; job_pool[j] = p; job_does[j] = d; job_sub[j] = s
}
inline Async(j, c, p, d) {
  call_async[c] = j; job_mode[j] = ASYNC; job_pool[j] = p; job_does[j] = d
}
inline Sched(j, c, p, d) {
  call_async[c] = j; job_mode[j] = SCHED; job_pool[j] = p; job_does[j] = d
}
/* ... by the closure of job k */
inline Nested(j, k, p, d) { job_caller[j] = JOB(k); job_pool[j] = p; job_does[j] = d }

init {
  atomic {
    byte i = 1;
    SETUP;
    run Loop();
    do
#ifdef ABSENT
    :: i == W0 + W1 -> break
    :: i < W0 + W1 -> run Worker(i, (i <= W0 -> 0 : 1)); i++
#else
    :: i <= W0 + W1 -> run Worker(i, (i <= W0 -> 0 : 1)); i++
    :: else -> break
#endif
    od;
    run Outside();
    run Monitor()
  }
}
