#include "test_plugin.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "check.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace msys::test {
namespace {

std::vector<msys_pool_config> ToAbi(const std::vector<PoolSpec>& pools) {
  std::vector<msys_pool_config> out;
  for (const PoolSpec& pool : pools) {
    out.push_back({sizeof(msys_pool_config), pool.concurrency,
                   pool.name.c_str(), pool.backlog, MSYS_UNSET});
  }
  return out;
}

msys_config ToAbi(const std::vector<msys_pool_config>& pools, int returns) {
  return {sizeof(msys_config), static_cast<std::uint32_t>(pools.size()),
          pools.data(), returns};
}

// MSYS_TEST_GC=stress: in a fresh state the collector begins its next cycle at once
// and steps at every allocation; MSYS_TEST_GC=generational: what it says.
void SetCollector(lua_State* L) {
  const char* wanted = std::getenv("MSYS_TEST_GC");
  if (wanted == nullptr) return;
  if (std::string_view(wanted) == "stress") lua_gc(L, LUA_GCINC, 1, 1000, 1);
  if (std::string_view(wanted) == "generational") lua_gc(L, LUA_GCGEN, 1, 1);
}

}  // namespace

const msys_api& LoadApi(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Check(false, dlerror());
  const auto entry = reinterpret_cast<msys_plugin_entry_fn>(
      dlsym(library, MSYS_PLUGIN_ENTRY));
  Check(entry != nullptr, std::string(path) + " has no " MSYS_PLUGIN_ENTRY);
  const msys_api* api = entry(MSYS_ABI_MAJOR);
  Check(api != nullptr, std::string(path) + " speaks another ABI");
  return *api;
}

TestPlugin::TestPlugin(const msys_api& a, FakeHost& h,
                       const std::vector<PoolSpec>& pools, int returns)
    : api(a), host(h) {
  const msys_host abi = host.Abi();
  const auto specs = ToAbi(pools);
  const msys_config config = ToAbi(specs, returns);
  msys_error error{};
  error.struct_size = sizeof error;
  const msys_status status = api.open(&abi, &config, &handle, &error);
  Check(status == MSYS_OK, error.text);
}

TestPlugin::~TestPlugin() {
  if (handle == nullptr) return;
  std::string text;
  Check(Stop(30'000, &text) == MSYS_OK, text);
  Check(api.close(handle) == MSYS_OK, "close() failed after stop()");
}

msys_status TestPlugin::Stop(std::uint32_t deadline_ms, std::string* text) {
  msys_error error{};
  error.struct_size = sizeof error;
  const msys_status status = api.stop(handle, deadline_ms, &error);
  if (text != nullptr) *text = error.text;
  return status;
}

msys_status TestPlugin::Configure(const std::vector<PoolSpec>& pools) {
  const auto specs = ToAbi(pools);
  const msys_config config = ToAbi(specs, MSYS_COMPLETION_RETURNS_JOB);
  return api.configure(handle, &config, nullptr);
}

msys_pool_stats TestPlugin::Stats(const std::string& pool) const {
  msys_pool_stats stats{};
  for (std::uint32_t i = 0; i < api.pool_count(handle); ++i) {
    stats.struct_size = sizeof stats;
    Check(api.pool_stats(handle, i, &stats) == MSYS_OK, "pool_stats failed");
    if (pool == stats.name) return stats;
  }
  Check(false, "no pool " + pool);
  return stats;
}

std::string TestPlugin::Console(const std::string& command) const {
  std::string answer;
  api.console(
      handle, command.c_str(),
      [](void* ctx, const char* text, std::size_t length) {
        static_cast<std::string*>(ctx)->append(text, length);
      },
      &answer);
  return answer;
}

std::string Result::text() const {
  std::string out = status == MSYS_OK            ? "OK"
                    : status == MSYS_E_LUA       ? "LUA"
                    : status == MSYS_E_CANCELLED ? "CANCELLED"
                                                 : std::to_string(status);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (status == MSYS_E_LUA && i == 1) break;  // the traceback
    out += ' ' + values[i];
  }
  return out;
}

// ---- callouts ------------------------------------------------------------------

Running::Running(TestState& state, std::string source, msys_session* session)
    : state_(state), source_(std::move(source)) {
  callout_.struct_size = sizeof callout_;
  callout_.ctx = this;
  callout_.session = session;
  callout_.name = "test";
  callout_.prepare = &Prepare;
  callout_.finish = &Finish;
  state_.plugin.host.On(state_.loop, [this] {
    started_ = state_.plugin.api.run(state_.handle, &callout_);
  });
  if (started_ != MSYS_OK) {
    result_.status = started_;
    promise_.set_value();
  }
}

Running::~Running() { over_.wait(); }

Result Running::Wait() {
  over_.wait();
  return result_;
}

bool Running::done() const {
  return over_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

msys_status Running::Cancel() {
  msys_status status = MSYS_OK;
  state_.plugin.host.On(state_.loop, [&] { status = CancelHere(); });
  return status;
}

msys_status Running::CancelHere() { return state_.plugin.api.cancel(&callout_); }

int Running::Prepare(void* ctx, lua_State* L) {
  const auto& self = *static_cast<Running*>(ctx);
  Check(FakeHost::CurrentLoop() == static_cast<int>(self.state_.loop),
        "prepare() is not on its home loop");
  if (luaL_loadbuffer(L, self.source_.data(), self.source_.size(), "=test") !=
      LUA_OK) {
    return lua_error(L);
  }
  return 0;
}

void Running::Finish(void* ctx, lua_State* L, msys_status status, int count) {
  auto& self = *static_cast<Running*>(ctx);
  Check(FakeHost::CurrentLoop() == static_cast<int>(self.state_.loop),
        "finish() is not on its home loop");
  Check(!self.done(), "finish() is called twice");
  self.result_.status = status;
  luaL_checkstack(L, 4, nullptr);
  const int first = lua_gettop(L) - count + 1;
  for (int i = 0; i < count; ++i) {
    std::size_t length = 0;
    const char* text = luaL_tolstring(L, first + i, &length);
    self.result_.values.emplace_back(text, length);
    lua_pop(L, 1);
  }
  self.promise_.set_value();  // `self` may go from here on
}

// ---- states --------------------------------------------------------------------

TestState::TestState(TestPlugin& p, std::uint32_t l, const std::string& name,
                     const std::function<void(lua_State*)>& before)
    : plugin(p), loop(l) {
  plugin.host.On(loop, [&] {
    L = luaL_newstate();
    luaL_openlibs(L);
    SetCollector(L);
    if (before) before(L);
    Attach(name);
  });
}

void TestState::Attach(const std::string& name) {
  msys_error error{};
  error.struct_size = sizeof error;
  const msys_status status =
      plugin.api.attach(plugin.handle, L, loop, name.c_str(), &handle, &error);
  Check(status == MSYS_OK, error.text);
}

TestState::~TestState() {
  if (!detaching_) Detach();
  AwaitDetached();
  plugin.host.On(loop, [this] { lua_close(L); });
}

std::unique_ptr<Running> TestState::Start(const std::string& source,
                                          msys_session* session) {
  return std::make_unique<Running>(*this, source, session);
}

Result TestState::Run(const std::string& source, msys_session* session) {
  return Start(source, session)->Wait();
}

void TestState::Done(void* ctx) {
  auto& self = *static_cast<TestState*>(ctx);
  Check(FakeHost::CurrentLoop() == static_cast<int>(self.loop),
        "done() is not on its home loop");
  self.promise_.set_value();
}

void TestState::Detach() {
  detaching_ = true;
  plugin.host.On(loop, [this] {
    Check(plugin.api.detach(handle, &Done, this) == MSYS_OK, "detach failed");
  });
}

void TestState::AwaitDetached() {
  detached_.wait();
}

void TestState::AttachAgain() {
  if (!detaching_) Detach();
  AwaitDetached();
  detaching_ = false;
  promise_ = {};
  detached_ = promise_.get_future().share();
  plugin.host.On(loop, [this] { Attach("again"); });
}

msys_session* TestState::OpenSession() {
  msys_session* session = nullptr;
  plugin.host.On(loop, [&] {
    Check(plugin.api.session_open(handle, &session) == MSYS_OK, "session_open");
  });
  return session;
}

void TestState::CloseSession(msys_session* session) {
  plugin.host.On(loop, [&] { plugin.api.session_close(session); });
}

}  // namespace msys::test
