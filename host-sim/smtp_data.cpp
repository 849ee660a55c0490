#include "smtp_data.h"

#include <algorithm>

namespace hostsim {

std::size_t SmtpDataDecoder::Take(std::string_view input) noexcept {
  std::size_t at = 0;
  while (at < input.size() && !done()) {
    if (state_ == State::kInLine) {  // the bulk of it, in one go
      const std::size_t end =
          std::min(input.find_first_of("\r\n", at), input.size());
      Keep(input.substr(at, end - at));
      at = end;
      if (at == input.size()) break;
    }
    Step(input[at++]);
  }
  taken_ += at;
  return at;
}

void SmtpDataDecoder::Step(char c) noexcept {
  switch (state_) {
    case State::kLineStart:
      if (c == '.') {
        state_ = State::kDot;
        return;
      }
      [[fallthrough]];
    case State::kInLine:
    case State::kDot:  // the dot itself is dropped, whatever follows
      if (c == '\r') {
        state_ = state_ == State::kDot ? State::kDotCr : State::kCr;
      } else if (c == '\n') {
        KeepBare("\n");
      } else {
        state_ = State::kInLine;
        Keep({&c, 1});
      }
      return;
    case State::kCr:
      return AfterCr(c);
    case State::kDotCr:
      if (c != '\n') return AfterCr(c);
      state_ = State::kEnd;
      return;
    case State::kEnd:
      return;
  }
}

void SmtpDataDecoder::AfterCr(char c) noexcept {
  if (c == '\n') {
    Keep("\r\n");
    line_ = 0;
    state_ = State::kLineStart;
    return;
  }
  KeepBare("\r");
  if (c == '\r')
    state_ = State::kCr;
  else
    Keep({&c, 1});
}

// No line starts after it, so that a dot there neither ends the mail nor is
// dropped.
void SmtpDataDecoder::KeepBare(std::string_view bytes) noexcept {
  bare_newline_ = true;
  state_ = State::kInLine;
  Keep(bytes);
}

void SmtpDataDecoder::Keep(std::string_view bytes) noexcept {
  line_ += bytes.size();
  if (line_ > limits_.line) line_too_long_ = true;
  if (bytes.size() > limits_.size - std::min(limits_.size, text_.size()))
    too_big_ = true;
  if (good()) text_ += bytes;
}

}  // namespace hostsim
