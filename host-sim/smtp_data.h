// The text of a mail as it comes after DATA: finds its end and undoes the dot
// stuffing.  Pure; any bytes may come.
//
// The end is CRLF . CRLF and nothing else.  A CR or LF without the other is
// text, but text that the next server may take for the end of a line or of the
// mail (SMTP smuggling), so that a mail with one is refused as a whole, once
// its real end has come.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hostsim {

class SmtpDataDecoder {
 public:
  struct Limits {
    std::size_t size = 0;  // of the text, unstuffed
    std::size_t line = 0;  // of a line with its CRLF
  };
  explicit SmtpDataDecoder(Limits limits) : limits_(limits) {}

  // Takes bytes until the end of the mail: how many.
  std::size_t Take(std::string_view input) noexcept;

  bool done() const { return state_ == State::kEnd; }
  // Why the mail must not be accepted.
  bool too_big() const { return too_big_; }
  bool line_too_long() const { return line_too_long_; }
  bool bare_newline() const { return bare_newline_; }
  bool good() const { return !too_big_ && !line_too_long_ && !bare_newline_; }
  // All bytes taken, those that were not kept as well.
  std::size_t taken() const { return taken_; }

  // Once.  Of a mail that is not good() some is missing.
  std::string TakeText() noexcept { return std::move(text_); }

 private:
  enum class State { kLineStart, kInLine, kCr, kDot, kDotCr, kEnd };

  void Step(char c) noexcept;
  void AfterCr(char c) noexcept;
  void Keep(std::string_view bytes) noexcept;
  void KeepBare(std::string_view bytes) noexcept;

  const Limits limits_;
  State state_ = State::kLineStart;
  std::string text_;
  std::size_t line_ = 0;  // bytes of this line so far
  std::size_t taken_ = 0;
  bool too_big_ = false, line_too_long_ = false, bare_newline_ = false;
};

}  // namespace hostsim
