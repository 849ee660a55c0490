/* A mail server in a hundred lines: the main thread is its one loop.  Uses the
 * installed header, Lua, pthread and dlopen, and nothing else of the project.
 *
 *   mini_host PLUGIN SCRIPT   runs the script's functions one after the other
 */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <msys/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;
static msys_task *head, *tail;
static pthread_t loop_thread;
static const char *function_name;
static msys_session *session;
static const msys_api *api;
static int failures, finished, detached;

static void post(void *ctx, uint32_t loop, msys_task *task) {
  (void)ctx, (void)loop;
  task->host[0] = NULL;
  pthread_mutex_lock(&mutex);
  if (tail) tail->host[0] = task;
  else head = task;
  tail = task;
  pthread_cond_signal(&posted);
  pthread_mutex_unlock(&mutex);
}

static void run_loop_until(const int *condition) {
  while (!*condition) {
    msys_task *task;
    pthread_mutex_lock(&mutex);
    while (!head) pthread_cond_wait(&posted, &mutex);
    task = head;
    head = task->host[0];
    if (!head) tail = NULL;
    pthread_mutex_unlock(&mutex);
    task->run(task);
  }
}

static int on_loop(void *ctx, uint32_t loop) {
  (void)ctx, (void)loop;
  return pthread_equal(pthread_self(), loop_thread);
}

static void write_log(void *ctx, int32_t level, const char *component,
                      const char *text) {
  (void)ctx;
  printf("log %d %s: %s\n", (int)level, component, text);
}

static int prepare(void *ctx, lua_State *L) { /* policy[name](self) */
  (void)ctx;
  lua_getglobal(L, "policy");
  lua_getfield(L, -1, function_name);
  lua_insert(L, -2);
  api->session_push_self(session, L);
  return 1;
}

static void finish(void *ctx, lua_State *L, msys_status status, int count) {
  const char *text = count > 0 ? luaL_tolstring(L, -count, NULL) : "";
  (void)ctx;
  printf("%s: status %d, %s\n", function_name, (int)status, text);
  if (status != MSYS_OK || strcmp(text, "done") != 0) ++failures;
  finished = 1;
}

static void done(void *ctx) { *(int *)ctx = 1; }

static void must(const char *what, msys_status status, const char *text) {
  if (status == MSYS_OK) return;
  fprintf(stderr, "%s: %d %s\n", what, (int)status, text);
  exit(1);
}

int main(int argc, char **argv) {
  static const char *const functions[] = {
      "sync", "async", "completion", "sched", "errors", "nested", "self", NULL};
  void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
  void *symbol = library ? dlsym(library, MSYS_PLUGIN_ENTRY) : NULL;
  msys_plugin_entry_fn entry;
  msys_host host = {sizeof host, MSYS_ABI_MAJOR, NULL, 1, post, on_loop,
                    write_log, NULL};
  msys_callout callout = {sizeof callout, 0, NULL, NULL, NULL, prepare, finish,
                          NULL};
  msys_error error = {sizeof error, ""};
  msys_plugin *plugin;
  msys_state *state;
  lua_State *L = luaL_newstate();
  int i;

  memcpy(&entry, &symbol, sizeof entry);
  if (!entry || !(api = entry(MSYS_ABI_MAJOR))) must("load", MSYS_E_ABI, argv[0]);
  loop_thread = pthread_self();
  must("open", api->open(&host, NULL, &plugin, &error), error.text);
  luaL_openlibs(L);
  must("attach", api->attach(plugin, L, 0, "mini", &state, &error), error.text);
  if (luaL_dofile(L, argv[2])) must("script", MSYS_E_LUA, lua_tostring(L, -1));
  must("session_open", api->session_open(state, &session), "");
  for (i = 0; functions[i]; ++i) {
    function_name = callout.name = functions[i];
    callout.session = session;
    finished = 0;
    must("run", api->run(state, &callout), "");
    run_loop_until(&finished);
  }
  api->session_close(session);
  must("detach", api->detach(state, done, &detached), "");
  run_loop_until(&detached);
  lua_close(L);
  while (api->stop(plugin, 1000, &error) == MSYS_E_BUSY) continue;
  must("close", api->close(plugin), "");
  return dlclose(library) != 0 || failures > 0;
}
