#include "lua_state.h"

#include "bindings.h"
#include "log.h"
#include "plugin_loader.h"

namespace hostsim {
namespace {

int l_open_bindings(lua_State* L) {
  OpenBindings(L, static_cast<const char*>(lua_touserdata(L, 1)));
  OpenIo(L, static_cast<const msys_api*>(lua_touserdata(L, 2)));
  return 0;
}

lua_Integer CoreConstant(lua_State* L, const char* name) {
  lua_getglobal(L, "msys");
  lua_getfield(L, -1, "core");
  lua_getfield(L, -1, name);
  if (!lua_isinteger(L, -1))
    luaL_error(L, "msys.core.%s is not an integer but %s", name,
               luaL_typename(L, -1));
  const lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 3);
  return value;
}

}  // namespace

// Runs the scripts, then every module's init(), each as a callout: so all of
// it may call msys.runInPool.
class LuaState::Opener final : public Callout {
 public:
  explicit Opener(LuaState& owner) : Callout(owner.target_), owner_(owner) {}

  void Start() { Next(); }
  using Callout::Cancel;

  // "script policy", "init of module reputation".
  std::string What() const {
    return what_ == "init" ? what_ + " of module " + module_name_ : what_;
  }

 private:
  void Next() {
    if (owner_.closing()) return owner_.Opened(false);
    what_ = step_ < owner_.policy_.scripts.size()
                ? "script " + owner_.policy_.scripts[step_].name
                : std::string("init");
    const msys_status status = Run(what_.c_str(), nullptr);
    if (status == MSYS_OK) return;
    Logf(MSYS_LOG_ERROR, "policy", "%s: cannot run: %s", what_.c_str(),
         StatusText(status));
    owner_.Opened(false);
  }

  int Prepare(lua_State* L) override {
    if (step_ < owner_.policy_.scripts.size()) {
      const PolicyScript& script = owner_.policy_.scripts[step_];
      if (luaL_loadbufferx(L, script.text.data(), script.text.size(),
                           script.chunk.c_str(), "t") != LUA_OK)
        return lua_error(L);
      return 0;
    }
    owner_.validate_cont_ = CoreConstant(L, "VALIDATE_CONT");
    owner_.validate_done_ = CoreConstant(L, "VALIDATE_DONE");
    while (module_ < ModuleCount(L)) {
      module_name_ = PushModule(L, ++module_);  // module
      lua_getfield(L, -1, "init");              // module init
      if (!lua_isnil(L, -1)) {
        lua_insert(L, -2);  // init module
        return 1;
      }
      lua_pop(L, 2);
    }
    return -1;
  }

  void Finish(lua_State* L, msys_status status, int) noexcept override {
    status_ = status;
    if (status != MSYS_E_LUA && status != MSYS_E_CANCELLED) return;
    std::size_t size = 0;
    const char* text = status == MSYS_E_LUA ? lua_tolstring(L, -1, &size) : nullptr;
    Log(MSYS_LOG_ERROR, "policy",
        What() + ": " + (text ? std::string(text, size) : "cancelled"));
  }

  void Finished() override {
    const bool scripts = step_ < owner_.policy_.scripts.size();
    if (status_ == MSYS_OK) {
      if (scripts) ++step_;
      return Next();
    }
    owner_.Opened(!scripts && status_ == MSYS_E_NOT_FOUND);
  }

  LuaState& owner_;
  std::size_t step_ = 0;
  lua_Integer module_ = 0;
  const char* module_name_ = "?";  // the Lua state's
  std::string what_;
  msys_status status_ = MSYS_OK;
};

LuaState::LuaState(std::uint32_t index, Plugin& plugin, EventLoop& loop,
                   const Policy& policy, std::chrono::seconds late_after)
    : index_(index),
      plugin_(plugin),
      loop_(loop),
      policy_(policy),
      late_after_(late_after),
      turn_("lua/" + std::to_string(index)),
      target_{&plugin, &loop, &turn_, nullptr},
      late_timer_(loop.io()) {}

LuaState::~LuaState() = default;

bool LuaState::Attach() {
  L_ = luaL_newstate();
  if (!L_) {
    Log(MSYS_LOG_ERROR, "lua", "no memory for a Lua state");
    return false;
  }
  warnings_.Install(L_);
  lua_pushcfunction(L_, l_open_bindings);
  lua_pushlightuserdata(L_, const_cast<char*>(policy_.package_dir.c_str()));
  lua_pushlightuserdata(L_, const_cast<msys_api*>(plugin_.api()));
  if (lua_pcall(L_, 2, 0, 0) != LUA_OK) {
    const char* text = lua_tostring(L_, -1);
    Log(MSYS_LOG_ERROR, "lua", text ? text : "cannot install the bindings");
    lua_settop(L_, 0);
    return false;
  }
  std::string error;
  if (plugin_.Attach(L_, loop_.index(), turn_.state(), &target_.state,
                     &error) != MSYS_OK) {
    Log(MSYS_LOG_ERROR, "lua", turn_.state() + ": cannot attach: " + error);
    return false;
  }
  return true;
}

void LuaState::WhenReady(std::function<void(bool)> callback) {
  switch (life()) {
    case Life::kReady:
      return callback(true);
    case Life::kFailed:
    case Life::kClosed:
      return callback(false);
    case Life::kOpening:
    case Life::kLate:
      waiting_.push_back(std::move(callback));
      return;
    case Life::kNew:
      break;
  }
  waiting_.push_back(std::move(callback));
  SetLife(Life::kOpening);
  opening_since_ = std::chrono::steady_clock::now();
  if (!Attach()) return Opened(false);
  opener_ = std::make_unique<Opener>(*this);
  WatchOpening();
  opener_->Start();
}

void LuaState::WatchOpening() {
  late_timer_.expires_after(late_after_);
  late_timer_.async_wait([this](const boost::system::error_code& error) {
    const EventLoop::Hold hold(loop_);
    // A handler that was queued already is not stopped by a cancel.
    if (error || life() != Life::kOpening) return;
    SetLife(Life::kLate);
    Logf(MSYS_LOG_WARNING, "policy", "%s: %s has not ended after %lld s",
         turn_.state().c_str(), opener_->What().c_str(),
         static_cast<long long>(late_after_.count()));
  });
}

void LuaState::Opened(bool good) {
  late_timer_.cancel();
  SetLife(good ? Life::kReady : Life::kFailed);
  // Also of one that has computed on the loop, whose timer could not say it.
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::steady_clock::now() - opening_since_);
  if (took >= late_after_)
    Logf(MSYS_LOG_WARNING, "policy", "%s %s after %lld s", turn_.state().c_str(),
         good ? "is ready" : "has failed", static_cast<long long>(took.count()));
  const auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const auto& callback : waiting) callback(good);
}

void LuaState::Close(std::function<void()> done) {
  closed_ = std::move(done);
  if (!target_.state) return CloseLua();
  if (opening()) opener_->Cancel();
  const msys_status status =
      plugin_.Detach(loop_.index(), target_.state, OnDetached, this);
  if (status != MSYS_OK)
    Log(MSYS_LOG_ERROR, "lua",
        turn_.state() + ": cannot detach: " + StatusText(status));
}

// Not in here, but as a task of its own: the plugin is still on the stack.
void LuaState::OnDetached(void* ctx) {
  auto* self = static_cast<LuaState*>(ctx);
  CheckLoop("done", self->loop_.index());
  self->target_.state = nullptr;
  self->loop_.Defer([self] { self->CloseLua(); });
}

void LuaState::CloseLua() {
  SetLife(Life::kClosed);
  late_timer_.cancel();
  opener_.reset();
  if (L_) lua_close(L_);
  L_ = nullptr;
  closed_();
}

}  // namespace hostsim
