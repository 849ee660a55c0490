/* The header alone, in the strictest C99 and as C++. */
#include <msys/plugin.h>

/* A published value keeps its meaning for ever, and a struct its layout. */
#define EQUAL(name, a, b) typedef char name[(a) == (b) ? 1 : -1]
#define OFFSET(name, a, b) EQUAL(name, sizeof(void *) == 8 ? (a) : (b), b)
EQUAL(check_major, MSYS_ABI_MAJOR, 1);
EQUAL(check_ok, MSYS_OK, 0);
EQUAL(check_abi, MSYS_E_ABI, -1);
EQUAL(check_arg, MSYS_E_ARG, -2);
EQUAL(check_nomem, MSYS_E_NOMEM, -3);
EQUAL(check_closed, MSYS_E_CLOSED, -4);
EQUAL(check_busy, MSYS_E_BUSY, -5);
EQUAL(check_thread, MSYS_E_THREAD, -6);
EQUAL(check_fork, MSYS_E_FORK, -7);
EQUAL(check_lua, MSYS_E_LUA, -8);
EQUAL(check_cancelled, MSYS_E_CANCELLED, -9);
EQUAL(check_not_found, MSYS_E_NOT_FOUND, -10);
EQUAL(check_system, MSYS_E_SYSTEM, -11);
OFFSET(check_host_ctx, offsetof(msys_host, ctx), 8);
OFFSET(check_host_post, offsetof(msys_host, post), 24);
OFFSET(check_host_trace, offsetof(msys_host, trace), 48);
OFFSET(check_pool_name, offsetof(msys_pool_config, name), 8);
OFFSET(check_config_pools, offsetof(msys_config, pools), 8);
OFFSET(check_callout_prepare, offsetof(msys_callout, prepare), 32);
OFFSET(check_callout_data, offsetof(msys_callout, plugin_data), 48);
OFFSET(check_api_open, offsetof(msys_api, open), 24);
OFFSET(check_api_console, offsetof(msys_api, console), 24 + 18 * 8);

int main(void) {
  static msys_host host;
  host.struct_size = offsetof(msys_host, log);
  return MSYS_HAS(&host, on_loop) && !MSYS_HAS(&host, log) ? 0 : 1;
}
