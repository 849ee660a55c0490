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
#include <string>

#include "compare_report.h"
#include "host.h"
#include "log.h"

namespace hostsim {
namespace {

// Takes the signals of this process while a run is in another one, which gets
// them handed on.
//
// They are blocked and waited for: no handler, and none is lost before the
// other process is known.
class Signals {
 public:
  Signals() {
    ::signal(SIGCHLD, SIG_DFL);  // ignored, it would not come
    sigemptyset(&taken_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD})
      sigaddset(&taken_, signal);
    sigprocmask(SIG_BLOCK, &taken_, &before_);
  }
  ~Signals() { Restore(); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  void Restore() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

  // Whether one came that ends all.
  bool stopped() {
    constexpr timespec kNow{};
    for (int signal; (signal = ::sigtimedwait(&taken_, nullptr, &kNow)) > 0;)
      Note(signal);
    return stopped_;
  }

  // Returns what waitpid() says of the child.
  int WaitFor(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) != child) {
      const int signal = ::sigwaitinfo(&taken_, nullptr);
      if (signal <= 0 || signal == SIGCHLD) continue;
      Note(signal);
      ::kill(child, signal);
    }
    return status;
  }

 private:
  void Note(int signal) {
    stopped_ = stopped_ || signal == SIGINT || signal == SIGTERM;
  }

  sigset_t taken_, before_;
  bool stopped_ = false;
};

const char* Name(bool run_inline) { return run_inline ? "inline" : "pools"; }

int Fail(const char* what) {
  std::cerr << "host-sim: --compare: " << what << ": " << strerror(errno)
            << '\n';
  return kExitFailed;
}

// A group of its own, so that a signal from the terminal comes once: handed on.
void BecomeChild(Signals& signals) {
  ::setpgid(0, 0);
  ::signal(SIGTTOU, SIG_IGN);  // it still may draw its progress
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  signals.Restore();
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

int ExitStatusOf(int status, const char* name) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int signal = WTERMSIG(status);
  std::cerr << "host-sim: the run \"" << name << "\" was ended by signal "
            << signal << " (" << strsignal(signal) << ")\n";
  return 128 + signal;
}

// *report stays empty when the run did not get as far as one.
int RunOnce(const Options& options, const Config& config, bool run_inline,
            Signals& signals, std::string* report) {
  const int memory = ::memfd_create("host-sim-report", MFD_CLOEXEC);
  if (memory < 0) return Fail("memfd_create");
  const std::string file = "/proc/self/fd/" + std::to_string(memory);
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    BecomeChild(signals);
    std::exit(RunInChild(options, config, run_inline, file));
  }
  const int status =
      child < 0 ? Fail("fork")
                : ExitStatusOf(signals.WaitFor(child), Name(run_inline));
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
  errno = 0;
  std::ofstream out(options.json, std::ios::binary);
  out << CompareJson(runs) << std::flush;
  if (!out)
    std::cerr << "host-sim: cannot write the report to \"" << options.json
              << "\": " << strerror(errno) << '\n';
  return out.good();
}

}  // namespace

int RunCompare(const Options& options, const Config& config) {
  Signals signals;
  ComparedRuns runs;
  int status = RunOnce(options, config, false, signals, &runs.with_pools);
  // What keeps the first from starting keeps the second.
  if (status == kExitUsage || status == kExitSetup) return status;
  if (!signals.stopped()) {
    const int other = RunOnce(options, config, true, signals, &runs.run_inline);
    if (status == kExitDone) status = other;
  }
  const bool stopped = signals.stopped();
  if (stopped)
    std::cerr << "host-sim: --compare: stopped before both runs were over\n";
  const bool good = Write(options, runs) && !stopped;
  return good || status != kExitDone ? status : kExitFailed;
}

}  // namespace hostsim
