// Runs one phase of a session at a time: the phase's function of each
// registered module in turn, until one says VALIDATE_DONE, fails, or
// disconnects.
//
// Knows nothing of where sessions come from; a replayed file and a socket
// drive it the same way.
//
// Threads: on the home loop of the state.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "callout.h"
#include "connection.h"
#include "lua_state.h"
#include "phase.h"

namespace hostsim {

struct PhaseResult {
  enum class Kind { kDone, kError, kCancelled };
  Kind kind = Kind::kDone;
  Reply reply;             // as the policy left it; code 0: it set none
  bool discarded = false;  // msg:discard
  // After data_spool and each data_spool_each_rcpt: whom the next of these is for;
  // and whether anybody is to get the mail.
  std::optional<std::string> next_recipient;
  bool has_recipients = false;
  // After set_binding: the mail, if a policy has changed it.
  std::shared_ptr<const std::string> changed_content;
};

// What a phase's result means for the session.
enum class Verdict { kGoOn, kRefused, kEnd };

class PhaseClient {
 public:
  // Never inside Start() or Cancel().  May destroy the runner.
  virtual void PhaseDone(const PhaseResult& result) = 0;

 protected:
  ~PhaseClient() = default;
};

class PhaseRunner final : public Callout {
 public:
  // Opens the session in the plugin.  All are borrowed and outlive *this.
  PhaseRunner(LuaState& state, Ref<Connection> connection, PhaseClient& client);
  ~PhaseRunner() override;  // not while a phase runs

  // `argument` is ehlo's name, mailfrom's or rcptto's address, and for
  // data_spool_each_rcpt the recipient.
  void Start(Phase phase, std::string argument);
  // The content, for the data phase to come.
  void SetContent(std::shared_ptr<const std::string> bytes);
  // Ends the running phase as kCancelled, soon; nothing when none runs.
  void CancelPhase();

 private:
  int Prepare(lua_State* L) override;
  void Finish(lua_State* L, msys_status status, int count) noexcept override;
  void Finished() override;

  void BeginPhase() noexcept;
  int PushArguments(lua_State* L);
  void TakeResults(lua_State* L, int count) noexcept;
  void CollectState() noexcept;
  void FindNextRecipient(Message& message) noexcept;
  void Fail(std::string_view text) noexcept;
  void PayForMail(lua_State* L) noexcept;
  void RunNext();

  LuaState& state_;
  const Ref<Connection> connection_;
  PhaseClient& client_;
  msys_session* session_ = nullptr;

  Phase phase_ = Phase::kConnect;
  std::string argument_;
  std::shared_ptr<const std::string> content_;
  lua_Integer module_ = 0;         // the last one asked, from 1
  const char* module_name_ = "?";  // its name, the Lua state's
  bool more_ = false;              // go on with the next module
  bool cancelled_ = false;
  std::vector<std::string> to_spool_;  // for whom data_spool_each_rcpt is run
  std::size_t next_to_spool_ = 0;
  PhaseResult result_;
  struct LateTask : msys_task {
    PhaseRunner* owner;
  } late_{};  // delivers a failure to start
};

// 4xx and 5xx replies refuse; an error, a disconnect, a discard and a
// cancellation end the session.
Verdict Judge(const PhaseResult& result);
// For results that are not kGoOn.
Outcome OutcomeOf(const PhaseResult& result);

}  // namespace hostsim
