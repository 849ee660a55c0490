// One client's socket: bytes in, bytes out, a timeout, and a close that does
// not cut off the last reply.
//
// A session derives from it, so that each handler keeps the session alive.  The
// input that waits is bounded: a client that sends faster than the session
// takes is not read any further.
//
// Threads: on the loop.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "event_loop.h"

namespace hostsim {

class SmtpChannel : public std::enable_shared_from_this<SmtpChannel> {
 public:
  SmtpChannel(EventLoop& loop, boost::asio::ip::tcp::socket socket);
  virtual ~SmtpChannel() = default;
  SmtpChannel(const SmtpChannel&) = delete;
  SmtpChannel& operator=(const SmtpChannel&) = delete;

 protected:
  using Clock = EventLoop::Clock;
  enum class Input { kOpen, kEnded, kBroken };

  // On the loop, never inside a call of the functions below.
  virtual void OnInput() = 0;  // more of it, or input_state() has changed
  virtual void OnSent() = 0;   // all that was sent has left
  virtual void OnTimeout() = 0;
  virtual void OnClosed() = 0;  // once, after CloseAfterSending or CloseNow

  std::string_view input() const;
  void Consume(std::size_t bytes);
  Input input_state() const { return input_state_; }
  // Reads once more, unless enough is waiting.
  void Read();

  void Send(std::string_view bytes) { outgoing_ += bytes; }
  void Flush();
  // More waits than should: take no input until OnSent().
  bool congested() const { return outgoing_.size() >= kMostOutgoing; }

  // OnTimeout() after so long, unless called again or stopped before.
  void SetTimeout(Clock::duration delay);
  void StopTimeout();
  bool timing() const { return timing_; }

  // Lets what was sent leave, then waits shortly for the client to close, since
  // to close with input unread may destroy the last reply on its way.
  void CloseAfterSending();
  void CloseNow();
  bool closing() const { return closing_; }
  bool closed() const { return closed_; }

 private:
  static constexpr std::size_t kChunk = 8 * 1024;
  static constexpr std::size_t kMostInput = 64 * 1024;
  static constexpr std::size_t kMostOutgoing = 64 * 1024;
  static constexpr std::chrono::seconds kLinger{2};

  void Wait(Clock::duration delay);
  void Linger();

  EventLoop& loop_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::array<char, kChunk> chunk_;
  std::string input_;
  std::size_t input_at_ = 0;
  std::string outgoing_, leaving_;  // leaving_ is being written
  Input input_state_ = Input::kOpen;
  bool reading_ = false, writing_ = false, timing_ = false;
  bool closing_ = false, closed_ = false;
};

}  // namespace hostsim
