#include "mail_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_dir.h"

namespace hostsim {
namespace {

constexpr char kMail[] =
    "From: Ann <ann@one.example>\nTo: bob@two.example\nSubject: hi\n\nbody\n";

std::vector<std::string> Names(const MailSet& set) {
  std::vector<std::string> names;
  for (const Mail& mail : set.mails)
    names.push_back(std::filesystem::path(mail.origin).filename().string());
  return names;
}
using Strings = std::vector<std::string>;

TEST(SplitMboxTest, SplitsAtFromAfterABlankLine) {
  const auto mails = SplitMbox(
      "From a@x Mon Jan  1 00:00:00 2024\nSubject: 1\n\none\nFrom here\n\n"
      "From b@x Mon Jan  1 00:00:00 2024\nSubject: 2\n\ntwo\n");
  EXPECT_EQ(mails,
            (Strings{"Subject: 1\n\none\nFrom here\n", "Subject: 2\n\ntwo\n"}));
}

TEST(SplitMboxTest, UndoesOneLevelOfQuoting) {
  const auto mails = SplitMbox(
      "From a\nSubject: 1\n\n>From me\n>>From you\n> From no\n>Fromage\n");
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_EQ(mails[0],
            "Subject: 1\n\nFrom me\n>From you\n> From no\n>Fromage\n");
}

TEST(SplitMboxTest, KeepsCrlfAndAMissingLastNewline) {
  EXPECT_EQ(SplitMbox("From a\r\nS: 1\r\n\r\nx\r\n\r\nFrom b\r\nS: 2\r\n\r\ny"),
            (Strings{"S: 1\r\n\r\nx\r\n", "S: 2\r\n\r\ny"}));
}

TEST(SplitMboxTest, OtherFilesGiveNothing) {
  EXPECT_TRUE(SplitMbox("Subject: x\n\n").empty());
  EXPECT_TRUE(SplitMbox("").empty());
}

TEST(MakeMailTest, TheEnvelopeComesFromTheHeaders) {
  const Mail mail = MakeMail(
      "x",
      "From: Ann <ann@one.example>\nTo: Bob <bob@two.example>, "
      "team: c@three.example, d@three.example;\nCc: bob@two.example\n\n");
  EXPECT_EQ(mail.mailfrom, "ann@one.example");
  EXPECT_EQ(mail.ehlo, "one.example");
  EXPECT_EQ(mail.recipients,
            (Strings{"bob@two.example", "c@three.example", "d@three.example"}));
}

TEST(MakeMailTest, ReturnPathAndDeliveredToComeFirst) {
  const Mail mail = MakeMail("x",
                             "Return-Path: <bounce@r.example>\n"
                             "Delivered-To: real@r.example\n"
                             "From: ann@one.example\nTo: list@l.example\n\n");
  EXPECT_EQ(mail.mailfrom, "bounce@r.example");
  EXPECT_EQ(mail.recipients, Strings{"real@r.example"});
  EXPECT_EQ(MakeMail("x", "Return-Path: <>\nFrom: a@b.example\n\n").mailfrom,
            "");
}

TEST(MakeMailTest, AnythingHasAnEnvelope) {
  for (const char* text : {"x", "\n\n\n", "no header at all\n\nbody"}) {
    const Mail mail = MakeMail("x", text);
    EXPECT_EQ(mail.recipients, Strings{"postmaster@example.com"});
    EXPECT_EQ(mail.ehlo, "client.example");
    EXPECT_EQ(*mail.bytes, text);
  }
}

TEST(LoadMailTest, AFile) {
  const TempDir dir;
  const MailSet set = LoadMail({dir.Write("a.eml", kMail)});
  ASSERT_EQ(set.mails.size(), 1u);
  EXPECT_EQ(*set.mails[0].bytes, kMail);
  EXPECT_EQ(set.mails[0].origin, dir.Path("a.eml"));
}

TEST(LoadMailTest, ADirectoryByNameAndBelow) {
  const TempDir dir;
  dir.Write("b.eml", kMail);
  dir.Write("a.eml", kMail);
  dir.Write("README.txt", "not mail");
  dir.Write("sub/c.eml", kMail);
  dir.Write("z.mbox", std::string("From x\n") + kMail + "\nFrom y\n" + kMail);
  const MailSet set = LoadMail({dir.Path("")});
  EXPECT_EQ(Names(set),
            (Strings{"a.eml", "b.eml", "c.eml", "z.mbox:1", "z.mbox:2"}));
  EXPECT_EQ(*set.mails[4].bytes, kMail);
  EXPECT_EQ(set.unreadable, 0u);
}

TEST(LoadMailTest, AnMboxByItsContent) {
  const TempDir dir;
  const MailSet set =
      LoadMail({dir.Write("archive", std::string("From x\n") + kMail)});
  ASSERT_EQ(set.mails.size(), 1u);
  EXPECT_EQ(*set.mails[0].bytes, kMail);
}

TEST(LoadMailTest, AMaildir) {
  const TempDir dir;
  dir.Write("cur/1:2,S", kMail);
  dir.Write("new/2", kMail);
  dir.Write("tmp/3", kMail);
  dir.Write("cur/.hidden", kMail);
  EXPECT_EQ(Names(LoadMail({dir.Path("")})), (Strings{"1:2,S", "2"}));
}

TEST(LoadMailTest, WhatCannotBeReadIsCountedAndLeftOut) {
  const TempDir dir;
  dir.Write("a.eml", kMail);
  dir.Write("empty.eml", "");
  dir.Write("bad.mbox", "no from line\n");
  ASSERT_EQ(::mkfifo(dir.Path("pipe.eml").c_str(), 0600), 0);
  const std::string missing = dir.Path("missing.eml");
  testing::internal::CaptureStderr();
  const MailSet set = LoadMail({dir.Path(""), missing});
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(set.mails.size(), 1u);
  EXPECT_EQ(set.unreadable, 4u);
  EXPECT_NE(log.find("skipping " + missing + ": No such file or directory"),
            std::string::npos)
      << log;
  EXPECT_NE(log.find("empty.eml: is empty"), std::string::npos) << log;
  EXPECT_NE(log.find("pipe.eml: is not a regular file"), std::string::npos) << log;
  EXPECT_NE(log.find("bad.mbox: is not an mbox"), std::string::npos) << log;
}

}  // namespace
}  // namespace hostsim
