#include "host.h"

#include <poll.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>

#include "log.h"
#include "metrics_families.h"
#include "service_manager.h"
#include "thread_check.h"

namespace hostsim {
namespace {

// How long a cancelled session may take for validate_dealloc, and its
// cancellation for its way through the loops.
constexpr std::chrono::seconds kCancelGrace{1};
// What a shutdown takes beyond Shutdown_Timeout: the graces, and the report.
constexpr std::chrono::seconds kShutdownMargin{10};
// A loop that serves nothing else for as long is not just busy.
constexpr std::chrono::seconds kHoldupWarning{5};
constexpr std::chrono::seconds kWatchEvery{1};

// For the second signal: works while the main thread waits in the plugin.
extern "C" void ExitAtOnce(int signal) {
  static const char text[] = "host-sim: second signal, exiting at once\n";
  // Not if it would wait for somebody who reads; a pipe that can be written to has
  // room for a page.
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
    const ssize_t ignored = ::write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
  }
  ::_exit(128 + signal);
}

}  // namespace

Host::Host(const Options& options, const Config& config)
    : options_(options), config_(config), observation_(main_, options) {
  SetThreadIsMain();
  const std::chrono::microseconds idle_poll(config.idle_poll_us);
  for (std::uint32_t i = 0; i < config.loops; ++i)
    loops_.push_back(std::make_unique<EventLoop>(i, idle_poll));
}

Host::~Host() = default;

bool Host::LoadParts() {
  std::string error;
  const auto path =
      config_.plugin_path.empty() ? DefaultPluginPath() : config_.plugin_path;
  loaded_ = LoadPlugin(path, &error);
  if (loaded_) policy_ = LoadPolicy(config_, &error);
  if (!policy_) std::cerr << "host-sim: " << error << '\n';
  return policy_.has_value();
}

bool Host::CannotOpen(const std::string& error) {
  std::cerr << "host-sim: " << error << '\n';
  unopened_ = true;
  return false;
}

int Host::OpenPlugin() {
  plugin_.emplace(loaded_->api, loops_, options_.run_inline);
  plugin_->SetCollector(observation_.collector());
  std::string error;
  const msys_status status = plugin_->Open(config_, &error);
  if (status == MSYS_OK) return kExitDone;
  std::cerr << "host-sim: " << config_.file.string()
            << ": the plugin cannot be opened: " << error << '\n';
  return status == MSYS_E_ARG ? kExitUsage : kExitSetup;
}

// SIGHUP is taken from here on, with a control socket and without one.
bool Host::OpenControl() {
  reloader_.emplace(config_, *plugin_, *policy_);
  hangup_.add(SIGHUP);
  WatchHangup();
  if (config_.control_socket.empty()) return true;
  console_.emplace(*plugin_, *reloader_);
  control_.emplace(main_, [this](const std::string& command) {
    return console_->Run(command);
  });
  std::string error;
  return control_->Listen(config_.control_socket, &error) || CannotOpen(error);
}

bool Host::OpenMetrics() {
  if (config_.metrics_address.empty()) return true;
  metrics_.emplace(
      std::make_shared<HostMetrics>(loops_, *plugin_, *states_, counts_));
  std::string error;
  return metrics_->Open(config_.metrics_address, &error) ||
         CannotOpen(config_.file.string() + ": Metrics: " + error);
}

int Host::CheckConfig() {
  if (!LoadParts()) return kExitSetup;
  if (const int status = OpenPlugin()) return status;
  std::string error;
  if (plugin_->Stop(0, &error) != MSYS_OK || plugin_->Close() != MSYS_OK)
    return kExitSetup;
  std::cout << config_.file.string() << ": OK (plugin " << loaded_->api->version
            << ", " << config_.pools.size() << " thread pools configured, "
            << policy_->scripts.size() << " scripts compiled)\n"
            << std::flush;
  return std::cout ? kExitDone : kExitFailed;
}

bool Host::PrepareMail() {
  if (serving()) {
    if (config_.listener) return true;
    std::cerr << "host-sim: no mail given: PATH is a .eml file, a directory, an "
                 "mbox or a Maildir; and no Listener in "
              << config_.file.string() << "; see --help\n";
    return false;
  }
  mail_ = LoadMail(options_.paths);
  if (mail_.mails.empty()) {
    std::cerr << "host-sim: no message in the given paths\n";
    return false;
  }
  sessions_ = options_.sessions ? options_.sessions : mail_.mails.size();
  return true;
}

int Host::Run() {
  if (!PrepareMail()) return kExitUsage;
  std::string error;
  if (!observation_.Open(&error)) {
    std::cerr << "host-sim: " << error << '\n';
    return kExitUsage;
  }
  if (!LoadParts()) return kExitSetup;
  if (const int status = OpenPlugin()) return status;
  if (!OpenControl()) {
    std::string ignored;
    plugin_->Stop(0, &ignored);
    plugin_->Close();
    return kExitFailed;
  }
  WatchSignals();
  for (const auto& loop : loops_) loop->Start();
  WatchLoops();
  const auto listener = config_.listener.value_or(ListenerConfig{});
  states_.emplace(*plugin_, loops_, *policy_, config_.max_states,
                  std::chrono::seconds(listener.policy_timeout_s));

  if (serving())
    TellStarting("loading the policies",
                 std::chrono::seconds(listener.policy_timeout_s));
  bool ready = OpenMetrics() && OpenFirstState();
  if (ready && !stopping_) ready = RunSessions();
  if (!stuck_) WaitForPools();
  if (!stuck_) CloseStates();
  StopPlugin();
  progress_.reset();
  int status = stopping_ || unopened_ ? kExitFailed : kExitSetup;
  if (ready) {
    const bool written = WriteReport();
    status = written ? ExitStatus() : kExitFailed;
  }
  if (!observation_.Finish(ready ? &report_ : nullptr) && status == kExitDone)
    status = kExitFailed;
  if (stuck_) {  // threads still run: nothing they use may be destroyed
    std::cout.flush();
    std::_Exit(status == kExitDone ? kExitFailed : status);
  }
  plugin_->Close();
  for (const auto& loop : loops_) loop->Stop();
  return status;
}

Host::Clock::time_point Host::Deadline() {
  if (!deadline_)
    deadline_ = Clock::now() + std::chrono::seconds(config_.shutdown_timeout_s);
  return *deadline_;
}

bool Host::WaitFor(const bool& flag,
                   std::optional<Clock::time_point> deadline) {
  while (!flag) {
    if (!deadline)
      main_.run_one();
    else if (main_.run_one_until(*deadline) == 0)
      return false;
  }
  return true;
}

// One state first, so that a policy that does not load ends the run before it
// has begun.  A signal ends the wait.
bool Host::OpenFirstState() {
  LuaState* state = states_->Acquire();
  // Shared: the answer may come when this frame has gone.
  const auto ready = std::make_shared<std::optional<bool>>();
  state->loop().Defer([this, state, ready] {
    state->WhenReady([this, ready](bool good) {
      boost::asio::post(main_, [ready, good] { *ready = good; });
    });
  });
  while (!ready->has_value() && !stopping_) main_.run_one();
  states_->Release(state);
  if (*ready == false) std::cerr << "host-sim: the policy cannot be loaded\n";
  return ready->value_or(false);
}

bool Host::RunSessions() {
  const auto over = [this] {
    boost::asio::post(main_, [this] { sessions_over_ = true; });
  };
  const auto begin = Clock::now();
  observation_.Begin(*plugin_, counts_);
  if (serving()) {
    listener_.emplace(*states_, loops_, *config_.listener, counts_, over);
    std::string error;
    if (!listener_->Open(&error)) return CannotOpen(error);
    TellReady("takes mail on " + listener_->address());
  } else {
    replay_.emplace(*states_, loops_, mail_.mails, sessions_,
                    options_.concurrency, counts_, over);
    progress_.emplace(counts_, sessions_);
    DrawProgress();
    replay_->Start();
  }
  // Once a signal has come, a deadline and two graces bound the wait.
  while (!sessions_over_ && !stuck_) main_.run_one();
  report_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  shutdown_timer_.cancel();
  progress_timer_.cancel();
  if (stuck_)
    Log(MSYS_LOG_ERROR, "host", "sessions did not end when cancelled");
  const std::uint64_t cut = listener_ ? listener_->cut() : 0;
  if (cut > 0)
    Logf(MSYS_LOG_WARNING, "host", "SMTP sessions cut off, each with a mail or a command "
         "under way: %llu", static_cast<unsigned long long>(cut));
  if (stuck_ || cut > 0) report_.drained = false;
  return true;
}

void Host::StopStarting() {
  if (replay_) replay_->StopStarting();
  if (listener_) listener_->StopStarting();
}

void Host::CancelAll(bool at_once) {
  if (replay_) replay_->CancelAll(at_once);
  if (listener_) listener_->CancelAll(at_once);
}

// Asynchronous closures and completion functions may outlive their sessions; they
// are let through before detach would end them.  No event says so, hence a look
// every few milliseconds.
void Host::WaitForPools() {
  const auto deadline = Deadline();
  boost::asio::steady_timer poll(main_);
  while (plugin_->PendingJobs() > 0 && Clock::now() < deadline) {
    bool elapsed = false;
    poll.expires_after(std::chrono::milliseconds(2));
    poll.async_wait([&](const auto&) { elapsed = true; });
    WaitFor(elapsed);
  }
  const std::uint64_t busy = plugin_->PendingJobs();
  if (busy == 0) return;
  report_.drained = false;
  Logf(MSYS_LOG_ERROR, "host", "%llu jobs are still not done after %u s",
       static_cast<unsigned long long>(busy), config_.shutdown_timeout_s);
}

void Host::CloseStates() {
  // Shared: after a timeout it may still come, and find no frame of ours.
  const auto closed = std::make_shared<bool>(false);
  states_->CloseAll([this, closed] {
    boost::asio::post(main_, [closed] { *closed = true; });
  });
  if (WaitFor(*closed, std::max(Deadline(), Clock::now()) + kCancelGrace)) return;
  stuck_ = true;
  report_.drained = false;
  for (const std::string& name : states_->StillOpen())
    Log(MSYS_LOG_ERROR, "host",
        "Lua state " + name + " cannot be closed: Lua code of it still runs");
}

void Host::StopPlugin() {
  control_.reset();  // nobody would answer
  metrics_.reset();  // before there is no plugin to ask
  // From here on the main thread may wait inside the plugin.
  if (stopping_) {
    signals_.clear();
    std::signal(SIGINT, ExitAtOnce);
    std::signal(SIGTERM, ExitAtOnce);
  }
  // When something is stuck, only to have the plugin log what still runs.
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::max(Deadline() - Clock::now(), Clock::duration::zero()));
  std::string error;
  const msys_status status = plugin_->Stop(
      stuck_ ? 0 : static_cast<std::uint32_t>(left.count()), &error);
  // It cannot when states are not closed, which has been said.
  if (status != MSYS_OK && !stuck_)
    Log(MSYS_LOG_ERROR, "host", "the plugin cannot be stopped: " + error);
  if (status == MSYS_OK) return;
  stuck_ = true;
  report_.drained = false;
}

bool Host::WriteReport() {
  report_.run_inline = options_.run_inline;
  report_.serving = serving();
  report_.messages = mail_.mails.size();
  report_.unreadable = mail_.unreadable;
  report_.concurrency =
      serving() ? config_.listener->max_connections : options_.concurrency;
  report_.states = states_->size();
  Collect(loops_, *plugin_, counts_, &report_);
  const auto written = [](std::ostream& out, const std::string& text,
                          const std::string& where) {
    if (out) errno = 0;
    out << text << std::flush;
    if (!out)
      std::cerr << "host-sim: cannot write the report to " << where << ": "
                << strerror(errno) << '\n';
    return out.good();
  };
  bool good = true;
  if (options_.json == "-") {
    good = written(std::cout, ReportJson(report_), "standard output");
  } else if (options_.report_text) {
    good = written(std::cout, ReportText(report_), "standard output");
  }
  if (options_.json.empty() || options_.json == "-") return good;
  errno = 0;
  std::ofstream out(options_.json, std::ios::binary);
  return written(out, ReportJson(report_), '"' + options_.json + '"') && good;
}

int Host::ExitStatus() const {
  // A client that goes away, or a policy that fails for one mail, is what a
  // server lives with; what counts there is whether everything drained.
  const bool good = report_.Accounted() && report_.drained &&
                    mail_.unreadable_paths == 0 &&
                    (serving() || (report_.errors == 0 &&
                                   counts_.of(Outcome::kCancelled) == 0));
  return good ? kExitDone : kExitFailed;
}

void Host::WatchSignals() {
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  signals_.async_wait(
      [this](const boost::system::error_code& error, int number) {
        if (!error) OnSignal(number);
      });
}

void Host::WatchHangup() {
  hangup_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    std::string logged;
    reloader_->Reload(&logged);
    WatchHangup();
  });
}

void Host::OnSignal(int signal) {
  stopping_ = true;
  signals_.clear();
  std::signal(SIGINT, ExitAtOnce);
  std::signal(SIGTERM, ExitAtOnce);
  const std::chrono::seconds at_most(config_.shutdown_timeout_s);
  const auto doing = std::string(signal == SIGINT ? "SIGINT" : "SIGTERM") +
                     ": finishing the sessions in flight, for " +
                     std::to_string(at_most.count()) + " s at most";
  Log(MSYS_LOG_NOTICE, "host", doing);
  if (serving()) TellStopping(doing, at_most + kShutdownMargin);
  const auto deadline = Deadline();
  if (!replay_ && !listener_) return;
  StopStarting();
  const auto after = [this](Clock::duration delay, auto then) {
    shutdown_timer_.expires_after(delay);
    shutdown_timer_.async_wait([then](const boost::system::error_code& error) {
      if (!error) then();
    });
  };
  after(deadline - Clock::now(), [this, after] {
    CancelAll(false);
    after(kCancelGrace, [this, after] {
      CancelAll(true);
      after(kCancelGrace, [this] { stuck_ = true; });
    });
  });
}

// From outside: a policy that computes without an end keeps its loop from saying so.
void Host::WatchLoops() {
  held_up_.resize(loops_.size());
  for (const auto& loop : loops_) {
    const bool before = held_up_[loop->index()];
    const bool now = std::chrono::nanoseconds(loop->holdup_ns()) >= kHoldupWarning;
    held_up_[loop->index()] = now;
    if (now && !before)
      Logf(MSYS_LOG_WARNING, "host",
           "event loop %u has been busy with one thing for %lld s: most likely a policy "
           "computes on it; nothing else of its sessions goes on meanwhile",
           loop->index(), static_cast<long long>(kHoldupWarning.count()));
  }
  watch_timer_.expires_after(kWatchEvery);
  watch_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) WatchLoops();
  });
}

void Host::DrawProgress() {
  if (!progress_ || !progress_->enabled()) return;
  progress_->Draw();
  progress_timer_.expires_after(std::chrono::milliseconds(100));
  progress_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) DrawProgress();
  });
}

}  // namespace hostsim
