#include "config.h"

#include <confuse.h>
#include <strings.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "config_key.h"
#include "control.h"
#include "endpoint.h"
#include "log.h"

namespace hostsim {
namespace {

// The file that is read now; libconfuse hands its functions no context of ours.
struct Reading {
  std::string file;
  std::filesystem::path base;  // the folder of the first one
  std::string* errors = nullptr;
  const cfg_t* root = nullptr;
  int lines = 0;
  int depth = 0;
} reading;

// Of a file.  The time that libconfuse takes for a long word is that of its square.
constexpr std::size_t kMostBytes = 1 << 20;

// libconfuse does not mind a section that is still open at the end.  So this
// option is appended, which only the top level knows.
constexpr char kEnd[] = "end_of_configuration";

// "; ThreadPool has Concurrency, Backlog, Stack_Size"
std::string KnownKeys(cfg_t& cfg) {
  std::string out = "; " + std::string(&cfg == reading.root ? "there are" : cfg.name) +
                    (&cfg == reading.root ? " " : " has ");
  const char* separator = "";
  for (const cfg_opt_t* opt = cfg.opts; opt->name != nullptr; ++opt) {
    if (std::strcmp(opt->name, kEnd) == 0) continue;
    out += std::exchange(separator, ", ") + std::string(opt->name);
  }
  return out;
}

// What libconfuse does not say, by the format of what it says.
std::string Remedy(std::string_view format) {
  constexpr std::pair<std::string_view, const char*> kRemedies[] = {
      {"premature end of file", ": a string's \" or a stanza's } may be missing"},
      {"unexpected token", "; Key = value or Stanza { ... } is wanted"},
      {"unexpected closing brace", "; it closes nothing"},
      {"missing title", "; give it one: Stanza \"name\" { ... }"},
      {"duplicate title", "; a name is there once"},
      {"append to non-list", "; = is wanted"},
      {"missing parenthesis", "; Include(\"file\") is wanted"},
      {"unterminated string", "; its quote is missing at the end"},
  };
  for (const auto& [part, remedy] : kRemedies)
    if (format.find(part) != format.npos) return remedy;
  return "";
}

void OnError(cfg_t* cfg, const char* format, va_list args) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, args);
  std::string line = reading.file;
  if (cfg && cfg->line > 0)
    line += ":" + std::to_string(std::min(cfg->line, reading.lines));
  const bool unknown = std::strstr(text, "no such option") != nullptr;
  if (std::strstr(text, kEnd))
    std::snprintf(text, sizeof text, "a %s is missing before the end",
                  unknown ? "}" : "value");
  *reading.errors += line + ": " + text + Remedy(format);
  if (cfg && unknown) *reading.errors += KnownKeys(*cfg);
  *reading.errors += "\n";
}

int CheckStackSize(cfg_t* cfg, cfg_opt_t* opt) {
  const auto kib = ParseSizeKib(LastString(opt));
  if (kib && (*kib == 0 || *kib >= MSYS_STACK_KIB_MIN)) return 0;
  cfg_error(cfg,
            "%s = \"%s\" is not a stack's size: bytes, or a number with K or M, from "
            "%dK, which Lua needs, to 1024M; or 0, the system's",
            cfg_opt_name(opt), LastString(opt), MSYS_STACK_KIB_MIN);
  return -1;
}

int CheckLevel(cfg_t* cfg, cfg_opt_t* opt) {
  if (LogLevelFromName(LastString(opt)) >= 0) return 0;
  cfg_error(cfg,
            "%s = \"%s\" is not a level: error, warning, notice, info or debug",
            cfg_opt_name(opt), LastString(opt));
  return -1;
}

int CheckReturns(cfg_t* cfg, cfg_opt_t* opt) {
  const char* text = LastString(opt);
  if (strcasecmp(text, "job") == 0 || strcasecmp(text, "results") == 0)
    return 0;
  cfg_error(cfg, "%s = \"%s\" must be \"job\" or \"results\"",
            cfg_opt_name(opt), text);
  return -1;
}

// The library that serves it may have no IPv6.
int CheckMetricsAddress(cfg_t* cfg, cfg_opt_t* opt) {
  const auto endpoint = ParseEndpoint(LastString(opt));
  if (endpoint && endpoint->address().is_v4()) return 0;
  cfg_error(cfg,
            "%s = \"%s\" is not a numeric IPv4 address and a port, like "
            "127.0.0.1:9464",
            cfg_opt_name(opt), LastString(opt));
  return -1;
}

int CheckPlugin(cfg_t* cfg, cfg_opt_t* opt) {
  if (cfg_opt_size(opt) == 1) return 0;
  cfg_error(cfg, "more than one Plugin; host-sim loads one");
  return -1;
}

int CheckSocket(cfg_t* cfg, cfg_opt_t* opt) {
  std::string error;
  if (CheckNotEmpty(cfg, opt) != 0) return -1;
  if (Control::Fits(reading.base / LastString(opt), &error)) return 0;
  cfg_error(cfg, "%s", error.c_str());
  return -1;
}

int CheckPool(cfg_t* cfg, cfg_opt_t* opt) {
  cfg_t* section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
  const std::string name = cfg_title(section) ? cfg_title(section) : "";
  bool good = !name.empty() && name.size() <= 64;
  for (const char c : name)
    good = good && (std::isalnum(static_cast<unsigned char>(c)) ||
                    std::strchr("_-.", c) != nullptr);
  if (good) return 0;
  cfg_error(cfg,
            "ThreadPool \"%s\": a pool's name is 1 to 64 letters, digits, '_', "
            "'-' or '.'",
            name.c_str());
  return -1;
}

int CheckScript(cfg_t* cfg, cfg_opt_t* opt) {
  cfg_t* section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
  if (cfg_size(section, "Source") > 0 && cfg_getstr(section, "Source"))
    return 0;
  cfg_error(cfg, "Script \"%s\" has no Source", cfg_title(section));
  return -1;
}

bool Parse(cfg_t* cfg, std::istream& in) {
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMostBytes) {
    cfg->line = 0;
    cfg_error(cfg, "it has more than %zu bytes: this is no configuration", kMostBytes);
    return false;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // some editors' UTF-8 mark
  if (!text.ends_with('\n')) text += '\n';
  reading.lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  if (const auto at = text.find('\0'); at != text.npos) {
    cfg->line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + at, '\n'));
    cfg_error(cfg, "a NUL byte: this is no text file");
    return false;
  }
  text += std::string(kEnd) + " = 1\n";
  const std::unique_ptr<FILE, int (*)(FILE*)> stream(
      ::fmemopen(text.data(), text.size(), "r"), std::fclose);
  cfg_setint(cfg, kEnd, 0);
  if (!stream || cfg_parse_fp(cfg, stream.get()) != CFG_SUCCESS) return false;
  const bool whole = cfg_getint(cfg, kEnd) == 1;
  if (!whole) cfg_error(cfg, "a comment that begins with /*, or a string, does not end");
  cfg_setint(cfg, kEnd, 0);  // of the file that includes this one, it may be
  return whole;
}

// Include("file"): what it says stands here.  Not by cfg_include(), which an
// error in such a file leaves in the middle: after ten of them libconfuse takes
// every further Include for one too deep, until the process ends.
int Include(cfg_t* cfg, cfg_opt_t*, int argc, const char** argv) {
  namespace fs = std::filesystem;
  constexpr int kMaxDepth = 10;
  if (argc != 1) {
    cfg_error(cfg, "Include takes one file name, got %d", argc);
    return -1;
  }
  const std::string path = (reading.base / argv[0]).string();
  std::error_code failure;
  const bool regular = fs::is_regular_file(path, failure);  // else it may not end
  errno = 0;
  std::ifstream in;
  if (regular) in.open(path);
  if (!in.is_open()) {
    cfg_error(cfg, "Include(\"%s\"): %s", path.c_str(),
              failure   ? failure.message().c_str()
              : regular ? strerror(errno)
                        : "not a regular file");
    return -1;
  }
  if (reading.depth == kMaxDepth) {
    cfg_error(cfg, "Include(\"%s\"): nested too deeply: at most %d files may "
              "include one another", path.c_str(), kMaxDepth);
    return -1;
  }
  const Reading outer = reading;
  const int line = cfg->line;
  reading.file = path;
  ++reading.depth;
  const bool ok = Parse(cfg, in);
  reading = outer;
  cfg->line = line;
  return ok ? 0 : -1;
}

struct CfgFree {
  void operator()(cfg_t* cfg) const { cfg_free(cfg); }
};
using CfgPtr = std::unique_ptr<cfg_t, CfgFree>;

// A new kind of section is a row here, a field of Config and a line in Take().
CfgPtr MakeParser() {
  static cfg_opt_t plugin[] = {CFG_STR("Path", nullptr, CFGF_NODEFAULT),
                               CFG_STR("Completion_Returns", "job", CFGF_NONE),
                               CFG_END()};
  static cfg_opt_t pool[] = {
      CFG_INT_CB("Concurrency", -1, CFGF_NODEFAULT, (Number<0, 1024>)),
      CFG_INT_CB("Backlog", -1, CFGF_NODEFAULT, (Number<0, 1'000'000'000>)),
      CFG_STR("Stack_Size", nullptr, CFGF_NODEFAULT), CFG_END()};
  static cfg_opt_t loop[] = {
      CFG_INT_CB("Concurrency", 1, CFGF_NONE, (Number<1, 64>)),
      CFG_INT_CB("Idle_Poll", 0, CFGF_NONE, (Number<0, 10'000>)), CFG_END()};
  static cfg_opt_t script[] = {CFG_STR("Source", nullptr, CFGF_NODEFAULT),
                               CFG_END()};
  constexpr cfg_flag_t kNamed = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
  static cfg_opt_t lua[] = {
      CFG_INT_CB("Max_States", 16, CFGF_NONE, (Number<1, 100'000>)),
      CFG_SEC("Script", script, kNamed), CFG_END()};
  static cfg_opt_t log[] = {CFG_STR("Level", "info", CFGF_NONE),
                            CFG_STR("File", nullptr, CFGF_NODEFAULT),
                            CFG_END()};
  static cfg_opt_t control[] = {CFG_STR("Socket", nullptr, CFGF_NODEFAULT),
                                CFG_END()};
  static cfg_opt_t metrics[] = {CFG_STR("Address", nullptr, CFGF_NODEFAULT),
                                CFG_END()};
  cfg_opt_t* listener = ListenerKeys();
  static cfg_opt_t root[] = {
      CFG_SEC("Plugin", plugin, kNamed),
      CFG_SEC("ThreadPool", pool, kNamed),
      CFG_SEC("EventLoop", loop, CFGF_NONE),
      CFG_SEC("Lua", lua, CFGF_NONE),
      CFG_SEC("Log", log, CFGF_NONE),
      CFG_SEC("Listener", listener, kNamed),
      CFG_SEC("Control", control, CFGF_NONE),
      CFG_SEC("Metrics", metrics, CFGF_NONE),
      CFG_INT_CB("Shutdown_Timeout", 10, CFGF_NONE, (Number<0, 86'400>)),
      CFG_FUNC("Include", Include),
      CFG_INT(kEnd, 0, CFGF_NONE),
      CFG_END()};
  CfgPtr cfg(cfg_init(root, CFGF_NOCASE));
  cfg_set_error_function(cfg.get(), OnError);
  const auto check = [&](const char* key, cfg_validate_callback_t function) {
    cfg_set_validate_func(cfg.get(), key, function);
  };
  check("Plugin", CheckPlugin);
  check("Plugin|Path", Once<CheckNotEmpty>);
  check("Plugin|Completion_Returns", Once<CheckReturns>);
  check("ThreadPool", CheckPool);
  check("ThreadPool|Concurrency", CheckOnce);
  check("ThreadPool|Backlog", CheckOnce);
  check("ThreadPool|Stack_Size", Once<CheckStackSize>);
  check("EventLoop|Concurrency", CheckOnce);
  check("EventLoop|Idle_Poll", CheckOnce);
  check("Lua|Max_States", CheckOnce);
  check("Lua|Script", CheckScript);
  check("Lua|Script|Source", Once<CheckNotEmpty>);
  check("Log|Level", Once<CheckLevel>);
  check("Log|File", Once<CheckNotEmpty>);
  check("Control|Socket", Once<CheckSocket>);
  check("Metrics|Address", Once<CheckMetricsAddress>);
  check("Shutdown_Timeout", CheckOnce);
  CheckListenerKeys(cfg.get());
  return cfg;
}

std::uint32_t OptionalInt(cfg_t* section, const char* key) {
  return cfg_size(section, key) > 0
             ? static_cast<std::uint32_t>(cfg_getint(section, key))
             : MSYS_UNSET;
}

const char* OptionalString(cfg_t* section, const char* key) {
  return cfg_size(section, key) > 0 ? cfg_getstr(section, key) : nullptr;
}

PoolConfig TakePool(cfg_t* section) {
  PoolConfig pool;
  pool.name = cfg_title(section);
  pool.concurrency = OptionalInt(section, "Concurrency");
  pool.backlog = OptionalInt(section, "Backlog");
  if (const char* size = OptionalString(section, "Stack_Size"))
    pool.stack_size_kib = ParseSizeKib(size).value_or(MSYS_UNSET);
  return pool;
}

Config Take(cfg_t* cfg, const std::filesystem::path& file) {
  const auto& base = reading.base;
  Config config;
  config.file = file;
  if (cfg_t* plugin = cfg_getnsec(cfg, "Plugin", 0)) {
    if (const char* path = OptionalString(plugin, "Path"))
      config.plugin_path = base / path;
    if (strcasecmp(cfg_getstr(plugin, "Completion_Returns"), "results") == 0)
      config.completion_returns = MSYS_COMPLETION_RETURNS_RESULTS;
  }
  for (unsigned i = 0; i < cfg_size(cfg, "ThreadPool"); ++i)
    config.pools.push_back(TakePool(cfg_getnsec(cfg, "ThreadPool", i)));
  cfg_t* loop = cfg_getsec(cfg, "EventLoop");
  config.loops = static_cast<std::uint32_t>(cfg_getint(loop, "Concurrency"));
  config.idle_poll_us = static_cast<std::uint32_t>(cfg_getint(loop, "Idle_Poll"));
  cfg_t* lua = cfg_getsec(cfg, "Lua");
  config.max_states = static_cast<std::uint32_t>(cfg_getint(lua, "Max_States"));
  for (unsigned i = 0; i < cfg_size(lua, "Script"); ++i) {
    cfg_t* script = cfg_getnsec(lua, "Script", i);
    config.scripts.push_back(
        {cfg_title(script), base / cfg_getstr(script, "Source")});
  }
  cfg_t* log = cfg_getsec(cfg, "Log");
  config.log_level = LogLevelFromName(cfg_getstr(log, "Level"));
  if (const char* path = OptionalString(log, "File"))
    config.log_file = base / path;
  if (const char* path = OptionalString(cfg_getsec(cfg, "Control"), "Socket"))
    config.control_socket = base / path;
  if (const char* address =
          OptionalString(cfg_getsec(cfg, "Metrics"), "Address"))
    config.metrics_address = address;
  config.listener = TakeListener(cfg, base);
  config.shutdown_timeout_s =
      static_cast<std::uint32_t>(cfg_getint(cfg, "Shutdown_Timeout"));
  return config;
}

}  // namespace

std::optional<std::uint32_t> ParseSizeKib(const std::string& text) {
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0])))
    return std::nullopt;
  errno = 0;
  char* end = nullptr;
  const unsigned long long number = std::strtoull(text.c_str(), &end, 10);
  unsigned long long unit = 1;
  if (*end == 'k' || *end == 'K') unit = 1024;
  if (*end == 'm' || *end == 'M') unit = 1024 * 1024;
  if (unit != 1) ++end;
  constexpr unsigned long long kMost = 1024ull * 1024 * 1024;
  if (*end != '\0' || errno != 0 || number > kMost / unit) return std::nullopt;
  return static_cast<std::uint32_t>((number * unit + 1023) / 1024);
}

std::optional<Config> ReadConfig(const std::filesystem::path& file,
                                 std::string* error) {
  error->clear();
  std::error_code ignored;
  // Relative, if the working directory is gone.
  const auto absolute = std::filesystem::absolute(file, ignored);
  reading = {file.string(), (ignored ? file : absolute).parent_path(), error};
  errno = std::filesystem::is_directory(file, ignored) ? EISDIR : 0;
  std::ifstream in;
  if (errno == 0) in.open(file);
  if (!in.is_open()) {
    *error = file.string() +
             ": cannot read the configuration: " + strerror(errno) + "\n";
    return std::nullopt;
  }
  ForgetKeys();
  const CfgPtr cfg = MakeParser();
  reading.root = cfg.get();
  if (!Parse(cfg.get(), in)) {
    if (error->empty())
      *error =
          file.string() + ":" + std::to_string(cfg->line) + ": syntax error\n";
    return std::nullopt;
  }
  return Take(cfg.get(), file);
}

}  // namespace hostsim
