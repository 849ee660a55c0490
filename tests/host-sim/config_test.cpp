#include "config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "log.h"
#include "temp_dir.h"

namespace hostsim {
namespace {

class ConfigTest : public testing::Test {
 protected:
  std::optional<Config> Read(const std::string& text) {
    file_ = dir_.Write("host.conf", text);
    return ReadConfig(file_, &error_);
  }
  // The message after "file:line: ".
  void ExpectError(const std::string& text, int line,
                   const std::string& message) {
    EXPECT_FALSE(Read(text)) << text;
    const std::string at = file_ + ":" + std::to_string(line) + ": ";
    EXPECT_EQ(error_.substr(0, at.size()), at) << error_;
    EXPECT_NE(error_.find(message), std::string::npos) << error_;
    EXPECT_EQ(error_.back(), '\n');
  }

  TempDir dir_;
  std::string file_, error_;
};

TEST_F(ConfigTest, ReadsEverything) {
  const auto config = Read(R"(
# comment
Plugin "runinpool" { Path = "../lib/runinpool.so" Completion_Returns = "Results" }
ThreadPool "IO" { Concurrency = 2 Backlog = 10 Stack_Size = 2048K }
ThreadPool "dns" { }
EventLoop { Concurrency = 3 Idle_Poll = 50 }
Lua {
  Max_States = 4
  Script "a" { Source = "policies/a.lua" }
  Script "b" { Source = "/abs/b.lua" }
}
Log { Level = "WARNING" File = "x.log" }
Control { Socket = "run/s" }
Metrics { Address = "127.0.0.1:9464" }
Shutdown_Timeout = 7
)");
  ASSERT_TRUE(config) << error_;
  const auto here = std::filesystem::path(file_).parent_path();
  EXPECT_EQ(config->plugin_path, here / "../lib/runinpool.so");
  EXPECT_EQ(config->completion_returns, MSYS_COMPLETION_RETURNS_RESULTS);
  ASSERT_EQ(config->pools.size(), 2u);
  EXPECT_EQ(config->pools[0].name, "IO");
  EXPECT_EQ(config->pools[0].concurrency, 2u);
  EXPECT_EQ(config->pools[0].backlog, 10u);
  EXPECT_EQ(config->pools[0].stack_size_kib, 2048u);
  EXPECT_EQ(config->pools[1].name, "dns");
  EXPECT_EQ(config->pools[1].concurrency, MSYS_UNSET);
  EXPECT_EQ(config->pools[1].backlog, MSYS_UNSET);
  EXPECT_EQ(config->pools[1].stack_size_kib, MSYS_UNSET);
  EXPECT_EQ(config->loops, 3u);
  EXPECT_EQ(config->idle_poll_us, 50u);
  EXPECT_EQ(config->max_states, 4u);
  ASSERT_EQ(config->scripts.size(), 2u);
  EXPECT_EQ(config->scripts[0].source, here / "policies/a.lua");
  EXPECT_EQ(config->scripts[1].source, "/abs/b.lua");
  EXPECT_EQ(config->log_level, MSYS_LOG_WARNING);
  EXPECT_EQ(config->log_file, here / "x.log");
  EXPECT_EQ(config->control_socket, here / "run/s");
  EXPECT_EQ(config->metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(config->shutdown_timeout_s, 7u);
}

TEST_F(ConfigTest, KeysAreComparedWithoutRegardToCase) {
  const auto config =
      Read("threadpool \"IO\" { CONCURRENCY = 0 }\nLUA { max_states = 9 }\n");
  ASSERT_TRUE(config) << error_;
  EXPECT_EQ(config->pools.at(0).concurrency, 0u);
  EXPECT_EQ(config->max_states, 9u);
}

TEST_F(ConfigTest, EmptyMeansDefaults) {
  const auto config = Read("");
  ASSERT_TRUE(config) << error_;
  EXPECT_TRUE(config->plugin_path.empty());
  EXPECT_EQ(config->loops, 1u);
  EXPECT_EQ(config->idle_poll_us, 0u);
  EXPECT_EQ(config->max_states, 16u);
  EXPECT_EQ(config->metrics_address, "");
  EXPECT_EQ(config->shutdown_timeout_s, 10u);
  EXPECT_EQ(config->completion_returns, MSYS_COMPLETION_RETURNS_JOB);
}

TEST_F(ConfigTest, ErrorsHaveFileAndLine) {
  ExpectError("\nThreadpol \"IO\" { }\n", 2,
              "no such option 'Threadpol'; there are Plugin, ThreadPool, ");
  ExpectError("ThreadPool \"IO\" {\n  Concurency = 1\n}\n", 2,
              "no such option 'Concurency'; ThreadPool has Concurrency, Backlog, "
              "Stack_Size\n");
  ExpectError("ThreadPool \"IO\" {\n\n  Concurrency = 2000\n}\n", 3,
              "Concurrency = 2000 is out of range: 0 to 1024");
  ExpectError("ThreadPool \"IO\" { Concurrency = -1 }\n", 1, "out of range");
  ExpectError("EventLoop { Concurrency = 0 }\n", 1, "1 to 64");
  ExpectError("EventLoop { Idle_Poll = 10001 }\n", 1, "0 to 10000");
  ExpectError("ThreadPool \"IO\" { Stack_Size = 12Q }\n", 1, "is not a stack's size");
  ExpectError("ThreadPool \"IO\" { Stack_Size = 256 }\n", 1, "from 1024K");
  ExpectError("ThreadPool \"IO\" { Stack_Size = 1023K }\n", 1, "from 1024K");
  ExpectError("ThreadPool \"a b\" { }\n", 1, "a pool's name is");
  ExpectError("ThreadPool \"" + std::string(65, 'x') + "\" { }\n", 1,
              "a pool's name is");
  ExpectError("ThreadPool \"IO\" { }\nThreadPool \"io\" { }\n", 2, "title");
  ExpectError("Lua { Script \"x\" { } }\n", 1, "Script \"x\" has no Source");
  ExpectError("Log { Level = \"loud\" }\n", 1, "is not a level");
  ExpectError("Plugin \"x\" { Completion_Returns = \"all\" }\n", 1,
              "must be \"job\" or \"results\"");
  ExpectError("Metrics {\n Address = \"9464\" }\n", 2,
              "Address = \"9464\" is not a numeric IPv4 address and a port");
  ExpectError("Metrics { Address = \"[::1]:9464\" }\n", 1, "numeric IPv4");
  ExpectError("Metrics { Port = 9464 }\n", 1, "no such option 'Port'");
  ExpectError("Lua {\n", 1, "a } is missing before the end");
  ExpectError("Shutdown_Timeout = \n", 1, "a value is missing before the end");
  ExpectError("Log { Level = }\n", 1, "Key = value or Stanza { ... } is wanted");
  ExpectError("ThreadPool { }\n", 1, "give it one: Stanza \"name\" { ... }");
  ExpectError("EventLoop { Concurrency += 1 }\n", 1, "; = is wanted");
  ExpectError("Include \"x\"\n", 1, "Include(\"file\") is wanted");
  ExpectError("\nPlugin \"a\" { }\nPlugin \"b\" { }\n", 3, "more than one Plugin");
  const std::string smtp = "Listener \"smtp\" { Address = \"[::1]:25\" }\n";
  ExpectError(smtp + "Listener \"SMTP\" { Address = \"[::1]:26\" }\n", 2, "title");
  // What follows would be left out without a word.
  ExpectError("EventLoop { }\n/* pools\nThreadPool \"IO\" { }\n", 3, "comment");
  ExpectError("Log { File = \"x }\n", 1,
              "premature end of file: a string's \" or a stanza's } may be missing");
}

TEST_F(ConfigTest, ANumberIsWholeAndThere) {
  for (const char* bad : {"two", "1.5", "4k", "nan", "' 3'", "3x"}) {
    const std::string text = *bad == '\'' ? " 3" : bad;
    ExpectError("EventLoop {\n  Concurrency = " + std::string(bad) + "\n}\n", 2,
                "Concurrency = " + text + " is no whole number: one from 1 to 64 is wanted");
  }
  ::unsetenv("HOST_SIM_TEST_NOT_SET");
  for (const char* empty :
       {"\"\"", "${HOST_SIM_TEST_NOT_SET}", "\"${HOST_SIM_TEST_NOT_SET}\""})
    ExpectError("Shutdown_Timeout = " + std::string(empty) + "\n", 1,
                "Shutdown_Timeout is empty, and a variable that is not set is: a number "
                "from 0 to 86400 is wanted");
  ExpectError("Shutdown_Timeout = 99999999999999999999\n", 1,
              "Shutdown_Timeout = 99999999999999999999 is out of range: 0 to 86400");
  ExpectError("Listener \"smtp\" { Address = \"[::1]:25\" Timeout = 0 }\n", 1,
              "Timeout = 0 is out of range: 1 to 86400");
  ExpectError("Listener \"smtp\" { Address = \"[::1]:25\" Max_Line = 080 }\n", 1,
              "Max_Line = 080 is no whole number: one from 80 to 1000000000 is wanted; it "
              "begins with 0 and so is octal");
  EXPECT_EQ(Read("Shutdown_Timeout = 0x10\n")->shutdown_timeout_s, 16u) << error_;
  EXPECT_EQ(Read("Shutdown_Timeout = 010\n")->shutdown_timeout_s, 8u) << error_;
}

TEST_F(ConfigTest, OfTwoNoneIsLostWithoutAWord) {
  dir_.Write("more.conf", "Shutdown_Timeout = 4\n");
  ExpectError("ThreadPool \"IO\" {\n Concurrency = 3\n Concurrency = 7 }\n", 3,
              "Concurrency is there a second time");
  ExpectError("Control { Socket = \"a\" }\nControl { Socket = \"b\" }\n", 2,
              "Socket is there a second time");
  ExpectError("Log { Level = \"info\" Level = \"info\" }\n", 1, "Level is there a second");
  EXPECT_FALSE(Read("Shutdown_Timeout = 3\nInclude(\"more.conf\")\n"));
  EXPECT_NE(error_.find("more.conf:1: Shutdown_Timeout is there a second time"),
            std::string::npos) << error_;
  EXPECT_TRUE(Read("ThreadPool \"a\" { Backlog = 1 } ThreadPool \"b\" { Backlog = 1 }\n"))
      << error_;
  EXPECT_TRUE(Read("Shutdown_Timeout = 3\n")) << "another reading";
  const auto halves = Read("EventLoop { Concurrency = 2 }\nEventLoop { Idle_Poll = 5 }\n");
  ASSERT_TRUE(halves) << error_;
  EXPECT_EQ(halves->loops, 2u);
  EXPECT_EQ(halves->idle_poll_us, 5u);
}

TEST_F(ConfigTest, WhatIsNoTextFile) {
  EXPECT_TRUE(Read("#" + std::string(1'000'000, 'x'))) << error_;
  EXPECT_FALSE(Read("#" + std::string(2'000'000, 'x')));
  EXPECT_EQ(error_, file_ + ": it has more than 1048576 bytes: this is no configuration\n");
  ExpectError(std::string("EventLoop {\n\0}\n", 14), 2, "a NUL byte");
  EXPECT_EQ(Read("\xEF\xBB\xBF" "Shutdown_Timeout = 3\n")->shutdown_timeout_s, 3u)
      << error_;
}

TEST_F(ConfigTest, AControlSocketHasAPathThatFits) {
  ExpectError("\nControl { Socket = \"/tmp/" + std::string(200, 'x') + "\" }\n", 2,
              ": the path has 205 bytes; a socket's can have 107");
  EXPECT_TRUE(Read("Control { Socket = \"/" + std::string(106, 'x') + "\" }\n"));
}

TEST_F(ConfigTest, AMissingFileIsNamed) {
  EXPECT_FALSE(ReadConfig(dir_.Path("none.conf"), &error_));
  EXPECT_EQ(error_, dir_.Path("none.conf") +
                        ": cannot read the configuration: No such file or "
                        "directory\n");
}

TEST_F(ConfigTest, TheWorkingDirectoryMayBeGone) {
  const auto before = std::filesystem::current_path();
  const std::string gone = dir_.Path("gone");
  std::filesystem::create_directory(gone);
  std::filesystem::current_path(gone);
  std::filesystem::remove(gone);
  EXPECT_FALSE(ReadConfig("host.conf", &error_));
  EXPECT_EQ(error_, "host.conf: cannot read the configuration: No such file or directory\n");
  std::filesystem::current_path(before);
}

TEST_F(ConfigTest, IncludedTextStandsInItsPlace) {
  dir_.Write("pools.conf", "ThreadPool \"dns\" { Concurrency = 7 }\n");
  const auto config = Read("Include(\"pools.conf\")\nThreadPool \"IO\" { }\n");
  ASSERT_TRUE(config) << error_;
  ASSERT_EQ(config->pools.size(), 2u);
  EXPECT_EQ(config->pools[0].name, "dns");
  EXPECT_EQ(config->pools[0].concurrency, 7u);
  EXPECT_EQ(config->pools[1].name, "IO");
}

TEST_F(ConfigTest, AnErrorNamesTheIncludedFile) {
  const std::string pools = dir_.Write("pools.conf", "\nEventLop { }\n");
  EXPECT_FALSE(Read("Include(\"pools.conf\")\n"));
  EXPECT_EQ(error_.find(pools + ":2: "), 0u) << error_;
}

TEST_F(ConfigTest, ACommentEndsInItsFile) {
  dir_.Write("open.conf", "EventLoop { }\n/* pools\n");
  dir_.Write("whole.conf", "EventLoop { } /* pools */\n");
  EXPECT_FALSE(Read("Include(\"open.conf\")\nLua { }\n"));
  EXPECT_NE(error_.find("open.conf:2: a comment"), std::string::npos) << error_;
  EXPECT_TRUE(Read("Include(\"whole.conf\")\nLua { }\n")) << error_;
  EXPECT_FALSE(Read("Include(\"whole.conf\")\n/* Lua { }\n"));
  EXPECT_NE(error_.find("host.conf:2: a comment"), std::string::npos) << error_;
}

TEST_F(ConfigTest, AfterAnIncludedFileErrorsNameTheFirstAgain) {
  dir_.Write("pools.conf", "ThreadPool \"dns\" { }\n\n\n");
  ExpectError("Include(\"pools.conf\")\nEventLop { }\n\n\n\n\n", 2, "EventLop");
}

// However often a bad file was reread, a good one is read.
TEST_F(ConfigTest, ErrorsInIncludedFilesLeaveNothingBehind) {
  dir_.Write("bad.conf", "EventLoop { Concurrency = = }\n");
  dir_.Write("good.conf", "EventLoop { Concurrency = 2 }\n");
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Read("Include(\"bad.conf\")\n"));
  EXPECT_TRUE(Read("Include(\"good.conf\")\n")) << error_;
}

TEST_F(ConfigTest, ASectionOfAnIncludedFileEndsThere) {
  const std::string pools = dir_.Write("pools.conf", "\nLua {\n");
  EXPECT_FALSE(Read("Include(\"pools.conf\")\n}\n"));
  EXPECT_EQ(error_.find(pools + ":2: a } is missing before the end"), 0u) << error_;
}

TEST_F(ConfigTest, OnlyARegularFileIsIncluded) {
  ExpectError("Include(\"none.conf\")\n", 1, "No such file or directory");
  ExpectError("Include(\"/\")\n", 1, "not a regular file");
  ExpectError("Include(\"/dev/zero\")\n", 1, "not a regular file");
  ExpectError("Include()\n", 1, "Include takes one file name, got 0");
}

TEST_F(ConfigTest, AFileThatIncludesItselfIsAnError) {
  EXPECT_FALSE(Read("Include(\"host.conf\")\n"));
  EXPECT_NE(error_.find("nested too deeply"), std::string::npos) << error_;
}

TEST_F(ConfigTest, TenFilesMayIncludeOneAnother) {
  dir_.Write("10.conf", "EventLoop { Concurrency = 2 }\n");
  for (int i = 0; i < 10; ++i)
    dir_.Write(std::to_string(i) + ".conf",
               "Include(\"" + std::to_string(i + 1) + ".conf\")\n");
  const auto config = Read("Include(\"1.conf\")\n");
  ASSERT_TRUE(config) << error_;
  EXPECT_EQ(config->loops, 2u);
  EXPECT_FALSE(Read("Include(\"0.conf\")\n"));
  EXPECT_NE(error_.find("at most 10 files"), std::string::npos) << error_;
}

TEST(ParseSizeTest, Sizes) {
  EXPECT_EQ(ParseSizeKib("256K"), 256u);
  EXPECT_EQ(ParseSizeKib("1m"), 1024u);
  EXPECT_EQ(ParseSizeKib("65536"), 64u);
  EXPECT_EQ(ParseSizeKib("1"), 1u);
  EXPECT_EQ(ParseSizeKib("0"), 0u);
  for (const char* bad :
       {"", "K", "-1", "1G", "1KK", "2000M", " 1", "99999999999999999999",
        "17592186044416M"})
    EXPECT_FALSE(ParseSizeKib(bad)) << bad;
}

// Goes on where it was before a restart; one event is one line, with more below it.
TEST(LogTest, AFile) {
  TempDir dir;
  const std::string file = dir.Write("log", "before\n");
  std::string error;
  ASSERT_TRUE(LogOpen(MSYS_LOG_INFO, file, &error)) << error;
  Log(MSYS_LOG_ERROR, "policy", "failed\nwhere\x7f\x1b\n");
  Log(MSYS_LOG_DEBUG, "policy", "not wanted");
  ASSERT_TRUE(LogOpen(MSYS_LOG_INFO, "", &error)) << error;
  std::ifstream in(file);
  std::string before, event, more, end;
  std::getline(in, before);
  std::getline(in, event);
  std::getline(in, more);
  EXPECT_EQ(before, "before");
  EXPECT_TRUE(event.ends_with(" error policy: failed")) << event;
  EXPECT_EQ(more, "    where\\x7f\\x1b");
  EXPECT_FALSE(std::getline(in, end)) << end;
}

TEST(LogTest, AFileThatCannotBeWrittenIsToldOnStderr) {
  std::string error;
  const std::uint64_t lost = LogLost();
  ASSERT_TRUE(LogOpen(MSYS_LOG_INFO, "/dev/full", &error)) << error;
  testing::internal::CaptureStderr();
  Log(MSYS_LOG_ERROR, "policy", "one");
  Log(MSYS_LOG_ERROR, "policy", "two");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "host-sim: the log file cannot be written, and lines are lost until it can: "
            "No space left on device\n");
  EXPECT_EQ(LogLost(), lost + 2);
}

TEST(LogTest, LevelNames) {
  EXPECT_EQ(LogLevelFromName("Error"), MSYS_LOG_ERROR);
  EXPECT_EQ(LogLevelFromName("debug"), MSYS_LOG_DEBUG);
  EXPECT_EQ(LogLevelFromName(""), -1);
  EXPECT_EQ(LogLevelFromName("err"), -1);
}

}  // namespace
}  // namespace hostsim
