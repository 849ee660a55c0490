// A host with the real plugin that a test talks to while it runs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "control_client.h"
#include "host.h"
#include "temp_dir.h"

namespace hostsim {

class LiveHost : public testing::Test {
 protected:
  struct Ran {
    int status = -1;
    std::string err;
    nlohmann::json json;
    std::uint64_t of(const char* outcome) const {
      return json["sessions"][outcome].get<std::uint64_t>();
    }
    nlohmann::json pool(const std::string& name) const {
      for (const auto& pool : json["pools"])
        if (pool["name"] == name) return pool;
      return {};
    }
  };

  LiveHost() { dir_.Write("mail/a.eml", "From: a@x.example\nTo: b@x.example\n\n\n"); }

  std::string WriteConfig(const std::string& more) {
    return dir_.Write("host.conf",
                      "Plugin \"runinpool\" { Path = \"" RUNINPOOL
                      "\" }\nControl { Socket = \"s\" }\nLua { Max_States = 1 "
                      "Script \"policy\" { Source = \"policy.lua\" } }\n" +
                          more + "\n");
  }
  // `policy` fills in the module `mod`; F is the path of a FIFO.  `driver` runs
  // beside the host.
  Ran Run(const std::string& policy, const std::string& config,
          std::uint64_t sessions, std::uint32_t concurrency,
          const std::function<void()>& driver = [] {}) {
    ::mkfifo(Fifo().c_str(), 0600);
    dir_.Write("policy.lua", "local mod, core = {}, msys.core\nlocal F = '" +
                                 Fifo() + "'\n" + policy +
                                 "\nmsys.registerModule('test', mod)\n");
    Options options = options_;
    options.config = WriteConfig(config);
    options.paths = {dir_.Path("mail")};
    options.sessions = sessions;
    options.concurrency = concurrency;
    options.json = dir_.Path("out.json");
    Ran ran;
    const auto read = ReadConfig(options.config, &ran.err);
    if (!read) return ran;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    {
      Host host(options, *read);
      std::thread beside(driver);
      ran.status = host.Run();
      beside.join();
    }
    testing::internal::GetCapturedStdout();
    ran.err += testing::internal::GetCapturedStderr();
    std::ifstream in(options.json);
    if (in) ran.json = nlohmann::json::parse(in);
    return ran;
  }

  ControlAnswer Ask(const std::string& command) {
    return AskControl(dir_.Path("s"), command);
  }
  // Asks until the answer has `wanted`: the test's timeout is the limit.
  void Await(const std::string& command, const std::string& wanted) {
    while (Ask(command).text.find(wanted) == std::string::npos)
      std::this_thread::yield();
  }
  std::string Fifo() const { return dir_.Path("fifo"); }

  TempDir dir_;
  Options options_;  // what Run() begins with
};

}  // namespace hostsim
