// Addresses with a port, as the configuration and policies write them.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

namespace hostsim {

// "127.0.0.1:25", "[::1]:25"; nullopt: not a numeric address and a port.
std::optional<boost::asio::ip::tcp::endpoint> ParseEndpoint(
    const std::string& text);
std::string EndpointText(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace hostsim
