#include "trace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "log.h"

namespace hostsim {
namespace {

constexpr std::size_t kWriteSize = 256 * 1024;
constexpr std::size_t kMostCompleting = 65536;

std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(
      std::chrono::steady_clock::now().time_since_epoch() /
      std::chrono::nanoseconds(1));
}

// Whatever bytes a policy has put into its name.
std::string Quote(const std::string& text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// Each result of a job for each script that waits for it has an arrow.
std::uint64_t ResultId(std::uint64_t job, std::uint64_t script) {
  return job * 0x9E3779B97F4A7C15u ^ script;
}

// The spans of a session's callouts are stacked in one row.
std::uint64_t SpanId(const TraceRecord& record) {
  return record.session != 0 ? record.session : record.id;
}

const char* OutcomeText(std::uint8_t outcome) {
  switch (outcome) {
    case MSYS_OUTCOME_DONE:
      return "done";
    case MSYS_OUTCOME_FAILED:
      return "failed";
    case MSYS_OUTCOME_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

}  // namespace

// {"ph":"B","pid":1,"tid":2,"ts":3.004, ... ,"args":{ ... }}
class TraceFile::Event {
 public:
  Event(TraceFile& file, char phase, const Row& row, std::uint64_t time_ns)
      : file_(file), out_(file.out_) {
    out_ += file.first_ ? "\n{\"ph\":\"" : ",\n{\"ph\":\"";
    file.first_ = false;
    out_ += phase;
    out_ += "\",";
    out_ += row.prefix;
    Time(time_ns > file.begin_ns_ ? time_ns - file.begin_ns_ : 0);
  }
  ~Event() {
    out_ += in_args_ ? "}}" : "}";
    if (out_.size() >= kWriteSize) file_.Write();
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // `value` is JSON already; a word that needs no escapes; a number.
  Event& Json(std::string_view key, std::string_view value) {
    Key(key);
    out_ += value;
    return *this;
  }
  Event& Word(std::string_view key, std::string_view value) {
    Key(key);
    out_ += '"';
    out_ += value;
    out_ += '"';
    return *this;
  }
  // As a string: a number may be more than a double can hold.
  Event& Id(std::string_view key, std::uint64_t value) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, 16);
    Key(key);
    out_ += "\"0x";
    out_.append(digits, end.ptr);
    out_ += '"';
    return *this;
  }
  Event& Micros(std::string_view key, std::uint64_t ns) {
    Key(key);
    Time(ns);
    return *this;
  }
  Event& Args() {
    out_ += ",\"args\":{";
    in_args_ = true;
    first_arg_ = true;
    return *this;
  }

 private:
  void Key(std::string_view key) {
    if (!first_arg_) out_ += ',';
    first_arg_ = false;
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  // Microseconds, to the nanosecond.
  void Time(std::uint64_t ns) {
    char digits[24];
    char* end = std::to_chars(digits, digits + 20, ns / 1000).ptr;
    *end++ = '.';
    for (unsigned unit = 100; unit > 0; unit /= 10)
      *end++ = static_cast<char>('0' + ns % 1000 / unit % 10);
    out_.append(digits, end);
  }

  TraceFile& file_;
  std::string& out_;
  bool in_args_ = false;
  bool first_arg_ = false;
};

std::unique_ptr<TraceFile> TraceFile::Open(const std::string& path,
                                           const TraceNames& names,
                                           std::string* error) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0)
    return std::unique_ptr<TraceFile>(new TraceFile(fd, path, names));
  *error = "cannot write the trace \"" + path + "\": " + std::strerror(errno);
  return nullptr;
}

TraceFile::TraceFile(int fd, std::string path, const TraceNames& names)
    : fd_(fd),
      path_(std::move(path)),
      names_(names),
      pid_(std::to_string(::getpid())),
      begin_ns_(NowNs()) {
  out_.reserve(kWriteSize + 4096);
  out_ = "[";
  Row process;
  process.prefix = "\"pid\":" + pid_ + ",\"ts\":";
  Event(*this, 'M', process, begin_ns_)
      .Word("name", "process_name")
      .Args()
      .Word("name", "host-sim");
}

TraceFile::~TraceFile() {
  if (fd_ >= 0) ::close(fd_);
}

TraceFile::Row& TraceFile::RowOf(const TraceTrack& track) {
  Row& row = rows_[track.id];
  if (!row.prefix.empty()) return row;
  row.prefix =
      "\"pid\":" + pid_ + ",\"tid\":" + std::to_string(track.id) + ",\"ts\":";
  Event(*this, 'M', row, begin_ns_)
      .Word("name", "thread_name")
      .Args()
      .Json("name", Quote(track.name));
  Event(*this, 'M', row, begin_ns_)
      .Word("name", "thread_sort_index")
      .Args()
      .Json("sort_index", std::to_string(track.order));
  return row;
}

const std::string& TraceFile::Quoted(NameId name) {
  if (name >= quoted_.size()) quoted_.resize(name + 1);
  std::string& quoted = quoted_[name];
  if (quoted.empty())
    quoted = name == kNoName ? "\"unknown\"" : Quote(names_.Text(name));
  return quoted;
}

void TraceFile::EndSlices(Row& row, std::size_t left, std::uint64_t time_ns) {
  for (; row.open.size() > left; row.open.pop_back())
    Event(*this, 'E', row, time_ns);
}

void TraceFile::BeginSlice(Row& row, const TraceRecord& record,
                           const char* category, std::uint8_t end) {
  row.open.push_back({record.id, end});
  Event event(*this, 'B', row, record.time_ns);
  event.Word("cat", category)
      .Json("name", end == MSYS_TRACE_UNBLOCK ? "\"blocking\""
                                              : Quoted(record.name));
  if (end == MSYS_TRACE_UNBLOCK) return;
  event.Args().Id(record.callout ? "callout" : "job", record.id);
  if (record.kind == MSYS_TRACE_RESUME) {
    event.Json("resumed", "true");
    return;
  }
  if (record.pool != kNoName) event.Json("pool", Quoted(record.pool));
  event.Json("state", Quoted(record.detail));
}

bool TraceFile::EndSlice(Row& row, const TraceRecord& record,
                         std::uint8_t end) {
  std::size_t at = row.open.size();
  while (at > 0 && (row.open[at - 1].id != record.id ||
                    row.open[at - 1].kind != end))
    --at;
  if (at == 0) return false;
  EndSlices(row, at, record.time_ns);
  row.open.pop_back();
  Event event(*this, 'E', row, record.time_ns);
  if (record.outcome > MSYS_OUTCOME_DONE)
    event.Args().Word("outcome", OutcomeText(record.outcome));
  return true;
}

void TraceFile::Flow(Row& row, const TraceRecord& record, char phase,
                     const char* category, std::uint64_t id) {
  const bool bare = row.open.empty();
  if (bare)
    Event(*this, 'B', row, record.time_ns)
        .Word("cat", "host")
        .Json("name", Quoted(record.name));
  {
    Event event(*this, phase, row, record.time_ns);
    event.Word("cat", category).Word("name", category).Id("id", id);
    if (phase == 'f') event.Word("bp", "e");
  }
  if (bare) Event(*this, 'E', row, record.time_ns + 1);
}

void TraceFile::Span(Row& row, std::uint64_t time_ns, char phase,
                     const char* category, std::uint64_t id,
                     std::string_view name) {
  Event(*this, phase, row, time_ns)
      .Word("cat", category)
      .Json("name", name)
      .Id("id", id);
}

void TraceFile::Lost(Row& row, const TraceRecord& record) {
  EndSlices(row, 0, record.time_ns);
  Event(*this, 'i', row, record.time_ns)
      .Word("name", "events lost")
      .Word("s", "t")
      .Args()
      .Json("count", std::to_string(record.lost));
}

void TraceFile::Job(Row& row, const TraceRecord& record) {
  switch (record.kind) {
    case MSYS_TRACE_SUBMIT:
      Flow(row, record, 's', "job", record.id);
      Event(*this, 'b', row, record.time_ns)
          .Word("cat", "job")
          .Word("name", "queued")
          .Id("id", record.id)
          .Args()
          .Json("closure", Quoted(record.name))
          .Json("pool", Quoted(record.pool));
      return;
    case MSYS_TRACE_PARK:
      Span(row, record.time_ns, 'b', "job", record.id, "\"parked\"");
      row.parked = record.id;
      return;
    case MSYS_TRACE_START:
      if (row.parked == record.id)
        Span(row, record.time_ns, 'e', "job", record.id, "\"parked\"");
      Span(row, record.time_ns, 'e', "job", record.id, "\"queued\"");
      BeginSlice(row, record, "closure", MSYS_TRACE_END);
      Flow(row, record, 't', "job", record.id);
      return;
    case MSYS_TRACE_END:
      if (record.started_ns == 0)
        Span(row, record.time_ns, 'e', "job", record.id, "\"queued\"");
      Flow(row, record, 'f', "job", record.id);
      EndSlice(row, record, MSYS_TRACE_END);
      return;
    case MSYS_TRACE_DELIVER:
      Flow(row, record, 's', "result", ResultId(record.id, record.other));
      return;
    case MSYS_TRACE_COMPLETION:
      // Of those whose end was lost nobody knows.
      if (completing_.size() >= kMostCompleting) completing_.clear();
      completing_.insert(record.id);
      return BeginSlice(row, record, "completion", MSYS_TRACE_END);
    case MSYS_TRACE_COMPLETED:
      completing_.erase(record.id);
      EndSlice(row, record, MSYS_TRACE_END);
      return;
    default:
      return;  // what a later plugin may send
  }
}

void TraceFile::Callout(Row& row, const TraceRecord& record) {
  if (record.kind == MSYS_TRACE_START) {
    Span(row, record.time_ns, 'b', "session", SpanId(record),
         Quoted(record.name));
    BeginSlice(row, record, "callout", MSYS_TRACE_END);
  } else if (record.kind == MSYS_TRACE_END &&
             EndSlice(row, record, MSYS_TRACE_END)) {
    Span(row, record.time_ns, 'e', "session", SpanId(record),
         Quoted(record.name));
  }
}

void TraceFile::Suspend(Row& row, const TraceRecord& record) {
  EndSlice(row, record, MSYS_TRACE_END);
  Event(*this, 'b', row, record.time_ns)
      .Word("cat", record.callout ? "session" : "job")
      .Word("name", "suspended")
      .Id("id", SpanId(record))
      .Args()
      .Json("for", Quoted(record.detail));
}

void TraceFile::Resume(Row& row, const TraceRecord& record) {
  Span(row, record.time_ns, 'e', record.callout ? "session" : "job",
       SpanId(record), "\"suspended\"");
  BeginSlice(row, record,
             record.callout                      ? "callout"
             : completing_.contains(record.id) ? "completion"
                                                 : "closure",
             MSYS_TRACE_END);
  if (record.other != 0)
    Flow(row, record, 'f', "result", ResultId(record.other, record.id));
}

void TraceFile::Take(const TraceTrack& track, const TraceRecord& record) {
  if (failed_) return;
  Row& row = RowOf(track);
  if (record.lost > 0) Lost(row, record);
  last_ns_ = std::max(last_ns_, record.time_ns);
  switch (record.kind) {
    case TraceRecord::kSessionBegin:
      return Span(row, record.time_ns, 'b', "session", record.id,
                  "\"session\"");
    case TraceRecord::kSessionEnd:
      return Span(row, record.time_ns, 'e', "session", record.id,
                  "\"session\"");
    case MSYS_TRACE_SUSPEND:
      return Suspend(row, record);
    case MSYS_TRACE_RESUME:
      return Resume(row, record);
    case MSYS_TRACE_BLOCK:
      return BeginSlice(row, record, "blocking", MSYS_TRACE_UNBLOCK);
    case MSYS_TRACE_UNBLOCK:
      EndSlice(row, record, MSYS_TRACE_UNBLOCK);
      return;
    default:
      return record.callout ? Callout(row, record) : Job(row, record);
  }
}

void TraceFile::Pause() { Write(); }

void TraceFile::Write() {
  std::size_t done = 0;
  while (!failed_ && done < out_.size()) {
    const ssize_t n = ::write(fd_, out_.data() + done, out_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail();
    else done += static_cast<std::size_t>(n);
  }
  out_.clear();
}

void TraceFile::Fail() {
  Logf(MSYS_LOG_ERROR, "trace", "cannot write \"%s\": %s; the trace ends here",
       path_.c_str(), std::strerror(errno));
  failed_ = true;
}

bool TraceFile::Finish() {
  // What a stop that was not waited for has left open.
  for (auto& [track, row] : rows_) EndSlices(row, 0, last_ns_);
  out_ += "\n]\n";
  Write();
  const int fd = std::exchange(fd_, -1);
  // Where a full disk may only show now.
  if (::close(fd) != 0 && !failed_) Fail();
  return !failed_;
}

}  // namespace hostsim
