#include "smtp_channel.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace hostsim {

using boost::system::error_code;

SmtpChannel::SmtpChannel(EventLoop& loop, boost::asio::ip::tcp::socket socket)
    : loop_(loop), socket_(std::move(socket)), timer_(loop.io()) {}

std::string_view SmtpChannel::input() const {
  return std::string_view(input_).substr(input_at_);
}

void SmtpChannel::Consume(std::size_t bytes) {
  input_at_ += bytes;
  if (input_at_ < input_.size()) return;
  input_.clear();
  input_at_ = 0;
}

void SmtpChannel::Read() {
  if (reading_ || closed_ || input_state_ != Input::kOpen) return;
  if (input_.size() - input_at_ >= kMostInput) return;
  reading_ = true;
  socket_.async_read_some(
      boost::asio::buffer(chunk_),
      [self = shared_from_this()](const error_code& error, std::size_t size) {
        const EventLoop::Hold hold(self->loop_);
        self->reading_ = false;
        if (error)
          self->input_state_ =
              error == boost::asio::error::eof ? Input::kEnded : Input::kBroken;
        if (self->closing_) {  // nobody wants it any more
          if (error && !self->writing_) return self->CloseNow();
          return self->Read();
        }
        self->input_.erase(0, std::exchange(self->input_at_, 0));
        self->input_.append(self->chunk_.data(), size);
        self->OnInput();
      });
}

void SmtpChannel::Flush() {
  if (writing_ || closed_) return;
  if (outgoing_.empty()) {
    if (closing_) Linger();
    return;
  }
  writing_ = true;
  leaving_ = std::exchange(outgoing_, {});
  boost::asio::async_write(
      socket_, boost::asio::buffer(leaving_),
      [self = shared_from_this()](const error_code& error, std::size_t) {
        const EventLoop::Hold hold(self->loop_);
        self->writing_ = false;
        if (error) {
          self->outgoing_.clear();
          self->input_state_ = Input::kBroken;
          return self->closing_ ? self->CloseNow() : self->OnInput();
        }
        if (!self->outgoing_.empty() || self->closing_) return self->Flush();
        self->OnSent();
      });
}

void SmtpChannel::SetTimeout(Clock::duration delay) {
  if (closing_) return;
  timing_ = true;
  Wait(delay);
}

void SmtpChannel::StopTimeout() {
  if (closing_) return;
  timing_ = false;
  timer_.cancel();
}

void SmtpChannel::Wait(Clock::duration delay) {
  timer_.expires_after(delay);
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    const EventLoop::Hold hold(self->loop_);
    // A handler that was queued already is not stopped by a cancel.
    if (error || Clock::now() < self->timer_.expiry()) return;
    if (self->closing_) return self->CloseNow();
    if (std::exchange(self->timing_, false)) self->OnTimeout();
  });
}

void SmtpChannel::CloseAfterSending() {
  if (std::exchange(closing_, true)) return;
  input_.clear();
  input_at_ = 0;
  Wait(kLinger);  // for a client that does not even take the last reply
  Flush();
}

void SmtpChannel::Linger() {
  error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  if (input_state_ != Input::kOpen) return CloseNow();
  Read();
}

void SmtpChannel::CloseNow() {
  closing_ = true;
  if (std::exchange(closed_, true)) return;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  // Later, as promised: the caller may be in the middle of something.
  boost::asio::post(loop_.io(), [self = shared_from_this()] {
    const EventLoop::Hold hold(self->loop_);
    self->OnClosed();
  });
}

}  // namespace hostsim
