#include "options.h"

#include <getopt.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace hostsim {
namespace {

enum Key {
  kConfig = 'c',
  kSessions = 256,
  kConcurrency,
  kJson,
  kTrace,
  kReport,
  kInline,
  kCompare,
  kCheck,
  kControl,
  kVersion,
  kHelp = 'h'
};

constexpr option kLong[] = {
    {"config", required_argument, nullptr, kConfig},
    {"sessions", required_argument, nullptr, kSessions},
    {"concurrency", required_argument, nullptr, kConcurrency},
    {"json", required_argument, nullptr, kJson},
    {"trace", required_argument, nullptr, kTrace},
    {"report", required_argument, nullptr, kReport},
    {"inline", no_argument, nullptr, kInline},
    {"compare", no_argument, nullptr, kCompare},
    {"check-config", no_argument, nullptr, kCheck},
    {"control", required_argument, nullptr, kControl},
    {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelp},
    {nullptr, 0, nullptr, 0}};

std::string NameOf(int key) {
  const option* found = kLong;
  while (found->name && found->val != key) ++found;
  return std::string("--") + (found->name ? found->name : "?");
}

bool ParseNumber(const char* name, const char* text, std::uint64_t most,
                 std::uint64_t* out, std::string* error) {
  errno = 0;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' &&
      value >= 1 && value <= most) {
    *out = value;
    return true;
  }
  *error = std::string("--") + name + " " + text + ": a number from 1 to " +
           std::to_string(most) + " is wanted";
  return false;
}

// Without a path mail is taken from clients, as many as there are.
bool CheckReplay(const Options& options, std::string* error) {
  if (options.of_replay.empty() || !options.paths.empty() ||
      options.action != Options::Action::kRun)
    return true;
  *error = options.of_replay + " is for mail to replay: give it a PATH; see --help";
  return false;
}

// "" is most likely a variable that is not set.
bool CheckFiles(const Options& options, std::string* error) {
  const std::pair<const char*, const std::string*> files[] = {
      {"--json", &options.json}, {"--report", &options.report}, {"--trace", &options.trace}};
  for (const auto& [name, file] : files) {
    for (const auto& [other, same] : files) {
      if (file == same || file->empty() || *file != *same) continue;
      *error = std::string(name) + " and " + other + " are both \"" + *file +
               "\": give each a file of its own";
      return false;
    }
  }
  return true;
}

// The rules of --compare.
bool CheckCompare(const Options& options, std::string* error) {
  if (!options.compare) return true;
  if (options.run_inline)
    *error = "--compare and --inline: --compare runs both, leave out --inline";
  else if (!options.trace.empty() || !options.report.empty())
    *error = "--compare runs twice: --trace and --report are for one run";
  else if (options.action == Options::Action::kCheckConfig)
    *error = "--compare and --check-config: the latter runs nothing";
  else if (options.paths.empty())
    *error = "--compare needs mail to replay: give it a PATH; see --help";
  else
    return true;
  return false;
}

bool Take(int key, Options* options, std::string* error) {
  std::uint64_t number = 0;
  switch (key) {
    case kConfig:
      options->config = optarg;
      return true;
    case kJson:
      options->json = optarg;
      return true;
    case kTrace:
      options->trace = optarg;
      return true;
    case kReport:
      options->report = optarg;
      return true;
    case kInline:
      options->run_inline = true;
      return true;
    case kCompare:
      options->compare = true;
      return true;
    case kCheck:
      options->action = Options::Action::kCheckConfig;
      return true;
    case kControl:
      options->action = Options::Action::kControl;
      options->control = optarg;
      return true;
    case kVersion:
      options->action = Options::Action::kVersion;
      return true;
    case kHelp:
      options->action = Options::Action::kHelp;
      return true;
    case kSessions:
      if (!ParseNumber("sessions", optarg, 1'000'000'000, &number, error))
        return false;
      options->sessions = number;
      options->of_replay = "--sessions";
      return true;
    case kConcurrency:
      if (!ParseNumber("concurrency", optarg, 100'000, &number, error))
        return false;
      options->concurrency = static_cast<std::uint32_t>(number);
      options->of_replay = "--concurrency";
      return true;
    default:
      return false;
  }
}

}  // namespace

bool ParseOptions(int argc, char** argv, Options* options, std::string* error) {
  optind = 0;  // start afresh, also after an earlier call
  opterr = 0;
  const char* passed_over = nullptr;  // by getopt: no option
  for (;;) {
    const int at = optind == 0 ? 1 : optind;
    if (!passed_over && at < argc && argv[at][0] != '-') passed_over = argv[at];
    const int key = getopt_long(argc, argv, ":c:h", kLong, nullptr);
    if (key == -1) break;
    const std::string word = passed_over ? argv[optind - 1] : argv[at];
    if (key == '?' || key == ':') {
      *error = word +
               (key == ':' ? ": needs a value" : ": no such option") +
               "; see --help";
      return false;
    }
    if (key != kHelp && optarg != nullptr && *optarg == '\0') {
      *error = NameOf(key) + ": its value is empty; see --help";
      return false;
    }
    if (key == kControl && passed_over) {
      *error = std::string(passed_over) + " stands before --control: a command comes "
               "behind it and its socket";
      return false;
    }
    if (!Take(key, options, error)) return false;
    if (options->action == Options::Action::kHelp ||
        options->action == Options::Action::kVersion)
      return true;
    // What follows is the command, whatever it begins with.
    if (key == kControl) break;
  }
  if (options->action == Options::Action::kControl && optind < argc &&
      std::strcmp(argv[optind], "--") == 0)
    ++optind;
  options->paths.assign(argv + optind, argv + argc);
  if (options->action == Options::Action::kControl) {
    for (const std::string& word : options->paths)
      options->command += (options->command.empty() ? "" : " ") + word;
    options->paths.clear();
    if (!options->command.empty()) return true;
    *error = "no command given: --control SOCKET help lists them";
    return false;
  }
  if (options->config.empty()) {
    *error = "no configuration given: --config FILE; see --help";
    return false;
  }
  return CheckFiles(*options, error) && CheckCompare(*options, error) &&
         CheckReplay(*options, error);
}

const char* UsageText() {
  return "usage: host-sim --config FILE [options] [PATH...]\n"
         "       host-sim --control SOCKET COMMAND...\n"
         "\n"
         "Replays mail through Lua policies that use msys.runInPool.\n"
         "PATH is a message (.eml), a directory of them, an mbox or a Maildir.\n"
         "Without one, serves the Listener of the configuration until SIGTERM.\n"
         "\n"
         "  -c, --config FILE     the configuration\n"
         "      --check-config    read it, load the plugin, compile the policies; "
         "run\n"
         "                        nothing\n"
         "      --sessions N      replay the messages until N sessions ran\n"
         "      --concurrency N   sessions in flight (50)\n"
         "      --inline          run every closure on the event loop, as if "
         "there\n"
         "                        were no thread pools\n"
         "      --compare         replay twice, with thread pools and inline, "
         "and report\n"
         "                        both side by side\n"
         "      --json FILE       write the report as JSON too; - is stdout\n"
         "      --report FILE     write it as a page for a browser too, with "
         "charts\n"
         "      --trace FILE      write a time line for Perfetto or "
         "chrome://tracing\n"
         "      --control SOCKET  send a console command to a running host-sim;\n"
         "                        help lists them; exit status 0 or 1\n"
         "      --version         the version\n"
         "  -h, --help            this text\n"
         "\n"
         "exit status\n"
         "  0  every session ended, none by an error, and everything drained\n"
         "  1  a session was tempfailed by an error, cancelled or lost, the "
         "rest\n"
         "     did not drain in time, a PATH could not be read, a report or trace\n"
         "     could not be written, or a socket or the Maildir could not be "
         "opened\n"
         "  2  wrong command line or configuration, no mail to replay, or a file\n"
         "     of --report or --trace that cannot be opened\n"
         "  3  the plugin or a policy could not be loaded\n"
         "  128 + signal number: a second signal ended it at once\n";
}

}  // namespace hostsim
