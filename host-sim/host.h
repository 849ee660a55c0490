// The host as a whole: brings the parts up in order, runs, and takes them down
// in the opposite order.
//
//   plugin loaded, opened   control socket   loops started   metrics
//   served   first state ready   sessions ...
//   ... sessions over   pools idle   states detached, closed   plugin stopped,
//   closed   loops stopped   plugin unloaded
//
// Threads: the main thread only.  It is not a loop: it waits for the run to
// end or for a signal.
//
// Without mail to replay the sessions are those of the listener's clients, and
// the run lasts until a signal.
//
// SIGINT or SIGTERM: no new sessions; those in flight finish until
// Shutdown_Timeout has passed, the rest is cancelled.  A second one: _exit.
// SIGHUP: the configuration is read again, see reload.h.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "config.h"
#include "console.h"
#include "control.h"
#include "listener.h"
#include "lua_states.h"
#include "mail_source.h"
#include "metrics_server.h"
#include "observation.h"
#include "options.h"
#include "plugin.h"
#include "plugin_loader.h"
#include "policy.h"
#include "progress.h"
#include "replay.h"
#include "reload.h"
#include "report.h"

namespace hostsim {

class Host {
 public:
  Host(const Options& options, const Config& config);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The exit status.  All that can be said has been said on stdout and stderr.
  int Run();
  int CheckConfig();

 private:
  using Clock = std::chrono::steady_clock;

  // These say what is wrong.
  bool LoadParts();  // plugin, policy
  int OpenPlugin();  // the exit status
  bool OpenControl();
  bool OpenMetrics();
  bool CannotOpen(const std::string& error);  // a socket, a directory; false
  bool OpenFirstState();
  bool PrepareMail();  // says when there is neither mail nor a listener
  bool serving() const { return options_.paths.empty(); }
  bool RunSessions();
  void StopStarting();
  void CancelAll(bool at_once);
  void WaitForPools();
  void CloseStates();
  void StopPlugin();
  bool WriteReport();
  int ExitStatus() const;

  void WatchSignals();
  void OnSignal(int signal);
  void WatchHangup();
  void DrawProgress();
  void WatchLoops();
  // Runs handlers of main_ until `flag` or, if it has passed, the deadline.
  bool WaitFor(const bool& flag,
               std::optional<Clock::time_point> deadline = {});
  // Until then what runs may go on: from the first signal on, or the end of the
  // sessions.
  Clock::time_point Deadline();

  const Options& options_;
  const Config& config_;
  boost::asio::io_context main_{1};
  // Without work a context stops for good, and to wait for it is to spin.
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      main_work_{main_.get_executor()};
  boost::asio::signal_set signals_{main_};
  boost::asio::signal_set hangup_{main_};
  std::optional<Clock::time_point> deadline_;
  boost::asio::steady_timer shutdown_timer_{main_};
  boost::asio::steady_timer progress_timer_{main_};
  boost::asio::steady_timer watch_timer_{main_};
  std::vector<bool> held_up_;  // loops of which a warning has been written

  Observation observation_;
  std::optional<LoadedPlugin> loaded_;
  std::optional<Policy> policy_;
  EventLoops loops_;
  std::optional<Plugin> plugin_;
  std::optional<Reloader> reloader_;
  std::optional<Console> console_;
  std::optional<Control> control_;
  std::optional<LuaStates> states_;
  MailSet mail_;
  std::uint64_t sessions_ = 0;
  SessionCounts counts_;
  std::optional<Replay> replay_;  // this or the next, by serving()
  std::optional<Listener> listener_;
  std::optional<Progress> progress_;
  std::optional<MetricsServer> metrics_;
  Report report_;
  bool sessions_over_ = false;
  bool unopened_ = false;  // what another start may be able to open
  bool stopping_ = false;  // a signal came
  bool stuck_ = false;     // something did not end: nothing may be torn down
};

}  // namespace hostsim
