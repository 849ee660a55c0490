// The socket that SMTP clients connect to, and the sessions that they have.
//
// One loop accepts.  A session lives on the loop of the Lua state it was given,
// so that nothing of it ever changes threads; states are given out evenly, and
// so are the clients.
//
// Threads: the constructor, Open, address, StopStarting, CancelAll and cut by the main
// thread; the rest runs on the loops.  Must outlive the loops' threads.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "config_listener.h"
#include "lua_states.h"
#include "maildir.h"
#include "smtp_session.h"
#include "stats.h"

namespace hostsim {

class Listener {
 public:
  // All are borrowed and outlive *this.  `ended` is called once, on some loop,
  // when nothing is accepted any more and the last session is over.
  Listener(LuaStates& states, const EventLoops& loops,
           const ListenerConfig& config, SessionCounts& counts,
           std::function<void()> ended);

  // Opens the Maildir and the socket and begins to accept.
  bool Open(std::string* error);
  // Where clients connect to, once it is open.
  const std::string& address() const { return address_; }
  // No new clients; each session ends once no mail of it is under way.
  void StopStarting();
  // See SmtpSession::Cancel.
  void CancelAll(bool at_once);
  // Sessions that CancelAll() has cut short.
  std::uint64_t cut() const { return cut_.load(std::memory_order_relaxed); }

 private:
  // Sessions on one loop; touched on that loop only.
  using InFlight = std::unordered_set<std::shared_ptr<SmtpSession>>;
  using tcp = boost::asio::ip::tcp;

  void Accept();
  void Accepted(tcp::socket socket);
  void ReportCannotAccept(const boost::system::error_code& error);
  void Refuse(tcp::socket& socket, Refusal reason);
  void ReportRefused();
  void StartSession(LuaState& state, int descriptor,
                    const tcp::endpoint& remote);
  void Ended(SmtpSession& session, Outcome outcome, bool by_error);
  void OneLess();
  void ForEachSession(std::function<void(SmtpSession&)> what);

  LuaStates& states_;
  const EventLoops& loops_;
  const ListenerConfig& config_;
  SessionCounts& counts_;
  const std::function<void()> ended_;

  std::optional<Maildir> maildir_;
  tcp::acceptor acceptor_;           // of the first loop, as the timer
  std::string address_;
  boost::asio::steady_timer retry_;  // after an accept that failed
  std::chrono::steady_clock::time_point quiet_until_{};  // of such failures
  // Refusals that are not in the log yet, and the timer while none may be.
  std::array<std::uint64_t, kRefusalCount> unreported_{};
  boost::asio::steady_timer quiet_;
  bool quiet_now_ = false;
  std::atomic<std::uint64_t> next_{0};  // relaxed: a ticket
  std::atomic<bool> stopping_{false};   // relaxed: sooner or later is enough
  // The acceptor and the sessions.  acq_rel: the last one sees what all did.
  std::atomic<std::uint32_t> open_{0};
  std::atomic<std::uint64_t> cut_{0};  // relaxed: read when all is over
  std::vector<InFlight> in_flight_;    // by loop
};

}  // namespace hostsim
