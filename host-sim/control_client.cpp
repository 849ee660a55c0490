#include "control_client.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <istream>

#include "options.h"

namespace hostsim {

ControlAnswer AskControl(const std::string& socket,
                         const std::string& command) {
  using boost::system::error_code;
  if (command.find('\n') != std::string::npos)
    return {false, "a command is one line"};
  boost::asio::io_context io;
  Control::Protocol::socket connection(io);
  error_code error;
  constexpr std::size_t kLongestPath = 107;  // a longer one is an exception
  if (socket.size() > kLongestPath)
    error = boost::asio::error::name_too_long;
  else
    connection.connect(Control::Protocol::endpoint(socket), error);
  if (error)
    return {false, "cannot connect to \"" + socket + "\": " + error.message()};
  boost::asio::write(connection, boost::asio::buffer(command + "\n"), error);

  ControlAnswer answer;
  boost::asio::streambuf received;
  std::istream stream(&received);
  for (std::string line;;) {
    boost::asio::read_until(connection, received, '\n', error);
    if (error) return {false, "the answer was cut off: " + error.message()};
    std::getline(stream, line);
    if (line == "OK") return answer;
    if (line.starts_with("ERROR ")) return {false, line.substr(6)};
    answer.text += line + "\n";
  }
}

int RunControlClient(const std::string& socket, const std::string& command,
                     std::ostream& out, std::ostream& err) {
  const ControlAnswer answer = AskControl(socket, command);
  if (answer.good)
    out << answer.text << std::flush;
  else
    err << "host-sim: " << answer.text << '\n';
  return answer.good && out.good() ? kExitDone : kExitFailed;
}

}  // namespace hostsim
