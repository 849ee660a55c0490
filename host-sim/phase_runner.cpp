#include "phase_runner.h"

#include <utility>

#include "bindings.h"
#include "log.h"
#include "plugin_loader.h"
#include "trace_collector.h"

namespace hostsim {

PhaseRunner::PhaseRunner(LuaState& state, Ref<Connection> connection,
                         PhaseClient& client)
    : Callout(state.target()),
      state_(state),
      connection_(std::move(connection)),
      client_(client) {
  if (TraceCollector* trace = target_.plugin->collector()) {
    trace_session_ = TraceCollector::NextSession();
    trace->SessionBegins(trace_session_);
  }
  const msys_status status = target_.plugin->SessionOpen(
      target_.loop->index(), target_.state, &session_);
  if (status != MSYS_OK) {
    session_ = nullptr;  // a callout of its own for each phase, then
    Log(MSYS_LOG_ERROR, "session",
        std::string("cannot open a session: ") + StatusText(status));
  }
  late_.owner = this;
  late_.run = [](msys_task* task) {
    PhaseRunner* self = static_cast<LateTask*>(task)->owner;
    self->client_.PhaseDone(PhaseResult(std::move(self->result_)));
  };
}

PhaseRunner::~PhaseRunner() {
  if (session_) target_.plugin->SessionClose(target_.loop->index(), session_);
  if (trace_session_ != 0)
    target_.plugin->collector()->SessionEnds(trace_session_);
}

void PhaseRunner::SetContent(std::shared_ptr<const std::string> bytes) {
  content_ = std::move(bytes);
}

void PhaseRunner::Start(Phase phase, std::string argument) {
  phase_ = phase;
  argument_ = std::move(argument);
  module_ = 0;
  cancelled_ = false;
  result_ = PhaseResult{};
  RunNext();
}

void PhaseRunner::RunNext() {
  const msys_status status = Run(PhaseFunctionName(phase_), session_);
  if (status == MSYS_OK) return;
  result_.kind = PhaseResult::Kind::kError;
  if (status == MSYS_E_CLOSED) result_.kind = PhaseResult::Kind::kCancelled;
  Logf(MSYS_LOG_ERROR, "session", "%s: cannot run: %s",
       PhaseFunctionName(phase_), StatusText(status));
  target_.loop->Post(&late_);
}

void PhaseRunner::CancelPhase() {
  cancelled_ = true;
  Cancel();
}

// What the host does to the session's data before the policy sees it.
void PhaseRunner::BeginPhase() noexcept {
  const TurnScope scope(target_.turn, "prepare");
  // Whatever came before, RSET or what connect has added: each mail begins alike.
  if (phase_ == Phase::kMailfrom) connection_->BeginTransaction();
  Message& message = connection_->message();
  switch (phase_) {
    case Phase::kMailfrom:
      message.SetMailfrom(argument_);
      break;
    case Phase::kRcptto:
    case Phase::kDataSpoolEachRcpt:
      message.SetCurrentRcptto(argument_);
      break;
    case Phase::kData:
      message.SetContent(std::move(content_));
      break;
    default:
      break;
  }
}

// [-0, +n, m]  (argument_ belongs to *this, so a raise leaks nothing.)
int PhaseRunner::PushArguments(lua_State* L) {
  Connection* connection = connection_.get();
  const int before = lua_gettop(L);
  switch (phase_) {
    case Phase::kDealloc:
      return 0;
    case Phase::kSetBinding:
      PushMsg(L, &connection->message());
      return 1;
    case Phase::kEhlo:
    case Phase::kMailfrom:
      lua_pushlstring(L, argument_.data(), argument_.size());
      break;
    case Phase::kRcptto:
      PushMsg(L, &connection->message());
      lua_pushlstring(L, argument_.data(), argument_.size());
      break;
    case Phase::kData:
    case Phase::kDataSpool:
    case Phase::kDataSpoolEachRcpt:
      PushMsg(L, &connection->message());
      break;
    case Phase::kConnect:
      break;
  }
  PushAc(L, connection);
  PushVctx(L, connection);
  return lua_gettop(L) - before;
}

int PhaseRunner::Prepare(lua_State* L) {
  if (module_ == 0) BeginPhase();
  while (module_ < ModuleCount(L)) {
    module_name_ = PushModule(L, ++module_);         // module
    lua_getfield(L, -1, PhaseFunctionName(phase_));  // module function
    if (!lua_isnil(L, -1)) {
      lua_insert(L, -2);  // function module
      if (session_)
        target_.plugin->SessionPushSelf(target_.loop->index(), session_, L);
      return 1 + PushArguments(L);  // function self ...
    }
    lua_pop(L, 2);
  }
  return -1;
}

void PhaseRunner::Fail(std::string_view text) noexcept {
  result_.kind = PhaseResult::Kind::kError;
  std::string line = PhaseFunctionName(phase_);
  line += ": ";
  line += text;
  Log(MSYS_LOG_ERROR, module_name_, line);
}

void PhaseRunner::TakeResults(lua_State* L, int count) noexcept {
  if (phase_ == Phase::kDealloc) {  // its result is ignored
    more_ = true;
    return;
  }
  if (count == 0)
    return Fail(
        "returned nothing; msys.core.VALIDATE_CONT or VALIDATE_DONE "
        "is wanted");
  if (!lua_isinteger(L, -count)) {
    const std::string type = luaL_typename(L, -count);
    return Fail("returned a " + type +
                "; msys.core.VALIDATE_CONT or "
                "VALIDATE_DONE is wanted");
  }
  const lua_Integer value = lua_tointeger(L, -count);
  if (value == state_.validate_cont()) {
    more_ = true;
  } else if (value != state_.validate_done()) {
    Fail("returned " + std::to_string(value) +
         ", which is neither msys.core.VALIDATE_CONT nor VALIDATE_DONE; this host "
         "does not know VALIDATE_AGAIN");
  }
}

void PhaseRunner::Finish(lua_State* L, msys_status status, int count) noexcept {
  more_ = false;
  if (status == MSYS_OK) {
    TakeResults(L, count);
  } else if (status == MSYS_E_LUA) {
    std::size_t size = 0;
    const char* text = lua_tolstring(L, -1, &size);
    Fail({text, size});
    // dealloc of the other modules runs nevertheless.
    more_ = phase_ == Phase::kDealloc;
  } else if (status == MSYS_E_CANCELLED) {
    result_.kind = PhaseResult::Kind::kCancelled;
  } else if (status != MSYS_E_NOT_FOUND) {
    Fail(StatusText(status));
  }
  more_ = more_ && module_ < ModuleCount(L);
  CollectState();
  if (phase_ == Phase::kData) PayForMail(L);
}

// Of a mail the collector sees a handle of a few bytes; so the mails of sessions that
// are over would stay.  For each that comes as much is collected as if Lua had made it.
void PhaseRunner::PayForMail(lua_State* L) noexcept {
  const std::size_t kib = connection_->message().size() / 1024;
  if (kib > 0 && lua_gc(L, LUA_GCISRUNNING))
    lua_gc(L, LUA_GCSTEP, static_cast<int>(kib));
}

void PhaseRunner::CollectState() noexcept {
  Message& message = connection_->message();
  Reply reply = connection_->TakeReply();
  if (reply.code != 0) result_.reply = std::move(reply);
  // Before there is a mail, what is there is the last one's.
  result_.discarded = phase_ >= Phase::kMailfrom && message.discarded();
  if (result_.reply.disconnect) more_ = more_ && phase_ == Phase::kDealloc;
  if (more_) return;
  const bool good = Judge(result_) == Verdict::kGoOn;
  if (phase_ == Phase::kRcptto) {
    if (good && !message.Rcptto().empty())
      message.AddRecipient(message.Rcptto());
  }
  if (phase_ == Phase::kDataSpoolEachRcpt && !good)
    message.RemoveRecipient(message.Rcptto());
  if (phase_ == Phase::kRcptto || phase_ == Phase::kDataSpoolEachRcpt)
    message.SetCurrentRcptto("");
  if (phase_ == Phase::kDataSpool) {
    to_spool_ = message.recipients();
    next_to_spool_ = 0;
  }
  if (phase_ == Phase::kDataSpool || phase_ == Phase::kDataSpoolEachRcpt)
    FindNextRecipient(message);
  if (phase_ == Phase::kSetBinding && message.changed())
    result_.changed_content = message.Content();
}

// One that a policy has removed meanwhile is nobody to ask about.
void PhaseRunner::FindNextRecipient(Message& message) noexcept {
  while (next_to_spool_ < to_spool_.size() && !result_.next_recipient) {
    std::string& next = to_spool_[next_to_spool_++];
    if (message.HasRecipient(next)) result_.next_recipient = std::move(next);
  }
  result_.has_recipients = !message.recipients().empty();
}

void PhaseRunner::Finished() {
  if (cancelled_) result_.kind = PhaseResult::Kind::kCancelled;
  if (more_ && !cancelled_) return RunNext();
  // A copy, since the client may destroy *this.
  client_.PhaseDone(PhaseResult(std::move(result_)));
}

Verdict Judge(const PhaseResult& result) {
  if (result.kind != PhaseResult::Kind::kDone || result.reply.disconnect ||
      result.discarded)
    return Verdict::kEnd;
  return result.reply.code >= 400 ? Verdict::kRefused : Verdict::kGoOn;
}

Outcome OutcomeOf(const PhaseResult& result) {
  switch (result.kind) {
    case PhaseResult::Kind::kError:
      return Outcome::kTempfailed;
    case PhaseResult::Kind::kCancelled:
      return Outcome::kCancelled;
    case PhaseResult::Kind::kDone:
      break;
  }
  if (result.reply.disconnect) return Outcome::kDisconnected;
  if (result.reply.code >= 500) return Outcome::kRejected;
  if (result.reply.code >= 400) return Outcome::kTempfailed;
  if (result.discarded) return Outcome::kDiscarded;
  return Outcome::kAccepted;
}

}  // namespace hostsim
