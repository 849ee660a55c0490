#include "metrics_server.h"

#include <CivetServer.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "endpoint.h"
#include "log.h"
#include "signal_mask.h"

namespace hostsim {
namespace {

// The library says why it cannot start to its log only, on the same thread.
thread_local std::string* why_not = nullptr;

// What clients do wrong is no news to an operator.
int OnMessage(const mg_connection*, const char* message) noexcept {
  if (!why_not)
    Log(MSYS_LOG_DEBUG, "metrics", message);
  else if (why_not->empty())
    *why_not = message;
  return 1;  // do not log it elsewhere
}

// Comes and goes, and waits for nothing.
void Knock(const boost::asio::ip::tcp::endpoint& endpoint) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  boost::system::error_code ignored;
  socket.open(endpoint.protocol(), ignored);
  socket.non_blocking(true, ignored);
  // Asio's own would wait.
  (void)::connect(socket.native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size()));
}

}  // namespace

MetricsServer::MetricsServer(std::shared_ptr<prometheus::Collectable> metrics)
    : metrics_(std::move(metrics)) {}

// The library looks whether it is to end when a client comes, else every two
// seconds.  So clients come.
MetricsServer::~MetricsServer() {
  if (!exposer_) return;
  std::atomic<bool> gone{false};  // relaxed: sooner or later is enough
  std::thread knocking;
  {
    const SignalsBlocked blocked;
    knocking = std::thread([&] {
      while (!gone.load(std::memory_order_relaxed)) {
        Knock(endpoint_);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
  }
  exposer_.reset();
  gone.store(true, std::memory_order_relaxed);
  knocking.join();
}

bool MetricsServer::Open(const std::string& address, std::string* error) {
  CivetCallbacks callbacks;
  callbacks.log_message = OnMessage;
  // No folder is given, so it has no files to serve.  A client may take five
  // seconds for its request, and has a connection for one.
  const std::vector<std::string> options = {
      "listening_ports",    address, "num_threads",       "2",
      "request_timeout_ms", "5000",  "enable_keep_alive", "no"};
  error->clear();
  const auto endpoint = ParseEndpoint(address);
  if (!endpoint) {
    *error = address + " is not an address and a port";
    return false;
  }
  try {
    const SignalsBlocked blocked;
    why_not = error;
    exposer_ = std::make_unique<prometheus::Exposer>(options, &callbacks);
    why_not = nullptr;
  } catch (const std::exception& failure) {
    why_not = nullptr;
    if (error->empty()) *error = failure.what();
    return false;
  }
  exposer_->RegisterCollectable(metrics_);
  endpoint_ = *endpoint;
  endpoint_.port(
      static_cast<std::uint16_t>(exposer_->GetListeningPorts().at(0)));
  Log(MSYS_LOG_NOTICE, "metrics",
      "on http://" + EndpointText(endpoint_) + "/metrics");
  return true;
}

}  // namespace hostsim
