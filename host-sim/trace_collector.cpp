#include "trace_collector.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "signal_mask.h"
#include "thread_check.h"

namespace hostsim {
namespace {

std::atomic<std::uint64_t> collectors{0};  // relaxed: only unique
std::atomic<std::uint64_t> sessions{0};

// The track that this thread wrote to last.
struct LastTrack {
  std::uint64_t collector = 0;
  const char* pool = nullptr;
  std::int32_t worker = 0;
  TraceTrack* track = nullptr;
};
thread_local LastTrack last_track;

// What is written within this time of its event is complete after a crash.
constexpr std::chrono::milliseconds kPeriod{50};

std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(
      std::chrono::steady_clock::now().time_since_epoch() /
      std::chrono::nanoseconds(1));
}

}  // namespace

TraceCollector::TraceCollector(TraceNames& names,
                               std::vector<TraceSink*> sinks,
                               std::size_t memory)
    : number_(1 + collectors.fetch_add(1, std::memory_order_relaxed)),
      names_(names),
      sinks_(std::move(sinks)),
      budget_(memory / (TraceQueue::kPieceRecords * sizeof(TraceRecord))) {
  // A write that fails must not be a signal, either.
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "trace");
}

TraceCollector::~TraceCollector() { Finish(); }

std::uint64_t TraceCollector::NextSession() {
  return 1 + sessions.fetch_add(1, std::memory_order_relaxed);
}

void TraceCollector::Take(const msys_trace_event& event,
                          std::uint64_t session) noexcept {
  try {
    Put(event, session);
  } catch (const std::bad_alloc&) {
    no_memory_.fetch_add(1, std::memory_order_relaxed);
  }
}

void TraceCollector::Put(const msys_trace_event& event,
                         std::uint64_t session) {
  TraceTrack& track = Track(event.worker_pool, event.worker);
  TraceRecord record;
  record.time_ns = event.time_ns;
  record.id = event.id;
  record.other =
      event.kind == MSYS_TRACE_DELIVER ? event.parent : event.cause;
  record.session = session;
  record.queued_ns = event.queued_ns;
  record.started_ns = event.started_ns;
  record.callout = event.name != nullptr;
  record.name = record.callout ? track.cache.Of(event.name)
                               : track.cache.OfClosure(event.source, event.line);
  record.pool = track.cache.Of(event.pool);
  record.detail = track.cache.Of(event.waits_for != nullptr ? event.waits_for
                                                            : event.state);
  record.kind = static_cast<std::uint8_t>(event.kind);
  record.outcome = static_cast<std::uint8_t>(event.outcome);
  Put(track, record);
}

void TraceCollector::SessionBegins(std::uint64_t session) noexcept {
  PutSession(TraceRecord::kSessionBegin, session);
}

void TraceCollector::SessionEnds(std::uint64_t session) noexcept {
  PutSession(TraceRecord::kSessionEnd, session);
}

void TraceCollector::PutSession(std::uint8_t kind,
                                std::uint64_t session) noexcept {
  TraceRecord record;
  record.time_ns = NowNs();
  record.id = session;
  record.kind = kind;
  try {
    Put(Track(nullptr, 0), record);
  } catch (const std::bad_alloc&) {
    no_memory_.fetch_add(1, std::memory_order_relaxed);
  }
}

void TraceCollector::Put(TraceTrack& track,
                         const TraceRecord& record) noexcept {
  if (track.queue.Push(record)) wake_.notify_one();
}

TraceTrack& TraceCollector::Track(const char* pool, std::int32_t worker) {
  LastTrack& last = last_track;
  if (last.collector != number_ || last.pool != pool ||
      last.worker != worker)
    last = {number_, pool, worker, FindTrack(pool, worker)};
  return *last.track;
}

TraceTrack* TraceCollector::FindTrack(const char* pool, std::int32_t worker) {
  // A thread that is neither comes once and gets a row of its own.
  const std::uint32_t loop = ThreadLoop();
  const std::string name =
      pool != nullptr    ? std::string(pool) + "/" + std::to_string(worker)
      : loop != kNoLoop ? "loop " + std::to_string(loop)
                        : "another thread";
  const std::lock_guard lock(mutex_);
  if (pool != nullptr || loop != kNoLoop)
    for (const auto& track : tracks_)
      if (track->name == name) return track.get();
  std::uint32_t order = std::min(loop, 999u);
  if (pool != nullptr) {
    auto at = std::find(pools_.begin(), pools_.end(), pool);
    if (at == pools_.end()) at = pools_.insert(pools_.end(), pool);
    order = static_cast<std::uint32_t>(1000 * (1 + (at - pools_.begin())) +
                                       worker);
  }
  tracks_.push_back(std::make_unique<TraceTrack>(
      budget_, names_, static_cast<std::uint32_t>(tracks_.size()) + 1, name,
      order));
  return tracks_.back().get();
}

void TraceCollector::Run() {
  std::unique_lock lock(mutex_);
  while (!finish_) {
    // Woken for nothing it only looks once more.
    wake_.wait_for(lock, kPeriod);
    lock.unlock();
    HandOver();
    lock.lock();
  }
}

void TraceCollector::HandOver() {
  std::vector<TraceTrack*> tracks;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& track : tracks_) tracks.push_back(track.get());
  }
  for (TraceTrack* track : tracks)
    track->queue.Drain([&](const TraceRecord& record) {
      for (TraceSink* sink : sinks_) sink->Take(*track, record);
    });
  for (TraceSink* sink : sinks_) sink->Pause();
}

void TraceCollector::Finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finish_ = true;
  }
  wake_.notify_one();
  thread_.join();
  HandOver();
}

std::uint64_t TraceCollector::lost() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = no_memory_.load(std::memory_order_relaxed);
  for (const auto& track : tracks_) sum += track->queue.lost();
  return sum;
}

}  // namespace hostsim
