---@meta msys
-- What the plugin puts into every Lua state, for lua-language-server and other
-- editors that read its annotations: add this directory to "workspace.library".
-- It is never run.  tests/lua_surface compares it with the plugin.
-- luacheck: ignore, no max line length

---Thread pools, locks and sleep for policies.
msys = {}

---A thread pool: its name, in any letter case, or its id.
---@alias msys.poolkey string|integer

---Constants.
msys.core = {}

---The thread pools and their figures.
msys.threadpool = {}

---Locks of one Lua state.
thread = {}

---A table of the SMTP session.  The session's callouts, the closures they submit
---and their completion functions see the same one; a coroutine has its own, and
---finalisers have one that no session sees.
---`next` and `rawget` see nothing in it: use `pairs`.  What `rawset` puts into it
---all sessions see.
---@type table<any, any>
_TLS = {}

---A table of the OS thread, and of this Lua state.
---`next` and `rawget` see nothing in it: use `pairs`.  What `rawset` puts into it
---all threads see.
---@type table<any, any>
_OSTLS = {}

---Runs a closure on a thread of a pool.
---
---Without a third argument the calling script is suspended until the closure has
---ended; it gets what `pcall` would give.  With `true`, the closure starts when the
---script ends or waits, nothing is returned, and a failure is logged.  With a function,
---that is called after the closure, on the same OS thread, with what `pcall`
---would give; the call returns `true` and a job at once (or, where the server is
---configured so, waits and returns the closure's results).
---
---It waits only where Lua can be suspended: not in a comparator of `table.sort`,
---a callback of `string.gsub`, or `require`.  There it raises an error.
---@param pool msys.poolkey
---@param closure fun(): ...
---@param mode? boolean|fun(ok: boolean, ...)
---@param completion_mode? integer `msys.core.ECTP_COMPLETE_CALLBACK_SCHED`: the completion function runs on the home loop
---@return boolean ok
---@return any ... the results, or the error, or an `msys.job`
---@overload fun(pool: msys.poolkey, closure: fun(): ...): boolean, ...
---@overload fun(pool: msys.poolkey, closure: fun(): ..., mode: true)
---@overload fun(pool: msys.poolkey, closure: fun(): ..., completion: fun(ok: boolean, ...), completion_mode?: integer): boolean, msys.job
function msys.runInPool(pool, closure, mode, completion_mode) end

---Runs a function on the thread of an event loop.  It runs in this Lua state and
---sees what its caller sees; the calling script is suspended until it has ended.
---What it waits for brings it back to that loop.
---@param inst integer the loop's number, from 0
---@param f fun(): ...
---@return boolean ok
---@return any ... the results, or the error
function msys.runInInst(inst, f) end

---Sleeps.  On a loop only the calling script does; in a pool the worker does, and
---other scripts and closures of this Lua state go on, those of the same pool on other
---threads of it.  Raises an error when the state is detached, or the server stops,
---before the time is over; not in a callout that the server has cancelled by then.
---@param seconds number 0 to 1000000000, with fractions
function msys.sleep(seconds) end

---Locks a name, in all Lua states of the server.  While another script or closure
---has it the calling one is suspended; those who wait get it in the order in
---which they came.  Locking what one holds already is an error, and so is what a
---script of this Lua state holds that waits, itself, for the caller.
---A script that ends without unlocking is logged, and its lock is unlocked.
---@param name string any bytes
---@return true
function msys.lock(name) end

---Unlocks a name.  It is an error when the calling script or closure has not
---locked it.
---@param name string
function msys.unlock(name) end

---@class msys.job
---What `runInPool` returns when it is given a completion function.
local job = {}

---Suspends the calling script until the closure has ended.  It is an error when the
---closure waits for the caller.
---@return boolean ok
---@return any ... the closure's results, or the error
function job:wait() end

---@return "queued"|"running"|"done"|"cancelled"
function job:status() end

---Drops the job.  Who waits for it gets `false` and a reason.
---@return boolean cancelled false: it has started, or is over
function job:cancel() end

---How many pools there are.
---@return integer
function msys.threadpool.count() end

---@class msys.threadpool.pool
---@field name string as it is configured
---@field id integer

---@param pool msys.poolkey
---@return msys.threadpool.pool? pool nil: there is no such pool
function msys.threadpool.find(pool) end

---@class msys.threadpool.stat
---Figures since the server's start, or the console command `threads reset`, and of
---the moment of the call.  `tostring` gives the operators' layout.
---@field name string
---@field id integer
---@field concurrency integer how many threads it may have
---@field backlog integer how many jobs may wait; 0: any number
---@field invocations integer closures that were started
---@field avg_concurrency number closures that ran at the same time, on average
---@field saturation number the same as a share of the concurrency, 0 to 1
---@field avg_wallclock_time_per_op number seconds from a closure's start to its end
---@field queue_sz integer jobs that wait for a thread
---@field num_threads integer threads that are in the pool now
---@field num_active_threads integer of these, running a closure or a completion function
---@field num_inactive_threads integer of these, running none
---@field job_num_queued integer as queue_sz
---@field job_num_running integer closures that have a thread now
---@field job_num_suspended integer closures that wait for something, without one
---@field job_num_completing integer closures that are over, but for their completion functions
---@field submitted integer jobs; the sum of the next four and of those not over
---@field done integer
---@field failed integer ended with a Lua error
---@field cancelled integer dropped before they started
---@field refused integer never accepted
---@field parked integer times that a thread found a job's Lua state busy
---@field wait_p50 number seconds to the start, from when the submitting script waited or ended, also for room in the backlog: half waited less
---@field wait_p99 number 99 of 100 waited less
---@field wait_max number
---@field run_p50 number seconds from start to end: half took less
---@field run_p99 number
---@field run_max number

---@param pool msys.poolkey
---@return msys.threadpool.stat? stat nil: there is no such pool
function msys.threadpool.stat(pool) end

---The pool and the worker on whose thread this runs; nil on a loop.
---@return string? pool
---@return integer? worker from 1
function msys.threadpool.current() end

---@class thread.mutex
---A lock of one Lua state, held by the script or closure that locked it, whatever
---thread that runs on.  `local guard <close> = mutex` unlocks it once, if its script
---holds it by then.
local mutex = {}

---While another script or closure has it the calling one is suspended; those who
---wait get it in the order in which they came.  It is an error when its holder
---waits, itself, for the caller.
---@return true
function mutex:lock() end

---@return boolean locked false: another one has it or, unless it is recursive, the caller
function mutex:trylock() end

---It is an error when the calling script or closure has not locked it.
function mutex:unlock() end

---Makes a mutex.
---@param type? integer `thread.MUTEX_ERRORCHECK` when it is not given
---@return thread.mutex
function thread.mutex(type) end

---Locking it twice waits for ever, or until the script is cancelled.
thread.MUTEX_NORMAL = 0
---May be locked again by its holder, and must be unlocked as often.
thread.MUTEX_RECURSIVE = 1
---Locking it twice is an error.
thread.MUTEX_ERRORCHECK = 2

---Completion modes of runInPool: only the one that ends in _CALLBACK_SCHED
---changes anything.
msys.core.ECTP_COMPLETE_NONE = 0
msys.core.ECTP_COMPLETE_EVENT = 1
msys.core.ECTP_COMPLETE_MODULE = 2
---The completion function runs on the closure's OS thread.
msys.core.ECTP_COMPLETE_CALLBACK = 3
msys.core.ECTP_COMPLETE_SEMAPHORE = 4
msys.core.ECTP_COMPLETE_SYNC = 5
---The completion function runs on the home loop of the Lua state.
msys.core.ECTP_COMPLETE_CALLBACK_SCHED = 6
msys.core.ECTP_COMPLETE_EVENT_INST = 7
msys.core.ECTP_COMPLETE_CALLBACK_SCHED_INST = 8

---Ids of pools.  Those from 0 to 7 are predefined; 8 and 9 are for a host that has such
---pools, and SHORT_LIVED is none of a pool.
msys.core.ECTP_CLASS_SHORT_LIVED = -1
msys.core.ECTP_CLASS_CPU = 0
msys.core.ECTP_CLASS_IO = 1
msys.core.ECTP_CLASS_SWAPOUT = 2
msys.core.ECTP_CLASS_SWAPIN = 3
msys.core.ECTP_CLASS_CLOSE = 4
msys.core.ECTP_CLASS_UNLINK = 5
msys.core.ECTP_CLASS_BATCH_UNLINK = 6
msys.core.ECTP_CLASS_SPOOL_IN = 7
msys.core.ECTP_CLASS_ASYNC_BOUNCE = 8
msys.core.ECTP_CLASS_SIEVE_IO = 9

---What a validation function returns.  A server with values of its own has those.
msys.core.VALIDATE_CONT = 0
msys.core.VALIDATE_DONE = 1
msys.core.VALIDATE_AGAIN = 2
