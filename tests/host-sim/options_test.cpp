#include "options.h"

#include <gtest/gtest.h>

namespace hostsim {
namespace {

struct Parsed {
  bool good;
  Options options;
  std::string error;
};

Parsed Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "host-sim");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Parsed parsed;
  parsed.good = ParseOptions(static_cast<int>(words.size()), argv.data(),
                             &parsed.options, &parsed.error);
  return parsed;
}

TEST(OptionsTest, TakesAll) {
  const Parsed p =
      Parse({"--config", "a.conf", "--sessions=20000", "--concurrency", "200",
             "--json", "out.json", "x", "y"});
  ASSERT_TRUE(p.good) << p.error;
  EXPECT_EQ(p.options.config, "a.conf");
  EXPECT_EQ(p.options.sessions, 20000u);
  EXPECT_EQ(p.options.concurrency, 200u);
  EXPECT_EQ(p.options.json, "out.json");
  EXPECT_EQ(p.options.paths, (std::vector<std::string>{"x", "y"}));
}

TEST(OptionsTest, Defaults) {
  const Parsed p = Parse({"-c", "a.conf", "x"});
  ASSERT_TRUE(p.good) << p.error;
  EXPECT_EQ(p.options.sessions, 0u);
  EXPECT_EQ(p.options.concurrency, 50u);
  EXPECT_EQ(p.options.action, Options::Action::kRun);
  EXPECT_FALSE(p.options.run_inline);
}

TEST(OptionsTest, CompareRunsMailBothWays) {
  EXPECT_TRUE(Parse({"-c", "a", "--compare", "x"}).options.compare);
  EXPECT_EQ(Parse({"-c", "a", "--compare", "--inline", "x"}).error,
            "--compare and --inline: --compare runs both, leave out --inline");
  EXPECT_EQ(Parse({"-c", "a", "--compare"}).error,
            "--compare needs mail to replay: give it a PATH; see --help");
  EXPECT_EQ(Parse({"-c", "a", "--compare", "--check-config", "x"}).error,
            "--compare and --check-config: the latter runs nothing");
}

TEST(OptionsTest, FilesOfOneRun) {
  const Parsed p = Parse({"-c", "a", "--trace", "t", "--report", "r", "x"});
  ASSERT_TRUE(p.good) << p.error;
  EXPECT_EQ(p.options.trace, "t");
  EXPECT_EQ(p.options.report, "r");
  for (const char* option : {"--trace", "--report"})
    EXPECT_EQ(Parse({"-c", "a", "--compare", option, "f", "x"}).error,
              "--compare runs twice: --trace and --report are for one run");
}

TEST(OptionsTest, InlineIsAsked) {
  EXPECT_TRUE(Parse({"-c", "a", "--inline", "x"}).options.run_inline);
}

TEST(OptionsTest, ErrorsNameWhatIsWrong) {
  EXPECT_EQ(Parse({"x"}).error,
            "no configuration given: --config FILE; see --help");
  EXPECT_EQ(Parse({"--confug", "x"}).error,
            "--confug: no such option; see --help");
  EXPECT_EQ(Parse({"-z"}).error, "-z: no such option; see --help");
  EXPECT_EQ(Parse({"--config"}).error, "--config: needs a value; see --help");
  EXPECT_EQ(Parse({"-c", "a", "--sessions", "many", "x"}).error,
            "--sessions many: a number from 1 to 1000000000 is wanted");
  EXPECT_EQ(Parse({"-c", "a", "--concurrency", "0", "x"}).error,
            "--concurrency 0: a number from 1 to 100000 is wanted");
}

TEST(OptionsTest, ControlTakesACommandAndNoConfiguration) {
  const Parsed p = Parse({"--control", "s", "threads", "IO", "stats"});
  ASSERT_TRUE(p.good) << p.error;
  EXPECT_EQ(p.options.action, Options::Action::kControl);
  EXPECT_EQ(p.options.control, "s");
  EXPECT_EQ(p.options.command, "threads IO stats");
  EXPECT_EQ(Parse({"--control", "s"}).error,
            "no command given: --control SOCKET help lists them");
}

TEST(OptionsTest, CheckConfigHelpAndVersionNeedNoMail) {
  EXPECT_TRUE(Parse({"-c", "a", "--check-config"}).good);
  EXPECT_EQ(Parse({"--help"}).options.action, Options::Action::kHelp);
  EXPECT_EQ(Parse({"--version"}).options.action, Options::Action::kVersion);
}

}  // namespace
}  // namespace hostsim
