#include "log.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include "sync.h"

namespace hostsim {
namespace {

struct Level {
  LogLevel value;
  const char* name;
};
constexpr std::array<Level, 5> kLevels{{{MSYS_LOG_ERROR, "error"},
                                        {MSYS_LOG_WARNING, "warning"},
                                        {MSYS_LOG_NOTICE, "notice"},
                                        {MSYS_LOG_INFO, "info"},
                                        {MSYS_LOG_DEBUG, "debug"}}};

struct Sink {
  Mutex mutex;
  int fd GUARDED_BY(mutex) = STDERR_FILENO;
  std::string status GUARDED_BY(mutex);
  bool failing GUARDED_BY(mutex) = false;
  std::string tag;  // "[tag] "; set before other threads run
};
Sink& TheSink() {
  static Sink* sink = new Sink;  // never destroyed: threads may log at exit
  return *sink;
}
std::atomic<LogLevel> threshold{MSYS_LOG_INFO};  // relaxed: orders nothing

std::string Timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[80];
  const std::size_t size =
      strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ",
                static_cast<int>(now.tv_nsec / 1'000'000));
  return text;
}

void AppendEscaped(std::string& out, std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\n    ";
    } else if (c == '\t' || (byte >= 0x20 && byte != 0x7f)) {
      out += c;
    } else {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", byte);
      out += hex;
    }
  }
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::atomic<std::uint64_t> lost{0};  // relaxed: orders nothing

// A log that cannot be written must not stop mail; what is lost is counted and, of a
// file, said on stderr.  A pipe that nobody reads does stop it: whoever made it has
// chosen to lose nothing.
void WriteLine(Sink& sink, std::string_view line) REQUIRES(sink.mutex) {
  if (WriteAll(sink.fd, line)) {
    sink.failing = false;
    return;
  }
  const int failure = errno;
  lost.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(sink.failing, true) || sink.fd == STDERR_FILENO) return;
  WriteAll(STDERR_FILENO, std::string("host-sim: the log file cannot be written, and "
                                      "lines are lost until it can: ") +
                              strerror(failure) + "\n");
}

constexpr std::string_view kEraseLine = "\r\033[K";

}  // namespace

const char* LogLevelName(LogLevel level) {
  for (const Level& known : kLevels)
    if (known.value == level) return known.name;
  return level < MSYS_LOG_ERROR ? "error" : "debug";
}

LogLevel LogLevelFromName(std::string_view name) {
  for (const Level& known : kLevels)
    if (strncasecmp(known.name, name.data(), name.size()) == 0 &&
        known.name[name.size()] == '\0')
      return known.value;
  return -1;
}

bool LogCanOpen(const std::string& file, std::string* error) {
  if (file.empty()) return true;
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) return ::close(fd) == 0;
  if (errno == ENXIO) return true;  // a pipe: the start waits for its reader
  if (errno == ENOENT) {
    std::error_code failure;
    std::filesystem::path made = file;
    const auto target = std::filesystem::read_symlink(made, failure);
    if (!failure) made = made.parent_path() / target;
    const auto folder = made.has_parent_path() ? made.parent_path() : ".";
    if (::access(folder.c_str(), W_OK | X_OK) == 0) return true;
  }
  *error = "cannot open the log file \"" + file + "\": " + strerror(errno);
  return false;
}

bool LogOpen(LogLevel level, const std::string& file, std::string* error) {
  threshold.store(level, std::memory_order_relaxed);
  if (file.empty()) return true;
  const int fd =
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) {
    *error = "cannot open the log file \"" + file + "\": " + strerror(errno);
    return false;
  }
  Sink& sink = TheSink();
  MutexLock lock(sink.mutex);
  if (sink.fd != STDERR_FILENO) ::close(sink.fd);
  sink.fd = fd;
  return true;
}

void LogTag(std::string_view tag) {
  TheSink().tag = "[" + std::string(tag) + "] ";
}

bool LogWanted(LogLevel level) {
  return level <= threshold.load(std::memory_order_relaxed);
}

void Log(LogLevel level, std::string_view component, std::string_view text) {
  if (!LogWanted(level)) return;
  std::string line = Timestamp();
  line += ' ';
  line += LogLevelName(level);
  line += ' ';
  line += TheSink().tag;
  AppendEscaped(line, component);
  line += ": ";
  AppendEscaped(line, text);
  line += '\n';

  Sink& sink = TheSink();
  MutexLock lock(sink.mutex);
  if (sink.fd != STDERR_FILENO || sink.status.empty()) {
    return WriteLine(sink, line);
  }
  line.insert(0, kEraseLine);
  line += sink.status;
  WriteLine(sink, line);
}

std::uint64_t LogLost() { return lost.load(std::memory_order_relaxed); }

void Logf(LogLevel level, const char* component, const char* format, ...) {
  if (!LogWanted(level)) return;
  va_list args;
  va_start(args, format);
  va_list again;
  va_copy(again, args);
  const int size = std::vsnprintf(nullptr, 0, format, args);
  va_end(args);
  std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  Log(level, component, text);
}

void LogStatusLine(std::string_view text) {
  Sink& sink = TheSink();
  MutexLock lock(sink.mutex);
  sink.status = text.empty() ? "" : sink.tag + std::string(text);
  std::string out(kEraseLine);
  out += sink.status;
  WriteAll(STDERR_FILENO, out);
}

}  // namespace hostsim
