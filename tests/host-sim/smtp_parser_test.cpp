#include "smtp_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smtp_data.h"
#include "smtp_reply.h"

namespace hostsim {
namespace {

using Kind = SmtpLineSplitter::Kind;
using namespace std::string_view_literals;

SmtpCommand Parse(std::string_view line, bool smtputf8 = false) {
  return ParseSmtpCommand(line, smtputf8);
}

TEST(SmtpLineSplitterTest, CutsAtCrlfOnly) {
  SmtpLineSplitter lines;
  const auto line = lines.Next("NOOP\r\nQUIT\r\n");
  EXPECT_EQ(line.kind, Kind::kLine);
  EXPECT_EQ(line.text, "NOOP");
  EXPECT_EQ(line.consumed, 6u);
  EXPECT_EQ(lines.Next("NOO").kind, Kind::kNeedMore);
  EXPECT_EQ(lines.Next("").kind, Kind::kNeedMore);
  for (const auto bad :
       {"NOOP\n"sv, "\n"sv, "NO\rOP\r\n"sv, "NOOP\r\r\n"sv, "NO\0OP\r\n"sv}) {
    const auto refused = lines.Next(bad);
    EXPECT_EQ(refused.kind, Kind::kMalformed) << bad;
    EXPECT_EQ(refused.consumed, bad.size()) << bad;
  }
}

TEST(SmtpLineSplitterTest, ALineMayBeAsLongAsTheLimitAndNoLonger) {
  SmtpLineSplitter lines;
  const std::string fits = std::string(kSmtpCommandLine - 2, 'x') + "\r\n";
  EXPECT_EQ(lines.Next(fits).kind, Kind::kLine);
  EXPECT_EQ(lines.Next("x" + fits).kind, Kind::kTooLong);
  EXPECT_EQ(lines.Next(fits).kind, Kind::kLine);
}

TEST(SmtpLineSplitterTest, AnEndlessLineIsDroppedAsItComes) {
  SmtpLineSplitter lines;
  const std::string part(100'000, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto line = lines.Next(part);
    EXPECT_EQ(line.kind, Kind::kNeedMore);
    EXPECT_EQ(line.consumed, part.size());
  }
  const auto end = lines.Next("x\r\nNOOP\r\n");
  EXPECT_EQ(end.kind, Kind::kTooLong);
  EXPECT_EQ(end.consumed, 3u);
  EXPECT_EQ(lines.Next("NOOP\r\n").text, "NOOP");
}

TEST(SmtpCommandTest, Verbs) {
  EXPECT_EQ(Parse("ehlo one.example").verb, SmtpVerb::kEhlo);
  EXPECT_EQ(Parse("EHLO one.example").argument, "one.example");
  EXPECT_EQ(Parse("HELO").problem, SmtpProblem::kSyntax);
  EXPECT_EQ(Parse("EHLO a b").problem, SmtpProblem::kSyntax);
  EXPECT_EQ(Parse("NOOP anything").problem, SmtpProblem::kNone);
  EXPECT_EQ(Parse("VRFY").problem, SmtpProblem::kSyntax);
  EXPECT_EQ(Parse("DATA x").problem, SmtpProblem::kSyntax);
  EXPECT_EQ(Parse("QUIT ").verb, SmtpVerb::kQuit);
  EXPECT_EQ(Parse("STARTTLS").verb, SmtpVerb::kNotImplemented);
  EXPECT_EQ(Parse("").verb, SmtpVerb::kUnknown);
  EXPECT_EQ(Parse("GET / HTTP/1.1").verb, SmtpVerb::kUnknown);
}

TEST(SmtpCommandTest, Paths) {
  EXPECT_EQ(Parse("MAIL FROM:<ann@one.example>").argument, "ann@one.example");
  EXPECT_EQ(Parse("mail from: <a@b> SIZE=12 BODY=8BITMIME").size, 12u);
  EXPECT_EQ(Parse("MAIL FROM:<>").problem, SmtpProblem::kNone);
  EXPECT_EQ(Parse("RCPT TO:<@x,@y:bob@two.example>").argument,
            "bob@two.example");
  EXPECT_EQ(Parse("RCPT TO:<\"a>b \\\" c\"@d>").argument, "\"a>b \\\" c\"@d");
  EXPECT_EQ(Parse("RCPT TO:<Postmaster>").problem, SmtpProblem::kNone);
  EXPECT_EQ(Parse("RCPT TO:<a@[127.0.0.1]>").problem, SmtpProblem::kNone);
  for (const char* bad :
       {"MAIL", "MAIL FROM:", "MAIL FROM:a@b", "MAIL FROM:<a@b", "RCPT TO:<>",
        "RCPT TO:<a>", "RCPT TO:<@b>", "RCPT TO:<a@>", "RCPT TO:<a..b@c>",
        "RCPT TO:<a@b..c>", "RCPT TO:<a b@c>", "RCPT TO:<a@b>x",
        "RCPT TO:<\"a@b>", "RCPT TO:<a@[]>", "MAIL FROM:<a@b> SIZE=x",
        "MAIL FROM:<a@b> SIZE=1 SIZE=2", "MAIL FROM:<a@b> BODY=BINARYMIME",
        "RCPT TO:<a\x01@b>"})
    EXPECT_EQ(Parse(bad).problem, SmtpProblem::kSyntax) << bad;
  const std::string longest(64, 'a');
  EXPECT_EQ(Parse("RCPT TO:<" + longest + "@b>").problem, SmtpProblem::kNone);
  EXPECT_EQ(Parse("RCPT TO:<a" + longest + "@b>").problem, SmtpProblem::kSyntax);
  EXPECT_EQ(Parse("MAIL FROM:<a@b> RET=FULL").problem,
            SmtpProblem::kUnknownParameter);
  EXPECT_EQ(Parse("RCPT TO:<a@b> NOTIFY=NEVER").problem,
            SmtpProblem::kUnknownParameter);
  EXPECT_EQ(Parse("RCPT TO:<a@" + std::string(300, 'x') + ">").problem,
            SmtpProblem::kPathTooLong);
  EXPECT_EQ(Parse("MAIL FROM:<a@b> SIZE=99999999999999999999").size,
            UINT64_MAX);
}

TEST(SmtpCommandTest, Utf8AddressesNeedSmtpUtf8) {
  EXPECT_EQ(Parse("MAIL FROM:<j\xc3\xb6@b>").problem,
            SmtpProblem::kNeedsSmtpUtf8);
  EXPECT_EQ(Parse("MAIL FROM:<j\xc3\xb6@b> SMTPUTF8").problem,
            SmtpProblem::kNone);
  EXPECT_EQ(Parse("RCPT TO:<j\xc3\xb6@b>", true).problem, SmtpProblem::kNone);
  for (const char* bad : {"\xc3", "\xc0\xaf", "\xed\xa0\x80",
                          "\xf5\x80\x80\x80", "\xe0\x80\x80", "\x80"})
    EXPECT_EQ(Parse("RCPT TO:<a" + std::string(bad) + "@b>", true).problem,
              SmtpProblem::kSyntax)
        << bad;
}

// What comes out must not depend on how the bytes were cut into reads.
struct Decoded {
  std::string text, rest;
  bool done, bare, long_line, big;
};

Decoded Decode(std::string_view input, std::size_t step,
               SmtpDataDecoder::Limits limits = {1000, 100}) {
  SmtpDataDecoder data(limits);
  std::size_t at = 0;
  while (at < input.size() && !data.done())
    at += data.Take(input.substr(at, step));
  return {data.TakeText(),     std::string(input.substr(at)), data.done(),
          data.bare_newline(), data.line_too_long(),          data.too_big()};
}

TEST(SmtpDataTest, UndoesDotStuffingAndLeavesTheRest) {
  for (std::size_t step = 1; step < 40; ++step) {
    const Decoded d = Decode("a\r\n..b\r\n.c\r\n...\r\n.\r\nQUIT\r\n", step);
    EXPECT_TRUE(d.done);
    EXPECT_EQ(d.text, "a\r\n.b\r\nc\r\n..\r\n") << step;
    EXPECT_EQ(d.rest, "QUIT\r\n");
    EXPECT_FALSE(d.bare || d.long_line || d.big);
  }
  EXPECT_TRUE(Decode(".\r\n", 1).done);
}

TEST(SmtpDataTest, OnlyCrlfDotCrlfEndsIt) {
  for (const auto smuggled :
       {"a\n.\n"sv, "a\n.\r\n"sv, "a\r\n.\n"sv, "a\r.\r"sv, "a\r.\r\n"sv,
        "a\r\n.\r"sv, "a\r\n.\r\r\n"sv, "\n.\r\n"sv, "a\r\n.\0\r\n"sv}) {
    for (std::size_t step = 1; step < 8; ++step)
      EXPECT_FALSE(Decode(smuggled, step).done) << smuggled << step;
    const std::string whole = std::string(smuggled) + "x\r\n.\r\n";
    EXPECT_TRUE(Decode(whole, 3).done) << smuggled;
  }
  // The second CR is the one of a CRLF.
  for (std::size_t step = 1; step < 8; ++step)
    EXPECT_EQ(Decode("a\r\r\n.\r\nQUIT\r\n", step).rest, "QUIT\r\n") << step;
  EXPECT_TRUE(Decode("a\n.\nMAIL FROM:<x@y>\r\n.\r\n", 99).bare);
}

TEST(SmtpDataTest, Limits) {
  const std::string line = std::string(98, 'x') + "\r\n";
  EXPECT_FALSE(Decode(line + ".\r\n", 7).long_line);
  EXPECT_TRUE(Decode("x" + line + ".\r\n", 7).long_line);
  std::string text;
  for (int i = 0; i < 10; ++i) text += line;
  EXPECT_FALSE(Decode(text + ".\r\n", 7).big);
  const Decoded over = Decode(text + "x\r\n.\r\n", 7);
  EXPECT_TRUE(over.big && over.done);
  EXPECT_LE(over.text.size(), 1000u);
}

TEST(SmtpReplyTest, HostileTextStaysInsideTheReply) {
  EXPECT_EQ(SmtpReply(250, "OK"), "250 OK\r\n");
  EXPECT_EQ(SmtpReply(550, ""), "550 \r\n");
  EXPECT_EQ(SmtpReply(550, "a\r\n250 b"), "550-a\r\n550 250 b\r\n");
  EXPECT_EQ(SmtpReply(550, "a\rb\x01\xc3"), "550 a?b??\r\n");
  EXPECT_EQ(SmtpReply(550, std::string(2000, 'x')).size(), 512u);
  std::string lines;
  for (int i = 0; i < 64; ++i) lines += i < 63 ? "550-\r\n" : "550 \r\n";
  EXPECT_EQ(SmtpReply(550, std::string(1000, '\n')), lines) << "which has an end";
}

}  // namespace
}  // namespace hostsim
