// libFuzzer target: SMTP commands and mail text from hostile clients.
// Build with clang: -fsanitize=fuzzer,address,undefined -I host-sim, together
// with host-sim/smtp_{parser,address,data,reply}.cpp; it needs no library.
// Corpus: corpus/smtp_parser.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp_data.h"
#include "smtp_parser.h"
#include "smtp_reply.h"

namespace {

void Check(bool good) {
  if (!good) std::abort();
}

// All lines, as a session takes them, with reads of `step` bytes.
void RunCommands(std::string_view bytes, std::size_t step) {
  hostsim::SmtpLineSplitter lines;
  std::string input;
  while (!bytes.empty()) {
    const auto read = bytes.substr(0, step);
    bytes.remove_prefix(read.size());
    input += read;
    for (;;) {
      const auto line = lines.Next(input);
      Check(line.consumed <= input.size());
      if (line.kind == hostsim::SmtpLineSplitter::Kind::kLine) {
        const auto command =
            hostsim::ParseSmtpCommand(line.text, step % 2 == 0);
        Check(command.argument.find('\n') == std::string_view::npos);
        Check(command.argument.size() <= line.text.size());
      }
      input.erase(0, line.consumed);
      if (line.kind == hostsim::SmtpLineSplitter::Kind::kNeedMore) break;
    }
    Check(input.size() < hostsim::kSmtpCommandLine);
  }
}

struct Text {
  std::string text;
  std::size_t taken;
  bool done, good;
  bool operator==(const Text&) const = default;
};

Text RunText(std::string_view bytes, std::size_t step) {
  hostsim::SmtpDataDecoder data({200, 50});
  std::size_t at = 0;
  while (at < bytes.size() && !data.done())
    at += data.Take(bytes.substr(at, step));
  Check(at == data.taken());
  // Of a mail that is refused more or less may have been kept.
  return {data.good() ? data.TakeText() : std::string(), at, data.done(),
          data.good()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1,
                               size - 1);
  const std::size_t step = 1 + bytes[0] % 64;
  RunCommands(input, step);
  const Text text = RunText(input, step);
  Check(text == RunText(input, input.size() + 1));
  // The end of a mail is found exactly where it stands.
  const std::string lines = "\r\n" + std::string(input);
  const std::size_t end = lines.find("\r\n.\r\n");
  Check(text.done == (end != std::string::npos));
  if (text.done) Check(text.taken == end + 3);
  if (text.done && text.good) Check(text.text.size() <= 200);
  const std::string reply = hostsim::SmtpReply(250, input);
  Check(reply.ends_with("\r\n") && reply.find('\0') == std::string::npos);
  return 0;
}
