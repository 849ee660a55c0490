// The console: a Unix socket that takes operators' commands while mail flows.
//
// A command is a line.  The answer is any number of lines and then one that is
// "OK" or "ERROR " and a text; a client may send many commands.  A line of an
// answer that looks like such a status begins with a space more.
//
// Threads: all of it on the one that runs `io`, the main thread: a command may
// call [main] functions of the plugin.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

namespace hostsim {

struct ControlAnswer {
  bool good = true;
  std::string text;  // the answer, or what is wrong
};

class Control {
 public:
  using Protocol = boost::asio::local::stream_protocol;
  // One command, trimmed and not empty.
  using Handler = std::function<ControlAnswer(const std::string& command)>;

  static constexpr std::size_t kLongestCommand = 1024;
  static constexpr std::size_t kMostClients = 256;

  Control(boost::asio::io_context& io, Handler handler);
  ~Control();  // Close()
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // False: the path is too long for a socket.
  static bool Fits(const std::filesystem::path& path, std::string* error);

  // Makes the socket, for its owner only.  One that nobody listens on any more
  // is replaced; another program's, or any other file, is not.
  bool Listen(const std::filesystem::path& path, std::string* error);
  // Ends all connections and removes the socket, if it is still ours.
  void Close();

 private:
  class Client;
  friend class Client;

  bool Prepare(const std::string& path, std::string* error);
  void Accept();
  void Accepted(Protocol::socket socket);

  boost::asio::io_context& io_;
  const Handler handler_;
  Protocol::acceptor acceptor_{io_};
  boost::asio::steady_timer pause_{io_};
  std::set<std::shared_ptr<Client>> clients_;
  std::string path_;  // "": no socket of ours
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// How an answer is sent.
std::string FormatAnswer(const ControlAnswer& answer);

}  // namespace hostsim
