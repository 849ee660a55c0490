// What a policy sees of an SMTP connection: `ac` and `vctx`.
//
// Threads: with the turn of the Lua state held, every function but the
// constant conn_id() and remote_addr().
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "message.h"
#include "ref.h"

namespace hostsim {

// What vctx:set_code and vctx:disconnect asked for; code 0: nothing.
struct Reply {
  int code = 0;
  std::string text;
  bool disconnect = false;
};

class Connection : public RefCounted {
 public:
  Connection(TurnMark* turn, std::string conn_id, std::string remote_addr)
      : turn_(turn),
        conn_id_(std::move(conn_id)),
        remote_addr_(std::move(remote_addr)),
        context_(new Dictionary) {
    BeginTransaction();
  }

  const std::string& conn_id() const { return conn_id_; }
  const std::string& remote_addr() const { return remote_addr_; }  // ip:port

  // A message of its own, with nobody to get it.
  void BeginTransaction() noexcept;
  Message& message() const { return *message_; }

  void SetReply(int code, std::string_view text, bool disconnect) noexcept;
  Reply TakeReply() noexcept;

  TurnMark* turn() const { return turn_; }

 private:
  ~Connection() override = default;

  TurnMark* const turn_;
  const std::string conn_id_;
  const std::string remote_addr_;
  const Ref<Dictionary> context_;
  Ref<Message> message_;
  int transactions_ = -1;  // 0: before the first mail
  Reply reply_;
};

}  // namespace hostsim
