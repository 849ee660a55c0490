#include "listener.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <cstdio>

#include "close_on_exec.h"
#include "endpoint.h"
#include "log.h"
#include "smtp_reply.h"

namespace hostsim {

using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kRefusedEvery{10};  // a line in the log

const char* Why(Refusal reason) {
  return reason == Refusal::kTooMany ? "too many connections"
                                     : "no policy can be run";
}

rlim_t DescriptorLimit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

std::string DescriptorsAllowed() {
  return "the process may have " + std::to_string(DescriptorLimit()) +
         " files and sockets open (LimitNOFILE, ulimit -n)";
}

}  // namespace

Listener::Listener(LuaStates& states, const EventLoops& loops,
                   const ListenerConfig& config, SessionCounts& counts,
                   std::function<void()> ended)
    : states_(states),
      loops_(loops),
      config_(config),
      counts_(counts),
      ended_(std::move(ended)),
      acceptor_(loops.front()->io()),
      retry_(loops.front()->io()),
      quiet_(loops.front()->io()),
      in_flight_(loops.size()) {}

bool Listener::Open(std::string* error) {
  if (!config_.maildir.empty()) {
    maildir_.emplace(config_.maildir, config_.maildir_threads);
    if (!maildir_->Open(error)) return false;
  }
  const auto address = ParseEndpoint(config_.address);
  error_code failure;
  if (!address) failure = boost::asio::error::invalid_argument;
  const auto then = [&](auto call) {
    if (!failure) call();
  };
  then([&] { acceptor_.open(address->protocol(), failure); });
  then([&] { CloseOnExec(acceptor_); });
  then([&] {
    acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
  });
  then([&] { acceptor_.bind(*address, failure); });
  then([&] {
    acceptor_.listen(boost::asio::socket_base::max_listen_connections, failure);
  });
  if (failure) {
    *error = "Listener \"smtp\": cannot listen on " + config_.address + ": " +
             failure.message();
    return false;
  }
  // Besides one for each client: what was open before, and a file of a mail.
  if (DescriptorLimit() < config_.max_connections + std::uint64_t{16})
    Log(MSYS_LOG_WARNING, "listener",
        "Max_Connections = " + std::to_string(config_.max_connections) + ", but " +
            DescriptorsAllowed());
  address_ = EndpointText(acceptor_.local_endpoint());
  Log(MSYS_LOG_NOTICE, "listener", "smtp on " + address_);
  open_.store(1, std::memory_order_relaxed);
  loops_.front()->Defer([this] { Accept(); });
  return true;
}

void Listener::Accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    const EventLoop::Hold hold(*loops_.front());
    if (!acceptor_.is_open()) return;
    if (!error) {
      Accepted(std::move(socket));
      return Accept();
    }
    if (error == boost::asio::error::connection_aborted) return Accept();
    // No descriptors, most likely: wait for sessions to end.
    counts_.AcceptFailed();
    ReportCannotAccept(error);
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](const error_code&) { Accept(); });
  });
}

// For as long as it lasts there is a failure every 100 ms.
void Listener::ReportCannotAccept(const error_code& error) {
  const auto now = std::chrono::steady_clock::now();
  if (now < quiet_until_) return;
  quiet_until_ = now + kRefusedEvery;
  std::string text = "cannot accept: " + error.message();
  if (error == boost::asio::error::no_descriptors)
    text += ": " + DescriptorsAllowed();
  Log(MSYS_LOG_ERROR, "listener", text + "; clients wait until sessions end");
}

void Listener::Refuse(tcp::socket& socket, Refusal reason) {
  error_code ignored;
  socket.non_blocking(true, ignored);
  const std::string reply =
      SmtpReply(421, std::string(Why(reason)) + ", try again later");
  socket.write_some(boost::asio::buffer(reply), ignored);
  counts_.Refused(reason);
  ++unreported_[static_cast<std::size_t>(reason)];
  if (!quiet_now_) ReportRefused();
}

// The first refusal at once, those that follow together.
void Listener::ReportRefused() {
  quiet_now_ = false;
  for (std::size_t i = 0; i < kRefusalCount; ++i) {
    const std::uint64_t count = std::exchange(unreported_[i], 0);
    if (count == 0) continue;
    quiet_now_ = true;
    Logf(MSYS_LOG_WARNING, "listener", "clients refused: %llu: %s",
         static_cast<unsigned long long>(count), Why(static_cast<Refusal>(i)));
  }
  if (!quiet_now_) return;
  quiet_.expires_after(kRefusedEvery);
  quiet_.async_wait([this](const error_code& error) {
    const EventLoop::Hold hold(*loops_.front());
    if (!error) ReportRefused();
  });
}

void Listener::Accepted(tcp::socket socket) {
  CloseOnExec(socket);
  error_code failure;
  const tcp::endpoint remote = socket.remote_endpoint(failure);
  if (failure) return;  // gone already
  // The acceptor is one of those that are open.
  if (open_.load(std::memory_order_relaxed) > config_.max_connections)
    return Refuse(socket, Refusal::kTooMany);
  LuaState* state = states_.Acquire();
  if (!state) return Refuse(socket, Refusal::kNoPolicy);
  socket.set_option(tcp::no_delay(true), failure);
  const int descriptor = socket.release(failure);
  if (failure) return states_.Release(state);
  counts_.Started();
  open_.fetch_add(1, std::memory_order_relaxed);
  state->loop().Defer([this, state, descriptor, remote] {
    StartSession(*state, descriptor, remote);
  });
}

void Listener::StartSession(LuaState& state, int descriptor,
                            const tcp::endpoint& remote) {
  tcp::socket socket(state.loop().io());
  error_code failure;
  socket.assign(remote.protocol(), descriptor, failure);
  if (failure) ::close(descriptor);  // the session finds no client
  char conn_id[24];
  std::snprintf(conn_id, sizeof conn_id, "%016llx",
                static_cast<unsigned long long>(
                    next_.fetch_add(1, std::memory_order_relaxed)));
  const auto session = std::make_shared<SmtpSession>(
      state, std::move(socket), conn_id, EndpointText(remote), config_,
      maildir_ ? &*maildir_ : nullptr,
      [this](SmtpSession& over, Outcome outcome, bool by_error) {
        Ended(over, outcome, by_error);
      });
  in_flight_[state.loop().index()].insert(session);
  session->Begin();
  if (stopping_.load(std::memory_order_relaxed)) session->WindDown();
}

void Listener::Ended(SmtpSession& session, Outcome outcome, bool by_error) {
  states_.Release(&session.state());
  counts_.Ended(outcome, by_error);
  in_flight_[session.state().loop().index()].erase(
      std::static_pointer_cast<SmtpSession>(session.shared_from_this()));
  OneLess();
}

void Listener::OneLess() {
  if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) ended_();
}

void Listener::StopStarting() {
  stopping_.store(true, std::memory_order_relaxed);
  loops_.front()->Defer([this] {
    if (!acceptor_.is_open()) return;
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
    ReportRefused();
    quiet_.cancel();
    ForEachSession([](SmtpSession& session) { session.WindDown(); });
    OneLess();
  });
}

void Listener::ForEachSession(std::function<void(SmtpSession&)> what) {
  for (const auto& loop : loops_) {
    loop->Defer([this, what, index = loop->index()] {
      // A copy: a session that ends is taken out of the set.
      const InFlight sessions = in_flight_[index];
      for (const auto& session : sessions) what(*session);
    });
  }
}

void Listener::CancelAll(bool at_once) {
  ForEachSession([this, at_once](SmtpSession& session) {
    if (session.Cancel(at_once)) cut_.fetch_add(1, std::memory_order_relaxed);
  });
}

}  // namespace hostsim
