#include "control.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

#include "close_on_exec.h"
#include "log.h"

namespace hostsim {
namespace {

using boost::system::error_code;

bool LooksLikeStatus(const std::string& line) {
  return line == "OK" || line.starts_with("ERROR ");
}

std::string Trim(const std::string& text) {
  const char* const blank = " \t\r";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

std::string SystemText(int error) {
  return std::system_category().message(error);
}

}  // namespace

std::string FormatAnswer(const ControlAnswer& answer) {
  std::string out;
  std::istringstream lines(answer.text);
  for (std::string line; std::getline(lines, line);) {
    if (answer.good)
      out += (LooksLikeStatus(line) ? " " : "") + line + "\n";
    else if (!line.empty())
      out += (out.empty() ? "" : "; ") + line;
  }
  if (answer.good) return out + "OK\n";
  return "ERROR " + (out.empty() ? "failed" : out) + "\n";
}

// One connection.  A command is read when the answer to the one before it is
// written, so a client that does not read costs one answer and no more.
class Control::Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Control& owner, Protocol::socket socket)
      : owner_(&owner), socket_(std::move(socket)) {}

  void Next() {
    const std::size_t end = pending_.find('\n');
    if (end != std::string::npos) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return Take(line);
    }
    if (pending_.size() > kLongestCommand) {  // the rest of it follows
      pending_.clear();
      too_long_ = true;
    }
    if (!ended_) return Read();
    // The last line may have no newline.
    if (pending_.empty() && !too_long_) return Drop();
    Take(std::exchange(pending_, ""));
  }

  void Refuse(const std::string& text) {
    ended_ = true;
    Write(FormatAnswer({false, text}));
  }

  // The owner is going away; handlers that are still queued find none.
  void Close() {
    owner_ = nullptr;
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void Read() {
    socket_.async_read_some(
        boost::asio::buffer(chunk_),
        [self = shared_from_this()](const error_code& error, std::size_t size) {
          if (!self->owner_) return;
          self->pending_.append(self->chunk_.data(), size);
          if (error) self->ended_ = true;
          self->Next();
        });
  }

  void Take(const std::string& line) {
    if (std::exchange(too_long_, false) || line.size() > kLongestCommand)
      return Write(FormatAnswer(
          {false, "the command is too long: " +
                      std::to_string(kLongestCommand) +
                      " bytes at most; try help"}));
    const std::string command = Trim(line);
    if (command.empty())
      return Write(FormatAnswer({false, "the command is empty; try help"}));
    if (std::any_of(command.begin(), command.end(), [](unsigned char c) {
          return (c < 0x20 && c != '\t') || c == 0x7f;
        }))
      return Write(FormatAnswer(
          {false, "the command has a control character; try help"}));
    Write(FormatAnswer(owner_->handler_(command)));
  }

  void Write(std::string text) {
    answer_ = std::move(text);
    boost::asio::async_write(
        socket_, boost::asio::buffer(answer_),
        [self = shared_from_this()](const error_code& error, std::size_t) {
          if (!self->owner_) return;
          if (error) return self->Drop();
          self->Next();
        });
  }

  void Drop() {
    Control* const owner = std::exchange(owner_, nullptr);
    error_code ignored;
    socket_.close(ignored);
    owner->clients_.erase(shared_from_this());
  }

  Control* owner_;  // null: closed
  Protocol::socket socket_;
  std::array<char, 1024> chunk_;
  std::string pending_;  // read, not yet taken
  std::string answer_;   // being written
  bool too_long_ = false;
  bool ended_ = false;  // nothing more will be read
};

Control::Control(boost::asio::io_context& io, Handler handler)
    : io_(io), handler_(std::move(handler)) {}

Control::~Control() { Close(); }

// Makes room for the socket.
bool Control::Prepare(const std::string& path, std::string* error) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return true;
    *error = SystemText(errno);
    return false;
  }
  if (!S_ISSOCK(found.st_mode)) {
    *error = "there is a file of that name which is not a socket";
    return false;
  }
  error_code failure;
  Protocol::socket probe(io_);
  probe.connect(Protocol::endpoint(path), failure);
  if (failure != boost::asio::error::connection_refused) {
    *error = failure ? failure.message() : "another program listens on it";
    return false;
  }
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return true;
  *error = "the stale socket cannot be removed: " + SystemText(errno);
  return false;
}

bool Control::Fits(const std::filesystem::path& path, std::string* error) {
  constexpr std::size_t kLongestPath = 107;  // of sockaddr_un::sun_path
  const std::size_t size = path.native().size();
  if (size <= kLongestPath) return true;
  *error = "control socket " + path.string() + ": the path has " +
           std::to_string(size) + " bytes; a socket's can have " +
           std::to_string(kLongestPath);
  return false;
}

bool Control::Listen(const std::filesystem::path& path, std::string* error) {
  const std::string name = path.string();
  const std::string what = "control socket \"" + name + "\": ";
  if (!Fits(path, error)) return false;
  if (!Prepare(name, error)) {
    *error = what + *error;
    return false;
  }
  error_code failure;
  acceptor_.open(Protocol(), failure);
  if (!failure) CloseOnExec(acceptor_);
  if (!failure) acceptor_.bind(Protocol::endpoint(name), failure);
  if (failure) {
    *error = what + failure.message();
    return false;
  }
  struct stat made{};
  ::lstat(name.c_str(), &made);
  path_ = name;
  device_ = made.st_dev;
  inode_ = made.st_ino;
  // Nobody can connect before listen(), so there is no moment in which others
  // than the owner may.
  if (::chmod(name.c_str(), S_IRUSR | S_IWUSR) != 0)
    failure.assign(errno, boost::system::system_category());
  if (!failure)
    acceptor_.listen(Protocol::acceptor::max_listen_connections, failure);
  if (failure) {
    *error = what + failure.message();
    Close();
    return false;
  }
  Logf(MSYS_LOG_INFO, "control", "commands are taken on %s", name.c_str());
  Accept();
  return true;
}

void Control::Accept() {
  acceptor_.async_accept([this](const error_code& error,
                                Protocol::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (!error) {
      Accepted(std::move(socket));
      return Accept();
    }
    // Most likely no descriptor is free: the next attempt may find one.
    Log(MSYS_LOG_WARNING, "control", "cannot accept: " + error.message());
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) Accept();
    });
  });
}

void Control::Accepted(Protocol::socket socket) {
  CloseOnExec(socket);
  const auto client = std::make_shared<Client>(*this, std::move(socket));
  const bool full = clients_.size() >= kMostClients;
  clients_.insert(client);
  if (full)
    client->Refuse("too many clients: " + std::to_string(kMostClients) +
                   " are connected; try again later");
  else
    client->Next();
}

void Control::Close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& client : clients_) client->Close();
  clients_.clear();
  if (path_.empty()) return;
  struct stat found{};
  if (::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ &&
      found.st_ino == inode_)
    ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace hostsim
