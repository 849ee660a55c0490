#include "compare.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "compare_report.h"
#include "host.h"
#include "log.h"

namespace hostsim {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t running_child = 0;
volatile sig_atomic_t was_stopped = 0;

extern "C" void Forward(int signal) {
  if (signal != SIGHUP) was_stopped = 1;
  if (running_child != 0) ::kill(running_child, signal);
}

void SetHandlers(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : kForwarded) ::sigaction(signal, &action, nullptr);
}

// In between the child is not known yet.
class ForwardedBlocked {
 public:
  ForwardedBlocked() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kForwarded) sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, &before_);
  }
  ~ForwardedBlocked() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  ForwardedBlocked(const ForwardedBlocked&) = delete;
  ForwardedBlocked& operator=(const ForwardedBlocked&) = delete;

 private:
  sigset_t before_;
};

const char* Name(bool run_inline) { return run_inline ? "inline" : "pools"; }

int Fail(const char* what) {
  std::cerr << "host-sim: --compare: " << what << ": " << strerror(errno)
            << '\n';
  return kExitFailed;
}

// A group of its own, so that a signal from the terminal comes once: forwarded.
void BecomeChild() {
  ::setpgid(0, 0);
  ::signal(SIGTTOU, SIG_IGN);  // it still may draw its progress
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  SetHandlers(SIG_DFL);
}

int RunInChild(Options options, const Config& config, bool run_inline,
               const std::string& json) {
  options.run_inline = run_inline;
  options.report_text = false;
  options.json = json;
  LogTag(Name(run_inline));
  Host host(options, config);
  return host.Run();
}

int WaitForChild(pid_t child, const char* name) {
  // While it is a zombie its number belongs to nobody else.
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) !=
             0 &&
         errno == EINTR) {
  }
  running_child = 0;
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int signal = WTERMSIG(status);
  std::cerr << "host-sim: the run \"" << name << "\" was ended by signal "
            << signal << " (" << strsignal(signal) << ")\n";
  return 128 + signal;
}

// *report stays empty when the run did not get as far as one.
int RunOnce(const Options& options, const Config& config, bool run_inline,
            std::string* report) {
  const int memory = ::memfd_create("host-sim-report", MFD_CLOEXEC);
  if (memory < 0) return Fail("memfd_create");
  const std::string file = "/proc/self/fd/" + std::to_string(memory);
  int status = 0;
  {
    std::cout.flush();
    std::optional<ForwardedBlocked> blocked(std::in_place);
    const pid_t child = ::fork();
    if (child == 0) {
      BecomeChild();
      blocked.reset();
      std::exit(RunInChild(options, config, run_inline, file));
    }
    if (child < 0) {
      status = Fail("fork");
    } else {
      running_child = child;
      blocked.reset();
      status = WaitForChild(child, Name(run_inline));
    }
  }
  std::ifstream in(file);
  report->assign(std::istreambuf_iterator<char>(in), {});
  ::close(memory);
  return status;
}

bool Write(const Options& options, const ComparedRuns& runs) {
  if (options.json != "-") std::cout << CompareText(runs) << std::flush;
  if (options.json.empty()) return true;
  if (options.json == "-") {
    std::cout << CompareJson(runs) << std::flush;
    return std::cout.good();
  }
  std::ofstream out(options.json, std::ios::binary);
  out << CompareJson(runs) << std::flush;
  if (!out) std::cerr << "host-sim: cannot write \"" << options.json << "\"\n";
  return out.good();
}

}  // namespace

int RunCompare(const Options& options, const Config& config) {
  SetHandlers(Forward);
  ComparedRuns runs;
  int status = RunOnce(options, config, false, &runs.with_pools);
  // What keeps the first from starting keeps the second.
  if (status == kExitUsage || status == kExitSetup) return status;
  if (!was_stopped) {
    const int other = RunOnce(options, config, true, &runs.run_inline);
    if (status == kExitDone) status = other;
  }
  if (was_stopped)
    std::cerr << "host-sim: --compare: stopped before both runs were over\n";
  const bool good = Write(options, runs) && !was_stopped;
  return good || status != kExitDone ? status : kExitFailed;
}

}  // namespace hostsim
