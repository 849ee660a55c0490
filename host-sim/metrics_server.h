// The page from which Prometheus reads the metrics: http://ADDRESS/metrics.
//
// Threads: the caller's; pages are served by two threads of the library's own,
// so whatever a client does, or does not do, no loop and no pool notices.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace hostsim {

class MetricsServer {
 public:
  explicit MetricsServer(std::shared_ptr<prometheus::Collectable> metrics);
  ~MetricsServer();  // none of its threads is in the metrics any more
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // An IPv4 address and a port; port 0: any that is free, and logged.
  bool Open(const std::string& address, std::string* error);

 private:
  const std::shared_ptr<prometheus::Collectable> metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // goes first
  boost::asio::ip::tcp::endpoint endpoint_;       // once it is open
};

}  // namespace hostsim
