// The control socket apart from a host: the handler is the test's.
#include "control.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "control_client.h"
#include "options.h"
#include "temp_dir.h"

namespace hostsim {
namespace {

class ControlTest : public testing::Test {
 protected:
  ControlTest() {
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ControlTest() override {
    On([this] { control_.reset(); });
    work_.reset();
    thread_.join();
  }

  // Runs `f` where the control lives, and waits for it.
  void On(const std::function<void()>& f) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  bool Listen() {
    bool good = false;
    On([&] {
      control_.emplace(io_, [this](const std::string& command) {
        ++commands_;
        if (command.starts_with("bad"))
          return ControlAnswer{false, "no such\ncommand\n"};
        if (command == "tricky")
          return ControlAnswer{true, "OK\nERROR no\nOK then\nlast"};
        if (command == "big") return ControlAnswer{true, std::string(1u << 20, 'x')};
        return ControlAnswer{true, "you said " + command + "\n"};
      });
      good = control_->Listen(path_, &error_);
    });
    return good;
  }
  // Sends `text`, says that this was all, and reads to the end.
  std::string Raw(const std::string& text) {
    boost::asio::io_context io;
    Control::Protocol::socket socket(io);
    socket.connect(Control::Protocol::endpoint(path_));
    boost::asio::write(socket, boost::asio::buffer(text));
    socket.shutdown(Control::Protocol::socket::shutdown_send);
    std::string answer;
    boost::system::error_code end;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), end);
    return answer;
  }
  bool Exists() const { return ::access(path_.c_str(), F_OK) == 0; }

  TempDir dir_;
  const std::string path_ = dir_.Path("socket");
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::optional<Control> control_;
  std::atomic<int> commands_{0};
  std::string error_;
  std::thread thread_;
};

TEST_F(ControlTest, TwentyClientsAtOnce) {
  ASSERT_TRUE(Listen()) << error_;
  std::vector<std::thread> clients;
  for (int client = 0; client < 20; ++client)
    clients.emplace_back([this, client] {
      for (int i = 0; i < 50; ++i) {
        const std::string command =
            std::to_string(client) + " " + std::to_string(i);
        EXPECT_EQ(AskControl(path_, command).text, "you said " + command + "\n");
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(commands_, 1000);
}

TEST_F(ControlTest, AClientMaySendSeveralCommands) {
  ASSERT_TRUE(Listen()) << error_;
  EXPECT_EQ(Raw("a\nbad one\r\n  b \t\nlast"),
            "you said a\nOK\nERROR no such; command\nyou said b\nOK\n"
            "you said last\nOK\n");
}

TEST_F(ControlTest, BadCommandsGetAnErrorAndTheNextOneIsServed) {
  ASSERT_TRUE(Listen()) << error_;
  const std::string too_long = "ERROR the command is too long: 1024 bytes at "
                               "most; try help\n";
  const std::string good = "you said x\nOK\n";
  EXPECT_EQ(Raw("\nx\n"), "ERROR the command is empty; try help\n" + good);
  EXPECT_EQ(Raw(std::string(1025, 'y') + "\nx\n"), too_long + good);
  EXPECT_EQ(Raw(std::string(500'000, 'y') + "\nx\n"), too_long + good);
  EXPECT_EQ(Raw(std::string(500'000, 'y')), too_long);
  EXPECT_EQ(Raw(std::string("a\0b\nx\n", 6)),
            "ERROR the command has a control character; try help\n" + good);
  EXPECT_EQ(commands_, 4) << "only the x of each";
  EXPECT_EQ(Raw(std::string(1024, 'y') + "\n").substr(0, 9), "you said ");
  EXPECT_EQ(Raw(""), "");
}

TEST_F(ControlTest, AnAnswerCannotLookLikeAStatus) {
  ASSERT_TRUE(Listen()) << error_;
  EXPECT_EQ(Raw("tricky\n"), " OK\n ERROR no\nOK then\nlast\nOK\n");
  EXPECT_EQ(AskControl(path_, "tricky").text, " OK\n ERROR no\nOK then\nlast\n");
}

TEST_F(ControlTest, AClientThatDoesNotReadDelaysNobody) {
  ASSERT_TRUE(Listen()) << error_;
  boost::asio::io_context io;
  Control::Protocol::socket stuck(io);
  stuck.connect(Control::Protocol::endpoint(path_));
  boost::asio::write(stuck, boost::asio::buffer(std::string("big\nbig\nbig\n")));
  while (commands_ == 0) std::this_thread::yield();
  EXPECT_TRUE(AskControl(path_, "x").good);
  EXPECT_EQ(commands_, 2) << "its next command is not read meanwhile";
}

TEST_F(ControlTest, TooManyClientsAreToldSo) {
  ASSERT_TRUE(Listen()) << error_;
  boost::asio::io_context io;
  std::vector<Control::Protocol::socket> clients;
  for (std::size_t i = 0; i < Control::kMostClients; ++i) {
    clients.emplace_back(io);
    clients.back().connect(Control::Protocol::endpoint(path_));
  }
  EXPECT_EQ(Raw("").substr(0, 23), "ERROR too many clients:");
  clients.clear();
  while (!AskControl(path_, "x").good) std::this_thread::yield();
}

TEST_F(ControlTest, TheSocketIsItsOwnersAndGoesWithTheHost) {
  ASSERT_TRUE(Listen()) << error_;
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  On([this] { control_.reset(); });
  EXPECT_FALSE(Exists());
  std::ostringstream out, err;
  EXPECT_EQ(RunControlClient(path_, "x", out, err), kExitFailed);
  EXPECT_EQ(err.str(), "host-sim: cannot connect to \"" + path_ +
                           "\": No such file or directory\n");
}

TEST_F(ControlTest, AStaleSocketIsReplaced) {
  {
    boost::asio::io_context io;
    Control::Protocol::acceptor left(io, Control::Protocol::endpoint(path_));
  }
  ASSERT_TRUE(Exists());
  ASSERT_TRUE(Listen()) << error_;
  EXPECT_TRUE(AskControl(path_, "x").good);
}

TEST_F(ControlTest, WhatHasReplacedItsSocketStays) {
  ASSERT_TRUE(Listen()) << error_;
  std::filesystem::remove(path_);
  boost::asio::io_context io;
  Control::Protocol::acceptor next(io, Control::Protocol::endpoint(path_));
  On([this] { control_.reset(); });
  EXPECT_TRUE(Exists());
}

TEST_F(ControlTest, WhatIsNotOursStays) {
  dir_.Write("socket", "precious");
  EXPECT_FALSE(Listen());
  EXPECT_NE(error_.find("not a socket"), std::string::npos) << error_;
  On([this] { control_.reset(); });
  EXPECT_TRUE(Exists());
  ::unlink(path_.c_str());

  boost::asio::io_context io;
  Control::Protocol::acceptor other(io, Control::Protocol::endpoint(path_));
  EXPECT_FALSE(Listen());
  EXPECT_NE(error_.find("another program listens"), std::string::npos) << error_;
  On([this] { control_.reset(); });
  EXPECT_TRUE(Exists());
}

TEST_F(ControlTest, APathThatNoSocketCanHave) {
  On([this] {
    control_.emplace(io_, nullptr);
    EXPECT_FALSE(control_->Listen(std::string(200, 'x'), &error_));
  });
  EXPECT_NE(error_.find("the path has 200 bytes"), std::string::npos) << error_;
  EXPECT_FALSE(AskControl(std::string(200, 'x'), "x").good);
}

TEST_F(ControlTest, TheClientsStatus) {
  ASSERT_TRUE(Listen()) << error_;
  std::ostringstream out, err;
  EXPECT_EQ(RunControlClient(path_, "hello world", out, err), kExitDone);
  EXPECT_EQ(out.str(), "you said hello world\n");
  EXPECT_EQ(RunControlClient(path_, "bad", out, err), kExitFailed);
  EXPECT_EQ(err.str(), "host-sim: no such; command\n");
  std::ostream full(nullptr);  // an answer that cannot be written
  EXPECT_EQ(RunControlClient(path_, "hello world", full, err), kExitFailed);
}

}  // namespace
}  // namespace hostsim
