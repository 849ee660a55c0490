#include <gtest/gtest.h>

#include "config.h"
#include "endpoint.h"
#include "temp_dir.h"

namespace hostsim {
namespace {

class ListenerConfigTest : public testing::Test {
 protected:
  std::optional<Config> Read(const std::string& text) {
    return ReadConfig(dir_.Write("host.conf", text), &error_);
  }
  void ExpectError(const std::string& text, const std::string& message) {
    EXPECT_FALSE(Read(text)) << text;
    EXPECT_NE(error_.find(message), std::string::npos) << error_;
  }
  TempDir dir_;
  std::string error_;
};

TEST_F(ListenerConfigTest, NoneUnlessThereIsASection) {
  const auto config = Read("");
  ASSERT_TRUE(config) << error_;
  EXPECT_FALSE(config->listener);
}

TEST_F(ListenerConfigTest, ReadsEverything) {
  const auto config = Read(R"(
Listener "smtp" {
  Address = "[::1]:2525" Maildir = "mail" Maildir_Threads = 2
  Hostname = "mx.test" Max_Connections = 3 Max_Recipients = 4
  Max_Message_Size = "5K" Max_Line = 600 Max_Errors = 7 Timeout = 8
  Policy_Timeout = 9
})");
  ASSERT_TRUE(config && config->listener) << error_;
  ListenerConfig wanted;
  wanted.address = "[::1]:2525";
  wanted.maildir = dir_.Path("mail");
  wanted.maildir_threads = 2;
  wanted.hostname = "mx.test";
  wanted.max_connections = 3;
  wanted.max_recipients = 4;
  wanted.max_message_size = 5 * 1024;
  wanted.max_line = 600;
  wanted.max_errors = 7;
  wanted.timeout_s = 8;
  wanted.policy_timeout_s = 9;
  EXPECT_TRUE(*config->listener == wanted);
}

TEST_F(ListenerConfigTest, WhatIsNotSaidIsAsTheManPageSays) {
  const auto config =
      Read("Listener \"smtp\" { Address = \"127.0.0.1:1\" Hostname = \"mx.test\" }");
  ASSERT_TRUE(config && config->listener) << error_;
  ListenerConfig wanted;
  wanted.address = "127.0.0.1:1";
  wanted.hostname = "mx.test";
  EXPECT_TRUE(*config->listener == wanted);
}

TEST_F(ListenerConfigTest, ErrorsSayWhatIsWanted) {
  ExpectError("Listener \"smtp\" { Hostname = \"two words\" }", "two words");
  ExpectError("Listener \"smtp\" { }", "has no Address");
  ExpectError("Listener \"pop\" { Address = \"127.0.0.1:1\" }", "known: smtp");
  ExpectError("Listener \"smtp\" { Address = \"localhost:25\" }",
              "127.0.0.1:2525 or [::1]:2525");
  ExpectError("Listener \"smtp\" { Max_Line = 1 }", "out of range");
  ExpectError("Listener \"smtp\" { Max_Message_Size = 0 }", "not a size");
  ExpectError("Listener \"smtp\" { Maildir = \"\" }", "is empty");
}

TEST(EndpointTest, ThereAndBack) {
  for (const char* good : {"127.0.0.1:25", "[::1]:0", "0.0.0.0:65535"}) {
    const auto endpoint = ParseEndpoint(good);
    ASSERT_TRUE(endpoint) << good;
    EXPECT_EQ(EndpointText(*endpoint), good);
  }
  for (const char* bad : {"", ":", "25", "127.0.0.1", "127.0.0.1:", "::1:25",
                          "[127.0.0.1]:25", "127.0.0.1:65536", "127.0.0.1:2x"})
    EXPECT_FALSE(ParseEndpoint(bad)) << bad;
}

}  // namespace
}  // namespace hostsim
