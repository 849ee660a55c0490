/* The smallest host of the runInPool plugin: one loop, one Lua state, one
 * session.  Start your own host from here; the steps are those of
 * msys/plugin.h, which says what each call may do and who owns what.
 *
 *   host POLICY.lua [PLUGIN.so]
 *
 * loads the policy and calls its function on_mail(sender), which may use
 * msys.runInPool.  A mail server does the same for each phase of each session,
 * from its own event loop.
 */
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <msys/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void die(const char *what, const char *why) {
  fprintf(stderr, "host: %s: %s\n", what, why);
  exit(1);
}

/* ---- The loop: a queue of the plugin's tasks, run by main()'s thread.  In a
 * mail server, post() hands the task to the event loop and wakes it, by an
 * eventfd for instance.  A task brings room for two pointers: no memory. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;
static pthread_t loop_thread;
static msys_task *first, *last;

/* [any] Called by the threads of the pools too. */
static void post(void *ctx, uint32_t loop, msys_task *task) {
  (void)ctx, (void)loop; /* one loop: number 0 */
  task->host[0] = NULL;  /* the next task */
  pthread_mutex_lock(&mutex);
  if (last != NULL) last->host[0] = task;
  if (first == NULL) first = task;
  last = task;
  pthread_cond_signal(&posted);
  pthread_mutex_unlock(&mutex);
}

/* Runs one task, or returns when none has come for a tenth of a second. */
static void run_one_task(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 100000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&mutex);
  while (first == NULL &&
         pthread_cond_timedwait(&posted, &mutex, &until) != ETIMEDOUT)
    continue;
  msys_task *task = first;
  if (task != NULL && (first = task->host[0]) == NULL) last = NULL;
  pthread_mutex_unlock(&mutex);
  if (task != NULL) task->run(task); /* without the mutex: it may post */
}

static int on_loop(void *ctx, uint32_t loop) {
  (void)ctx, (void)loop;
  return pthread_equal(pthread_self(), loop_thread);
}

static void log_line(void *ctx, int32_t level, const char *component,
                     const char *text) {
  (void)ctx;
  fprintf(stderr, "<%d> %s: %s\n", (int)level, component, text);
}

/* ---- Callouts.  The plugin calls prepare() and finish() on the loop, where
 * they may use L as any C function may.  Nothing else touches the state. */
struct call {
  const char *argument;
  int over, failed;
};

static int prepare_load(void *ctx, lua_State *L) {
  struct call *call = ctx;
  if (luaL_loadfile(L, call->argument) != LUA_OK) lua_error(L);
  return 0; /* the function is pushed, with no arguments */
}

static int prepare_on_mail(void *ctx, lua_State *L) {
  struct call *call = ctx;
  if (lua_getglobal(L, "on_mail") != LUA_TFUNCTION) return -1;
  lua_pushstring(L, call->argument);
  return 1;
}

static void finish(void *ctx, lua_State *L, msys_status status, int count) {
  struct call *call = ctx;
  call->over = 1;
  call->failed = status != MSYS_OK;
  if (status == MSYS_E_LUA) /* below it is the error value itself */
    fprintf(stderr, "host: the policy failed: %s\n", lua_tostring(L, -1));
  else if (status != MSYS_OK)
    fprintf(stderr, "host: the policy was not run: status %d\n", (int)status);
  else if (count > 0)
    printf("the policy says: %s\n", luaL_tolstring(L, -count, NULL));
}

static const msys_api *api;

static int call_policy(msys_state *state, msys_session *session,
                       const char *name, int (*prepare)(void *, lua_State *),
                       const char *argument) {
  struct call call = {argument, 0, 0};
  /* It must stay where it is until finish().  Real hosts have many in flight,
   * each in the memory of its session. */
  msys_callout callout = {.struct_size = sizeof callout,
                          .ctx = &call,
                          .session = session,
                          .name = name,
                          .prepare = prepare,
                          .finish = finish};
  if (api->run(state, &callout) != MSYS_OK) die(name, "cannot be run");
  while (!call.over) run_one_task();
  return call.failed;
}

static void on_detached(void *ctx) { *(int *)ctx = 1; }

int main(int argc, char **argv) {
  if (argc < 2) die("usage", "host POLICY.lua [PLUGIN.so]");
  msys_error error = {.struct_size = sizeof error};

  /* Step 1: load the plugin and ask for its functions.  It takes lua_* from
   * this process: from liblua5.4, or, where Lua is linked statically, from the
   * program, which then needs -rdynamic. */
  void *library =
      dlopen(argc > 2 ? argv[2] : PLUGIN_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) die("dlopen", dlerror());
  msys_plugin_entry_fn entry;
  *(void **)&entry = dlsym(library, MSYS_PLUGIN_ENTRY);
  if (entry == NULL || (api = entry(MSYS_ABI_MAJOR)) == NULL)
    die("plugin", "it does not speak this host's ABI");
  if (!MSYS_HAS(api, pending_jobs)) die("plugin", "it is older than this host");

  /* Step 2: say who we are, and open it; NULL: the predefined pools. */
  loop_thread = pthread_self();
  const msys_host host = {.struct_size = sizeof host,
                          .abi_major = MSYS_ABI_MAJOR,
                          .loop_count = 1,
                          .post = post,
                          .on_loop = on_loop,
                          .log = log_line};
  msys_plugin *plugin;
  if (api->open(&host, NULL, &plugin, &error) != MSYS_OK)
    die("open", error.text);

  /* Step 3: a Lua state, whose home is loop 0.  Load the policy by a callout.
   */
  lua_State *L = luaL_newstate();
  if (L == NULL) die("Lua", "not enough memory");
  luaL_openlibs(L);
  msys_state *state;
  if (api->attach(plugin, L, 0, "state 1", &state, &error) != MSYS_OK)
    die("attach", error.text);
  int failed = call_policy(state, NULL, "load", prepare_load, argv[1]);

  /* Steps 4 and 5: a session, its phases, its end. */
  msys_session *session = NULL;
  if (!failed) {
    if (api->session_open(state, &session) != MSYS_OK)
      die("session", "refused");
    failed = call_policy(state, session, "on_mail", prepare_on_mail,
                         "sender@example.com");
    api->session_close(session);
  }

  /* Step 6: what the policy has left behind ends first; a server waits for a
   * while only.  Then the state ends; it is ours again when on_detached() is
   * called. */
  while (api->pending_jobs(plugin) > 0) run_one_task();
  int detached = 0;
  if (api->detach(state, on_detached, &detached) != MSYS_OK)
    die("detach", "refused");
  while (!detached) run_one_task();
  lua_close(L);

  /* Step 7: on a loop stop() never waits, so go on running tasks meanwhile. */
  while (api->stop(plugin, 10000, &error) == MSYS_E_BUSY) run_one_task();
  if (api->close(plugin) != MSYS_OK) die("close", "something still runs");
  dlclose(library);
  return failed;
}
