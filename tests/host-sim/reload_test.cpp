// The configuration changes while jobs are in flight.
#include "reload.h"

#include <cstring>
#include <filesystem>

#include "live_host.h"

namespace hostsim {
namespace {

std::size_t ThreadsNamed(const std::string& prefix) {
  std::size_t count = 0;
  std::error_code gone;  // a thread may end while we look
  for (std::filesystem::directory_iterator at("/proc/self/task", gone), end;
       !gone && at != end; at.increment(gone)) {
    std::string name;
    std::getline(std::ifstream(at->path() / "comm") >> std::ws, name);
    if (name.starts_with(prefix)) ++count;
  }
  return count;
}

std::string Work(int concurrency) {
  return "ThreadPool \"work\" { Concurrency = " + std::to_string(concurrency) +
         " }";
}

class ReloadTest : public LiveHost {
 protected:
  void Reload(const std::string& config) {
    WriteConfig(config);
    const ControlAnswer answer = Ask("config reload");
    EXPECT_TRUE(answer.good) << answer.text;
  }
  // How many closures the pool "work" has started.
  std::uint64_t Started() {
    const std::string text = Ask("threads work stats").text;
    const std::string label = "Total invocations: ";
    return std::stoull(text.substr(text.find(label) + label.size()));
  }
  static std::string Tail(const std::string& text) {
    return text.size() < 4000 ? text : text.substr(text.size() - 4000);
  }
  bool Has(const std::string& command, const std::string& wanted) {
    return Ask(command).text.find(wanted) != std::string::npos;
  }
};

TEST_F(ReloadTest, UnderLoadNothingIsLostOrRunTwice) {
  const Ran ran = Run(R"(
    function mod:validate_data()
      local runs = 0
      local ok, value = msys.runInPool('work', function() runs = runs + 1 return 7 end)
      assert(ok and value == 7 and runs == 1)
      return core.VALIDATE_CONT
    end
    function mod:validate_data_spool()
      assert(msys.runInPool('work', function() end))
      return core.VALIDATE_CONT
    end
  )",
                      Work(3), 100'000'000, 50, [this] {
                        Await("threads work stats", "concurrency 3");
                        for (int i = 0; i < 100; ++i) {
                          const int n = i % 7 + 1;
                          for (const auto before = Started(); Started() < before + 2;)
                            std::this_thread::yield();
                          Reload(Work(n) + " ThreadPool \"new" +
                                 std::to_string(i) + "\" { }");
                          EXPECT_TRUE(Has("threads work stats",
                                          "concurrency " + std::to_string(n)));
                          EXPECT_TRUE(Has("threads new" + std::to_string(i) +
                                              " stats",
                                          "concurrency 1"));
                          WriteConfig(Work(50) + "\nEventLop { }");
                          EXPECT_FALSE(Ask("config reload").good);
                          EXPECT_TRUE(Has("threads work stats",
                                          "concurrency " + std::to_string(n)));
                        }
                        ::kill(::getpid(), SIGTERM);
                      });
  EXPECT_EQ(ran.status, kExitDone) << Tail(ran.err);
  EXPECT_GT(ran.of("started"), 50u);
  EXPECT_EQ(ran.of("accepted"), ran.of("started"));
  const auto work = ran.pool("work");
  EXPECT_EQ(work["submitted"], 2 * ran.of("started"));
  EXPECT_EQ(work["done"], work["submitted"]);
  EXPECT_EQ(work["invocations"], work["submitted"]);
}

// Each closure waits for a byte, and each byte is written when the one before
// it was read: so it is known how many run.
TEST_F(ReloadTest, TheThreadsFollowUpAndDown) {
  const Ran ran = Run(R"(
    function mod:validate_data()
      local ok, byte = msys.runInPool('work', function()
        return assert(core.io_wrapper_open(F, core.O_RDWR)):read(1)
      end)
      assert(ok and byte == 'x', byte)
      return core.VALIDATE_CONT
    end
  )",
                      Work(4), 12, 12, [this] {
                        const int fifo = ::open(Fifo().c_str(), O_RDWR);
                        const auto release = [&](int nth) {
                          EXPECT_EQ(::write(fifo, "x", 1), 1);
                          Await("threads work stats",
                                "done " + std::to_string(nth) + ",");
                        };
                        Await("threads work stats", "queued 8, running 4,");
                        EXPECT_EQ(ThreadsNamed("work/"), 4u);
                        Reload(Work(8));
                        Await("threads work stats", "queued 4, running 8,");
                        EXPECT_EQ(ThreadsNamed("work/"), 8u);
                        WriteConfig(Work(2));
                        ::kill(::getpid(), SIGHUP);
                        Await("threads work stats", "concurrency 2");
                        for (int i = 1; i <= 7; ++i) release(i);
                        Await("threads work stats", "queued 3, running 2,");
                        while (ThreadsNamed("work/") != 2)
                          std::this_thread::yield();
                        for (int i = 8; i <= 11; ++i) release(i);
                        EXPECT_EQ(::write(fifo, "x", 1), 1);
                        ::close(fifo);
                      });
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 12u);
  EXPECT_NE(ran.err.find("host.conf is applied"), std::string::npos) << ran.err;
}

TEST_F(ReloadTest, APolicyWhoseFileHasChangedIsNamed) {
  const std::string policy = dir_.Path("policy.lua");
  const Ran ran = Run(
      "function mod:validate_data() assert(msys.runInPool('IO', function() "
      "core.io_wrapper_open(F, core.O_RDWR):read(1) end)) return "
      "core.VALIDATE_CONT end",
      "", 1, 1, [&] {
        Await("threads IO stats", "running 1");
        const std::string applied = dir_.Path("host.conf") + " is applied\n";
        EXPECT_EQ(Ask("config reload").text, applied);
        std::ofstream(policy, std::ios::app) << "-- changed\n";
        EXPECT_EQ(Ask("config reload").text,
                  applied + "needs a restart: Script \"policy\": " + policy +
                      " has changed\n");
        std::filesystem::remove(policy);
        EXPECT_EQ(Ask("config reload").text,
                  applied + "needs a restart: Script \"policy\": " + policy +
                      " cannot be read any more\n");
        EXPECT_EQ(::write(::open(Fifo().c_str(), O_RDWR), "x", 1), 1);
      });
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
}

TEST_F(ReloadTest, ABadFileSaysWhere) {
  const Ran ran = Run(
      "function mod:validate_data() assert(msys.runInPool('IO', function() "
      "core.io_wrapper_open(F, core.O_RDWR):read(1) end)) return "
      "core.VALIDATE_CONT end",
      "", 1, 1, [this] {
        Await("threads IO stats", "running 1");
        WriteConfig("\nEventLop { }");
        ControlAnswer answer = Ask("config reload");
        EXPECT_FALSE(answer.good);
        EXPECT_NE(answer.text.find("host.conf:5: "), std::string::npos)
            << answer.text;
        std::filesystem::remove(dir_.Path("host.conf"));
        answer = Ask("config reload");
        EXPECT_FALSE(answer.good);
        EXPECT_NE(answer.text.find("No such file"), std::string::npos)
            << answer.text;
        WriteConfig("EventLoop { Concurrency = 2 } ThreadPool \"IO\" { Backlog "
                    "= 9 }");
        answer = Ask("Config  RELOAD");
        EXPECT_TRUE(answer.good);
        EXPECT_NE(answer.text.find("restart: EventLoop Concurrency\n"),
                  std::string::npos)
            << answer.text;
        for (int i = 0; i < 2; ++i) {  // it stays as it is, and is named again
          EXPECT_NE(answer.text.find("restart: ThreadPool \"IO\" Backlog\n"),
                    std::string::npos)
              << answer.text;
          answer = Ask("config reload");
        }
        WriteConfig("ThreadPool \"IO\" { Backlog = 0 } ThreadPool \"Unlink\" { "
                    "Backlog = 100 }");  // what they have
        for (int i = 0; i < 2; ++i) {
          answer = Ask("config reload");
          EXPECT_EQ(answer.text.find("Backlog"), std::string::npos) << answer.text;
        }
        EXPECT_FALSE(Ask("config").good);
        EXPECT_NE(Ask("help").text.find("config reload"), std::string::npos);
        const int fifo = ::open(Fifo().c_str(), O_RDWR);
        EXPECT_EQ(::write(fifo, "x", 1), 1);
        ::close(fifo);
      });
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_NE(ran.err.find("error config: reload: nothing has changed: "),
            std::string::npos)
      << ran.err;
  EXPECT_NE(ran.err.find("warning config: needs a restart: EventLoop"),
            std::string::npos)
      << ran.err;
}

TEST_F(ReloadTest, WhatWasAppliedIsWhatTheNextFileIsComparedWith) {
  const Ran ran = Run(
      "function mod:validate_data() assert(msys.runInPool('IO', function() "
      "core.io_wrapper_open(F, core.O_RDWR):read(1) end)) return "
      "core.VALIDATE_CONT end",
      Work(4), 1, 1, [this] {
        Await("threads IO stats", "running 1");
        Reload(Work(8) + " ThreadPool \"wide\" { Stack_Size = 8M }");
        for (int i = 0; i < 2; ++i) {
          WriteConfig("ThreadPool \"work\" { } ThreadPool \"wide\" { Stack_Size = 8M }");
          const std::string text = Ask("config reload").text;
          EXPECT_NE(text.find("restart: ThreadPool \"work\" Concurrency is gone from the "
                              "file, but stays 8\n"),
                    std::string::npos)
              << text;
          EXPECT_NE(text.find("restart: ThreadPool \"wide\" Stack_Size\n"),
                    std::string::npos)
              << text;
        }
        const int fifo = ::open(Fifo().c_str(), O_RDWR);
        EXPECT_EQ(::write(fifo, "x", 1), 1);
        ::close(fifo);
      });
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
}

TEST(NeedRestartTest, KnowsEveryKey) {
  const Config a;
  Config b;
  b.completion_returns = MSYS_COMPLETION_RETURNS_RESULTS;
  b.loops = 2;
  b.idle_poll_us = 50;
  b.log_level = MSYS_LOG_DEBUG;
  b.log_file = "log";
  b.listener.emplace();
  b.shutdown_timeout_s = 11;
  EXPECT_EQ(NeedRestart(a, b, {}),
            (std::vector<std::string>{"Plugin Completion_Returns", "EventLoop Concurrency",
                                      "EventLoop Idle_Poll", "Log Level", "Log File", "Listener",
                                      "Shutdown_Timeout"}));
  Config c = b;
  c.listener->max_errors = 11;
  EXPECT_EQ(NeedRestart(b, c, {}), std::vector<std::string>{"Listener"});
}

TEST(NeedRestartTest, NamesWhatDiffers) {
  Config a;
  a.pools = {{"dns", 4, 10, MSYS_UNSET}, {"old", 1, MSYS_UNSET, MSYS_UNSET}};
  const auto pool = [](const char* name, std::uint32_t backlog) {
    msys_pool_stats stats{};
    std::strcpy(stats.name, name);
    stats.backlog = backlog;
    return stats;
  };
  const PoolStats pools{pool("dns", 10), pool("old", 0), pool("Unlink", 100)};
  EXPECT_TRUE(NeedRestart(a, a, pools).empty());
  Config b = a;
  b.pools = {{"DNS", 8, 10, MSYS_UNSET}, a.pools[1], {"new", 2, 3, 0},
             {"unlink", 2, 100, MSYS_UNSET}};
  EXPECT_TRUE(NeedRestart(a, b, pools).empty());
  // Of what the running file says nothing the plugin has something.
  b.pools = {a.pools[0], a.pools[1], {"new", 2, 3, 2048}, {"unlink", 2, 5, MSYS_UNSET}};
  EXPECT_EQ(NeedRestart(a, b, pools),
            (std::vector<std::string>{"ThreadPool \"new\" Stack_Size",
                                      "ThreadPool \"unlink\" Backlog"}));
  a.pools[0].stack_size_kib = b.pools[0].stack_size_kib = 4096;
  b.pools.pop_back();
  EXPECT_TRUE(NeedRestart(a, b, pools).empty()) << "the largest counts";
  a.pools[0].stack_size_kib = MSYS_UNSET;
  b.pools = {{"dns", MSYS_UNSET, 11, 64}};
  b.plugin_path = "x";
  b.max_states = 3;
  b.scripts = {{"s", "t"}};
  b.control_socket = "u";
  b.log_file = "v";
  b.metrics_address = "127.0.0.1:1";
  EXPECT_EQ(NeedRestart(a, b, pools),
            (std::vector<std::string>{
                "Plugin Path", "Lua Max_States", "Lua Script", "Log File",
                "Control Socket",
                "Metrics Address",
                "ThreadPool \"dns\" Concurrency is gone from the file, but "
                "stays 4",
                "ThreadPool \"dns\" Backlog", "ThreadPool \"dns\" Stack_Size",
                "ThreadPool \"old\" is gone from the file, but keeps what it "
                "has"}));
}

}  // namespace
}  // namespace hostsim
