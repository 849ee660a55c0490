#include "mail_limits.h"

#include <gtest/gtest.h>

#include "mail_source.h"
#include "message.h"
#include "temp_dir.h"

namespace hostsim {
namespace {

std::string Times(std::size_t count, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

constexpr char kColons[] = "more than 1000 colons in a field of addresses";
constexpr char kFields[] = "more than 10000 fields in the header";
constexpr char kParts[] = "more than 10000 MIME parts";

TEST(MailLimitsTest, WhatIsUsualHasNone) {
  EXPECT_EQ(MailExcess(""), "");
  EXPECT_EQ(MailExcess("To: a@x\r\n\r\nbody"), "");
  EXPECT_EQ(MailExcess("Subject: " + Times(5000, ":") + "\r\n\r\n"), "");
  EXPECT_EQ(MailExcess("\r\n" + Times(20'000, "X-Field: in the text\r\n")), "");
  // A dump of a database, whose comments look like the lines between parts.
  EXPECT_EQ(MailExcess("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\n" +
                       Times(50'000, "-- comment\r\n") + "--b--\r\n"), "");
}

// Groups in groups, over folded lines, in a mail inside of a mail as well.
TEST(MailLimitsTest, GroupsOfAddresses) {
  for (const char* name : {"To", "cc", "Bcc", "Resent-From", "Reply-To ", "SENDER",
                           "Return-Path"}) {
    const std::string field = std::string(name) + ": ";
    EXPECT_EQ(MailExcess(field + Times(999, "a:") + "\r\n\r\n"), "") << name;
    EXPECT_EQ(MailExcess(field + Times(1000, "a:") + "\r\n\r\n"), kColons) << name;
    EXPECT_EQ(MailExcess(field + "\r\n" + Times(100, "\t" + Times(10, "a:") + "\n") + "\n"),
              kColons) << name;
    EXPECT_EQ(MailExcess("A: b\r\n\r\ntext\r\n" + field + Times(1000, "a:")), kColons) << name;
  }
  EXPECT_EQ(MailExcess(Times(2, "To: " + Times(600, "a:") + "\r\n")), "") << "each has few";
}

// As many as may come do no harm, in a stack as small as a pool's may be, with a half
// of it in use: here by nobody or, when it is there, by what ThreadSanitizer puts into
// every thread's.
#ifdef __SANITIZE_THREAD__
constexpr std::size_t kStack = 1024 * 1024;
#else
constexpr std::size_t kStack = 512 * 1024;
#endif

TEST(MailLimitsTest, TheMostGroupsCanBeParsed) {
  InitGMime();
  const std::string mail = "To: " + Times(999, "a:") + "x@y\r\n\r\n";
  ASSERT_EQ(MailExcess(mail), "");
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* bytes) -> void* {
                  GByteArray view{};
                  ParseMessage(*static_cast<const std::string*>(bytes), &view);
                  return nullptr;
                },
                const_cast<std::string*>(&mail)),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(MailLimitsTest, FieldsOfTheHeader) {
  EXPECT_EQ(MailExcess(Times(10'000, "A: b\r\n") + "\r\n"), "");
  EXPECT_EQ(MailExcess(Times(10'001, "A: b\r\n") + "\r\n"), kFields);
  EXPECT_EQ(MailExcess("A:\r\n" + Times(20'000, " b\r\n") + "\r\n"), "") << "one, folded";
}

TEST(MailLimitsTest, Parts) {
  const auto mail = [](const std::string& parameter, const std::string& line) {
    return "Content-Type: multipart/mixed; " + parameter + "\r\n\r\n" +
           Times(10'001, line + "\r\n\r\nx\r\n");
  };
  EXPECT_EQ(MailExcess(mail("boundary=b", "--b")), kParts);
  EXPECT_EQ(MailExcess(mail("boundary=b", "--c")), "");
  EXPECT_EQ(MailExcess(mail("BOUNDARY = \"b c\"; x=y", "--b c  ")), kParts);
  EXPECT_EQ(MailExcess(mail("boundary=b", "--b--")), kParts);
  // What only GMime can put together.
  for (const char* odd : {"boundary*0=b; boundary*1=c", "boundary=\"=?utf-8?q?b?=\"",
                          "boundary=\r\n b", "boundary (x) = b", "boundary=\"\\b\""})
    EXPECT_EQ(MailExcess(mail(odd, "--b")), kParts) << odd;
}

TEST(MailLimitsTest, SuchAMailIsNotReplayed) {
  TempDir dir;
  dir.Write("a.eml", "To: a@x\n\ngood\n");
  dir.Write("b.eml", "To: " + Times(2000, "a:") + "\n\nbad\n");
  testing::internal::CaptureStderr();
  const MailSet set = LoadMail({dir.Path("")});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(set.mails.size(), 1u);
  EXPECT_EQ(set.unreadable, 1u);
  EXPECT_NE(log.find(std::string("b.eml: it has ") + kColons), std::string::npos) << log;
}

}  // namespace
}  // namespace hostsim
