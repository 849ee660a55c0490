#include "connection.h"

namespace hostsim {

void Connection::BeginTransaction() noexcept {
  ++transactions_;
  message_ = Ref<Message>(new Message(
      turn_, conn_id_ + "-" + std::to_string(transactions_), context_));
}

void Connection::SetReply(int code, std::string_view text,
                          bool disconnect) noexcept {
  const TurnScope scope(turn_, "vctx:set_code");
  // A disconnect is not taken back by a later set_code.
  if (reply_.disconnect && !disconnect) return;
  reply_ = Reply{code, std::string(text), disconnect};
}

Reply Connection::TakeReply() noexcept {
  const TurnScope scope(turn_, "vctx:reply");
  return std::exchange(reply_, Reply{});
}

}  // namespace hostsim
