// Takes the plugin's trace events off the threads that send them, and hands
// them to sinks on a thread of its own.
//
// Threads: the constructor, Finish() and the destructor by the owner; Take()
// and the sessions' events by any; sinks are called by one thread at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "msys/plugin.h"
#include "trace_queue.h"

namespace hostsim {

// A row of the time line: a loop, or a worker of a pool.  Whichever thread is
// that worker, one at a time, writes the track's events.
struct TraceTrack {
  TraceTrack(TraceBudget& budget, TraceNames& names, std::uint32_t number,
             std::string track_name, std::uint32_t sort)
      : queue(budget),
        cache(names),
        id(number),
        name(std::move(track_name)),
        order(sort) {}

  TraceQueue queue;
  NameCache cache;         // the writer's
  const std::uint32_t id;  // from 1
  const std::string name;  // "loop 0", "IO/3"
  const std::uint32_t order;  // loops, then workers by pool and number
};

class TraceSink {
 public:
  // In the order of their times within a track; tracks come in turn.
  virtual void Take(const TraceTrack& track, const TraceRecord& record) = 0;
  // There is nothing more for the moment.
  virtual void Pause() {}

 protected:
  ~TraceSink() = default;
};

class TraceCollector {
 public:
  static constexpr std::size_t kMemory = 128u << 20;  // at most, for events

  // The sinks are borrowed.
  TraceCollector(TraceNames& names, std::vector<TraceSink*> sinks,
                 std::size_t memory = kMemory);
  ~TraceCollector();  // Finish(); no thread sends events any more
  TraceCollector(const TraceCollector&) = delete;
  TraceCollector& operator=(const TraceCollector&) = delete;

  // The callback of msys_host.  `session`: of a callout; 0: none.
  void Take(const msys_trace_event& event, std::uint64_t session) noexcept;
  // On the session's loop.  The id is unique in the process.
  void SessionBegins(std::uint64_t session) noexcept;
  void SessionEnds(std::uint64_t session) noexcept;
  static std::uint64_t NextSession();

  // Hands over what is there and ends the thread; what comes after is dropped.
  void Finish();
  std::uint64_t lost() const;

 private:
  TraceTrack& Track(const char* pool, std::int32_t worker);
  TraceTrack* FindTrack(const char* pool, std::int32_t worker);
  void Put(const msys_trace_event& event, std::uint64_t session);
  void Put(TraceTrack& track, const TraceRecord& record) noexcept;
  void PutSession(std::uint8_t kind, std::uint64_t session) noexcept;
  void Run();
  void HandOver();

  const std::uint64_t number_;  // of this collector, for threads' memory
  TraceNames& names_;
  const std::vector<TraceSink*> sinks_;
  TraceBudget budget_;
  std::atomic<std::uint64_t> no_memory_{0};  // events lost; relaxed: a count

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<TraceTrack>> tracks_;  // by mutex_; they stay
  std::vector<std::string> pools_;                   // by mutex_; as first seen
  bool finish_ = false;                              // by mutex_
  std::thread thread_;
};

}  // namespace hostsim
