#include "trace_queue.h"

#include <new>

namespace hostsim {

TraceQueue::~TraceQueue() {
  for (Piece* piece = Begin(); piece != nullptr;) {
    Piece* next = piece->next.load(std::memory_order_acquire);
    delete piece;
    budget_.Return();
    piece = next;
  }
}

TraceQueue::Piece* TraceQueue::NewPiece() noexcept {
  if (!budget_.Take()) return nullptr;
  auto* piece = new (std::nothrow) Piece;
  if (piece == nullptr) budget_.Return();
  return piece;
}

bool TraceQueue::Push(TraceRecord record) noexcept {
  const bool full =
      tail_ != nullptr &&
      tail_->count.load(std::memory_order_relaxed) == kPieceRecords;
  if (tail_ == nullptr || full) {
    Piece* piece = NewPiece();
    if (piece == nullptr) {
      ++lost_now_;
      lost_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    // release: the piece is seen with what it was made with.
    if (full)
      tail_->next.store(piece, std::memory_order_release);
    else
      first_.store(piece, std::memory_order_release);
    tail_ = piece;
  }
  record.lost = lost_now_;
  lost_now_ = 0;
  // relaxed: only this side writes it.
  const std::size_t count = tail_->count.load(std::memory_order_relaxed);
  tail_->records[count] = record;
  // release: pairs with the acquire in Drain().
  tail_->count.store(count + 1, std::memory_order_release);
  return count + 1 == kPieceRecords;
}

TraceQueue::Piece* TraceQueue::Next(Piece& piece) {
  if (read_ < kPieceRecords) return nullptr;
  // acquire: pairs with the release in Push().
  Piece* next = piece.next.load(std::memory_order_acquire);
  if (next == nullptr) return nullptr;
  delete &piece;
  budget_.Return();
  head_ = next;
  read_ = 0;
  return next;
}

}  // namespace hostsim
