#include "text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace msys {
namespace {

std::string Source(const char* source, int line, std::size_t size = 64) {
  std::string out(size, 'x');
  FormatSource(source, line, out.data(), size);
  return out.c_str();
}

std::string Line(std::string_view text, std::size_t size = 64) {
  std::string out(size, 'x');
  OneLine(text, out.data(), size);
  return out.c_str();
}

std::string Quoted(std::string_view bytes, std::size_t size = 64) {
  std::string out(size, 'x');
  Quote(bytes.data(), bytes.size(), out.data(), size);
  return out.c_str();
}

TEST(TextTest, ASourceIsWhatAnEditorOpens) {
  EXPECT_EQ(Source("@policy.lua", 12), "policy.lua:12");
  EXPECT_EQ(Source("=stdin", 3), "stdin:3");
  EXPECT_EQ(Source("=[C]", -1), "[C]");
  EXPECT_EQ(Source("return 1\nreturn 2", 2), "[string]:2");
  EXPECT_EQ(Source(nullptr, 1), "?");
  EXPECT_EQ(Source("", 1), "?");
}

TEST(TextTest, OfALongPathTheEndAndTheLineAreKept) {
  EXPECT_EQ(Source("@/srv/policies/customers/of/ours/scanner.lua", 12, 32),
            "...omers/of/ours/scanner.lua:12");
  const std::string longest = "@" + std::string(1000, 'x') + ".lua";
  EXPECT_EQ(Source(longest.c_str(), 2147483647, 32), "...xxxxxxxxxxxxx.lua:2147483647");
  // Not in the middle of a character.
  std::string umlauts;
  for (int i = 0; i < 15; ++i) umlauts += "\xc3\xa4";
  EXPECT_EQ(Source(("@" + umlauts + ".lu").c_str(), 1, 32),
            "..." + umlauts.substr(0, 22) + ".lu:1");
}

TEST(TextTest, ANameBeginsNoLineOfItsOwn) {
  EXPECT_EQ(Source("@evil\nIO: all is well", 1), "evil?IO: all is well:1");
  EXPECT_EQ(Source("=evil\x1b[31m\x7f", 0), "evil?[31m?");
}

TEST(TextTest, ATracebackIsOneLine) {
  EXPECT_EQ(Line("failed\nstack traceback:\n\t[C]: in error\n  a"),
            "failed | stack traceback: | [C]: in error | a");
  EXPECT_EQ(Line(""), "");
  EXPECT_EQ(Line("last\n\t"), "last | ");
  EXPECT_EQ(Line(std::string_view("nul\0after", 9)), "nul\\x00after");
  // Nor does a terminal that shows it obey the sender of a mail.
  EXPECT_EQ(Line("a\rb\x1b[2J\x7f\tc\xc3\xa4"), "a\\x0db\\x1b[2J\\x7f\tc\xc3\xa4");
}

TEST(TextTest, WhatIsTooLongIsCut) {
  for (std::size_t size = 8; size < 24; ++size) {
    EXPECT_LT(Line(std::string(50, '\0'), size).size(), size);
    EXPECT_LT(Line(std::string(50, '\x1b'), size).size(), size);
    EXPECT_LT(Line("a\nb\nc\nd\ne\nf\ng\nh\ni", size).size(), size);
    EXPECT_LT(Quoted("a\nb\nc\nd\ne\nf\ng\nh\ni", size).size(), size);
  }
  EXPECT_EQ(Quoted("0123456789", 12), "\"012345...\"");
}

// Else a long message would take the traceback's place.
TEST(TextTest, OfALongErrorBothEndsAreKept) {
  const auto line = [](const std::string& text, std::size_t size) {
    std::string out(size, '#');
    OneLineOfBothEnds(text, out.data(), size);
    return std::string(out.c_str());
  };
  EXPECT_EQ(line("short\ntext", 32), "short | text");
  const std::string text = std::string(50, 'a') + "\n" + std::string(50, 'b') + "\nend";
  for (std::size_t size = 32; size <= 110; ++size) {
    const std::string cut = line(text, size);
    EXPECT_LT(cut.size(), size);
    EXPECT_TRUE(cut.starts_with("aa")) << cut;
    EXPECT_NE(cut.find(" ... "), cut.npos) << cut;
    EXPECT_LT(line(std::string(500, '\x1b'), size).size(), size);
  }
  EXPECT_TRUE(line(text, 64).ends_with("bb | end")) << line(text, 64);
}

TEST(TextTest, BytesCanBeRead) {
  EXPECT_EQ(Quoted("dns"), "\"dns\"");
  EXPECT_EQ(Quoted(std::string_view("a\"\\\0\xff", 5)), "\"a\\\"\\\\\\x00\\xFF\"");
}

}  // namespace
}  // namespace msys
