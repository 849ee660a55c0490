#include "plugin.h"

#include "callout.h"
#include "log.h"
#include "plugin_loader.h"
#include "trace_collector.h"

namespace hostsim {
namespace {

struct PluginConfig {
  std::vector<msys_pool_config> pools;
  msys_config config{};
};

// The strings stay those of `config`.
void Convert(const Config& config, bool run_inline, PluginConfig* out) {
  for (const PoolConfig& pool : config.pools) {
    msys_pool_config one{};
    one.struct_size = sizeof one;
    one.name = pool.name.c_str();
    one.concurrency = run_inline ? 0 : pool.concurrency;
    one.backlog = pool.backlog;
    one.stack_size_kib = pool.stack_size_kib;
    out->pools.push_back(one);
  }
  out->config.struct_size = sizeof out->config;
  out->config.pool_count = static_cast<std::uint32_t>(out->pools.size());
  out->config.pools = out->pools.empty() ? nullptr : out->pools.data();
  out->config.completion_returns = config.completion_returns;
}

msys_error NoError() {
  msys_error error{};
  error.struct_size = sizeof error;
  return error;
}

msys_status Report(msys_status status, const msys_error& from,
                   std::string* to) {
  *to = status == MSYS_OK ? "" : from.text;
  if (status != MSYS_OK && to->empty()) *to = StatusText(status);
  return status;
}

}  // namespace

Plugin::Plugin(const msys_api* api, const EventLoops& loops, bool run_inline)
    : api_(api), loops_(loops), run_inline_(run_inline) {}

void Plugin::OnPost(void* ctx, std::uint32_t loop, msys_task* task) {
  const EventLoops& loops = static_cast<Plugin*>(ctx)->loops_;
  if (!task || !task->run) ContractViolation("post", "a task without run()");
  if (loop >= loops.size()) ContractViolation("post", "no such loop");
  loops[loop]->Post(task);
}

int Plugin::OnLoop(void* ctx, std::uint32_t loop) {
  const EventLoops& loops = static_cast<Plugin*>(ctx)->loops_;
  if (loop >= loops.size()) ContractViolation("on_loop", "no such loop");
  return loops[loop]->OnThread() ? 1 : 0;
}

void Plugin::OnLog(void*, std::int32_t level, const char* component,
                   const char* text) {
  if (!component || !text) ContractViolation("log", "a null string");
  Log(level, component, text);
}

void Plugin::OnTrace(void* ctx, const msys_trace_event* event) {
  const auto* callout = static_cast<const Callout*>(event->callout_ctx);
  static_cast<Plugin*>(ctx)->collector_->Take(
      *event, callout ? callout->trace_session() : 0);
}

msys_status Plugin::Open(const Config& config, std::string* error) {
  CheckMain("open");
  if (collector_ && api_->abi_minor < 1) {
    *error = "it is too old for --trace and --report";
    return MSYS_E_ABI;
  }
  msys_host host{};
  host.struct_size = sizeof host;
  host.abi_major = MSYS_ABI_MAJOR;
  host.ctx = this;
  host.loop_count = static_cast<std::uint32_t>(loops_.size());
  host.post = OnPost;
  host.on_loop = OnLoop;
  host.log = OnLog;
  if (collector_) host.trace = OnTrace;
  PluginConfig converted;
  Convert(config, run_inline_, &converted);
  msys_error failure = NoError();
  const msys_status status =
      Report(api_->open(&host, &converted.config, &plugin_, &failure), failure,
             error);
  return status == MSYS_OK && run_inline_ ? RunAllInline(error) : status;
}

// Of the pools that the plugin has by itself, too.
msys_status Plugin::RunAllInline(std::string* error) {
  Config all;
  for (const msys_pool_stats& pool : PoolStats()) {
    PoolConfig one;
    one.name = pool.name;
    all.pools.push_back(one);
  }
  const msys_status status = Configure(all, error);
  if (status == MSYS_OK) return status;
  std::string ignored;
  Stop(0, &ignored);
  Close();
  return status;
}

msys_status Plugin::Configure(const Config& config, std::string* error) {
  CheckMain("configure");
  PluginConfig converted;
  Convert(config, run_inline_, &converted);
  msys_error failure = NoError();
  return Report(api_->configure(plugin_, &converted.config, &failure), failure,
                error);
}

msys_status Plugin::Stop(std::uint32_t deadline_ms, std::string* error) {
  CheckMain("stop");
  msys_error failure = NoError();
  return Report(api_->stop(plugin_, deadline_ms, &failure), failure, error);
}

msys_status Plugin::Close() {
  CheckMain("close");
  const msys_status status = api_->close(plugin_);
  if (status == MSYS_OK) plugin_ = nullptr;
  return status;
}

msys_status Plugin::Attach(lua_State* L, std::uint32_t loop,
                           const std::string& name, msys_state** out,
                           std::string* error) {
  CheckLoop("attach", loop);
  msys_error failure = NoError();
  return Report(api_->attach(plugin_, L, loop, name.c_str(), out, &failure),
                failure, error);
}

msys_status Plugin::Detach(std::uint32_t loop, msys_state* state,
                           void (*done)(void*), void* ctx) {
  CheckLoop("detach", loop);
  return api_->detach(state, done, ctx);
}

msys_status Plugin::SessionOpen(std::uint32_t loop, msys_state* state,
                                msys_session** out) {
  CheckLoop("session_open", loop);
  return api_->session_open(state, out);
}

void Plugin::SessionClose(std::uint32_t loop, msys_session* session) {
  CheckLoop("session_close", loop);
  api_->session_close(session);
}

msys_status Plugin::Run(std::uint32_t loop, msys_state* state,
                        msys_callout* callout) {
  CheckLoop("run", loop);
  return api_->run(state, callout);
}

msys_status Plugin::Cancel(std::uint32_t loop, msys_callout* callout) {
  CheckLoop("cancel", loop);
  return api_->cancel(callout);
}

std::vector<msys_pool_stats> Plugin::PoolStats() const {
  std::vector<msys_pool_stats> all;
  if (!plugin_) return all;
  const std::uint32_t count = api_->pool_count(plugin_);
  for (std::uint32_t i = 0; i < count; ++i) {
    msys_pool_stats one{};
    one.struct_size = sizeof one;
    if (api_->pool_stats(plugin_, i, &one) == MSYS_OK) all.push_back(one);
  }
  return all;
}

std::string Plugin::Console(const std::string& command, msys_status* status) {
  std::string answer;
  const auto write = [](void* ctx, const char* text, std::size_t length) {
    static_cast<std::string*>(ctx)->append(text, length);
  };
  *status = api_->console(plugin_, command.c_str(), write, &answer);
  return answer;
}

}  // namespace hostsim
