// The plugin as the rest of the host calls it: every function of msys_api that
// we use, with its thread tag asserted, and the callbacks it gets from us.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "event_loop.h"
#include "msys/plugin.h"
#include "thread_check.h"

namespace hostsim {

class TraceCollector;

using EventLoops = std::vector<std::unique_ptr<EventLoop>>;

class Plugin {
 public:
  // Both are borrowed and outlive *this; the loops run until Close() is OK.
  // `run_inline`: closures run on their home loops, since every pool has the
  // concurrency 0, whatever the configurations to come say.
  Plugin(const msys_api* api, const EventLoops& loops, bool run_inline = false);

  // Gets the trace events; borrowed.  Before Open().
  void SetCollector(TraceCollector* collector) { collector_ = collector; }
  TraceCollector* collector() const { return collector_; }  // null: none

  // [main] *error says why not.
  msys_status Open(const Config& config, std::string* error);
  msys_status Configure(const Config& config, std::string* error);
  msys_status Stop(std::uint32_t deadline_ms, std::string* error);
  msys_status Close();

  // [loop] of the state's home, which is passed along to be checked.
  msys_status Attach(lua_State* L, std::uint32_t loop, const std::string& name,
                     msys_state** out, std::string* error);
  msys_status Detach(std::uint32_t loop, msys_state* state, void (*done)(void*),
                     void* ctx);
  msys_status SessionOpen(std::uint32_t loop, msys_state* state,
                          msys_session** out);
  void SessionClose(std::uint32_t loop, msys_session* session);
  msys_status Run(std::uint32_t loop, msys_state* state, msys_callout* callout);
  msys_status Cancel(std::uint32_t loop, msys_callout* callout);

  // [state] May raise: no frame with a destructor above it.
  void SessionPushSelf(std::uint32_t loop, msys_session* session,
                       lua_State* L) {
    CheckLoop("session_push_self", loop);
    api_->session_push_self(session, L);
  }

  // [any]
  std::vector<msys_pool_stats> PoolStats() const;
  std::uint64_t PendingJobs() const { return api_->pending_jobs(plugin_); }
  std::uint64_t QuantileNs(const msys_histogram& histogram,
                           double fraction) const {
    return api_->histogram_quantile_ns(&histogram, fraction);
  }
  std::string Console(const std::string& command, msys_status* status);
  const char* version() const { return api_->version; }
  const msys_api* api() const { return api_; }

 private:
  msys_status RunAllInline(std::string* error);

  static void OnPost(void* ctx, std::uint32_t loop, msys_task* task);
  static int OnLoop(void* ctx, std::uint32_t loop);
  static void OnLog(void* ctx, std::int32_t level, const char* component,
                    const char* text);
  static void OnTrace(void* ctx, const msys_trace_event* event);

  const msys_api* const api_;
  const EventLoops& loops_;
  TraceCollector* collector_ = nullptr;
  const bool run_inline_;
  msys_plugin* plugin_ = nullptr;  // between Open() and Close()
};

}  // namespace hostsim
