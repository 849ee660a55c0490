// Trace events as a file that Perfetto and chrome://tracing open: JSON, in the
// array form of the Trace Event Format, of which viewers also take one that
// was cut off by a crash.
//
//   loops and workers  threads: the slices in which a callout, closure or
//                      completion function has the thread, and blocking regions
//   sessions, jobs     asynchronous spans: a session with its callouts; what
//                      is queued, parked, suspended
//   flow arrows        from a call to the start and the end of its closure, and
//                      from there to the script that goes on with the result
//
// Threads: by one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "trace_collector.h"

namespace hostsim {

class TraceFile final : public TraceSink {
 public:
  // Null: *error is a line that says why the file cannot be written.
  static std::unique_ptr<TraceFile> Open(const std::string& path,
                                         const TraceNames& names,
                                         std::string* error);
  ~TraceFile();  // what was not finished stays as it is

  void Take(const TraceTrack& track, const TraceRecord& record) override;
  void Pause() override;

  // Ends the file.  False: not all could be written, which has been logged.
  // Only once; nothing is taken after it.
  bool Finish();

 private:
  // A slice that has begun on a track and not ended.
  struct Slice {
    std::uint64_t id;
    std::uint8_t kind;  // that ends it: END stands for SUSPEND too
  };
  struct Row {
    std::string prefix;        // "pid":1,"tid":2,"ts":
    std::vector<Slice> open;
    std::uint64_t parked = 0;  // the job that is to start next was
  };
  // One event under way; ends it when it goes.
  class Event;

  TraceFile(int fd, std::string path, const TraceNames& names);

  Row& RowOf(const TraceTrack& track);
  const std::string& Quoted(NameId name);
  void Job(Row& row, const TraceRecord& record);
  void Callout(Row& row, const TraceRecord& record);
  void Suspend(Row& row, const TraceRecord& record);
  void Resume(Row& row, const TraceRecord& record);
  void BeginSlice(Row& row, const TraceRecord& record, const char* category,
                  std::uint8_t end);
  // False: it had not begun.  Ends what has begun inside of it as well.
  bool EndSlice(Row& row, const TraceRecord& record, std::uint8_t end);
  void EndSlices(Row& row, std::size_t left, std::uint64_t time_ns);
  // `phase` 's', 't' or 'f'; bound to the slice that is open, or to a short one.
  void Flow(Row& row, const TraceRecord& record, char phase,
            const char* category, std::uint64_t id);
  // `phase` 'b' or 'e'; `name` is a JSON string.
  void Span(Row& row, std::uint64_t time_ns, char phase, const char* category,
            std::uint64_t id, std::string_view name);
  void Lost(Row& row, const TraceRecord& record);
  void Write();
  void Fail();

  int fd_;
  const std::string path_;
  const TraceNames& names_;
  const std::string pid_;
  const std::uint64_t begin_ns_;
  std::string out_;
  bool first_ = true;
  bool failed_ = false;
  std::uint64_t last_ns_ = 0;
  std::unordered_map<std::uint32_t, Row> rows_;  // by track
  std::unordered_set<std::uint64_t> completing_;  // jobs, in their completion
  std::vector<std::string> quoted_;              // by name: JSON strings
};

}  // namespace hostsim
