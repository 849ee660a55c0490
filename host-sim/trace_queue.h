// Trace events on their way from the threads of a run to the one that reads
// them: a queue for each track (a loop, or a worker of a pool), in pieces of a
// fixed size, of which all queues together have at most so many.  When there is
// none left, events are lost, and counted.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "trace_names.h"

namespace hostsim {

// What is kept of an msys_trace_event, and what the host adds.
struct TraceRecord {
  // Kinds beyond those of the plugin.
  enum : std::uint8_t { kSessionBegin = 100, kSessionEnd };

  std::uint64_t time_ns = 0;
  std::uint64_t id = 0;        // of the job, callout or session
  std::uint64_t other = 0;     // RESUME: the cause; DELIVER: who waits
  std::uint64_t session = 0;   // a callout's, or 0
  std::uint64_t queued_ns = 0;
  std::uint64_t started_ns = 0;
  NameId name = kNoName;       // of the closure or callout
  NameId pool = kNoName;       // the job's
  NameId detail = kNoName;     // SUSPEND: waits for; else the Lua state
  std::uint32_t lost = 0;      // just before this one, of its track
  std::uint8_t kind = 0;
  std::uint8_t outcome = 0;
  bool callout = false;
};

class TraceBudget {
 public:
  explicit TraceBudget(std::size_t pieces) : left_(pieces) {}
  bool Take() {
    // relaxed: a count, of memory that is handed over otherwise.
    std::size_t left = left_.load(std::memory_order_relaxed);
    while (left > 0)
      if (left_.compare_exchange_weak(left, left - 1,
                                      std::memory_order_relaxed))
        return true;
    return false;
  }
  void Return() { left_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_;
};

// Threads: Push by one at a time (each happens before the next); Drain and the
// destructor by the reader.
class TraceQueue {
 public:
  static constexpr std::size_t kPieceRecords = 256;

  explicit TraceQueue(TraceBudget& budget) : budget_(budget) {}
  ~TraceQueue();
  TraceQueue(const TraceQueue&) = delete;
  TraceQueue& operator=(const TraceQueue&) = delete;

  // Never waits.  True: a piece is full, and the reader should come.
  bool Push(TraceRecord record) noexcept;

  // Calls take(record) for all that is there, in order.
  template <typename Take>
  void Drain(Take take) {
    for (Piece* piece = Begin(); piece != nullptr; piece = Next(*piece)) {
      // acquire: pairs with the release in Push().
      const std::size_t count = piece->count.load(std::memory_order_acquire);
      while (read_ < count) take(piece->records[read_++]);
    }
  }

  // [any] All that were lost so far.
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  struct Piece {
    std::atomic<std::size_t> count{0};
    std::atomic<Piece*> next{nullptr};
    std::array<TraceRecord, kPieceRecords> records;
  };

  Piece* NewPiece() noexcept;
  // acquire: pairs with the release in NewPiece() of the first.
  Piece* Begin() {
    if (head_ == nullptr) head_ = first_.load(std::memory_order_acquire);
    return head_;
  }
  Piece* Next(Piece& piece);  // null: there is nothing more to read

  TraceBudget& budget_;
  // The writer's.
  Piece* tail_ = nullptr;
  std::uint32_t lost_now_ = 0;
  // The reader's.
  Piece* head_ = nullptr;
  std::size_t read_ = 0;  // of head_
  std::atomic<Piece*> first_{nullptr};
  std::atomic<std::uint64_t> lost_{0};  // relaxed: a statistic
};

}  // namespace hostsim
