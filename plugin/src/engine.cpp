#include "engine.h"

#include <algorithm>
#include <cstdio>

#include "clock.h"
#include "process.h"
#include "state.h"
#include "text.h"

namespace msys {

Engine::Engine(const msys_host& host, std::int32_t completion_returns)
    : host_(host), completion_returns_(completion_returns) {
  process::Watch();
  for (std::uint32_t i = 0; i < host.loop_count; ++i) {
    loops_.push_back(std::make_unique<Loop>(host_, i));
  }
}

bool Engine::BeginAttach() {
  WaitableLock lock(mu_);
  if (stopping()) return false;
  ++in_transit_;
  return true;
}

bool Engine::Add(State& state) {
  // Before the state can have jobs, and before anything that may throw has left
  // a trace of it.
  pools_.ClaimThreads();
  process::ThreadsStart();
  WaitableLock lock(mu_);
  if (stopping()) return false;
  states_.push_back(&state);
  return true;
}

void Engine::Unlist(State& state) {
  WaitableLock lock(mu_);
  if (std::erase(states_, &state) > 0) ++in_transit_;
}

void Engine::EndTransit() {
  WaitableLock lock(mu_);
  --in_transit_;
  changed_.notify_all();
}

std::uint64_t Engine::JobsLeft() {
  std::uint64_t jobs = 0;
  for (const State* state : states_) jobs += state->jobs();
  return jobs;
}

bool Engine::Drained(std::uint64_t until_ns, bool may_wait, bool states_too) {
  WaitableLock lock(mu_);
  for (;;) {
    const bool attached = !states_.empty() || in_transit_ > 0;
    if (JobsLeft() == 0 && !(states_too && attached)) return true;
    const std::uint64_t now = NowNs();
    if (!may_wait || now >= until_ns) return false;
    // Jobs end without telling us, so that they need not look for somebody who
    // waits: look again every few milliseconds.
    using std::chrono::steady_clock;
    const std::uint64_t nap = std::min<std::uint64_t>(until_ns - now, 5'000'000);
    lock.WaitUntil(changed_,
                   steady_clock::now() + std::chrono::nanoseconds(nap));
  }
}

bool Engine::Over(std::uint64_t until_ns) {
  const bool may_wait = !host_.OnAnyLoop();
  if (!Drained(until_ns, may_wait, /*states_too=*/true)) return false;
  // Workers whose last job is over go on their own, whatever the deadline; unless
  // the system has no time for them.
  constexpr std::uint64_t kLeavingNs = 1'000'000'000;
  return AtRest(may_wait ? std::max(until_ns, NowNs() + kLeavingNs) : 0);
}

msys_status Engine::Stop(std::uint32_t deadline_ms, std::string& error) {
  if (!stopping()) {
    {
      // Whoever attaches now is either seen below or refused.
      WaitableLock lock(mu_);
      stopping_.store(true, std::memory_order_relaxed);
    }
    first_stop_ns_ = NowNs();
    deadline_ns_ = UINT64_MAX;
  }
  // Who calls again with less has no more patience.
  deadline_ns_ = std::min(deadline_ns_,
                          first_stop_ns_ + std::uint64_t{deadline_ms} * 1'000'000);
  if (Over(deadline_ns_)) return MSYS_OK;
  if (NowNs() >= deadline_ns_ && !cancelled_) {
    cancelled_ = true;
    ForEachState([](State& state) { state.RequestCancelAll(); });
    // What does not run is over as soon as its loop has seen to it.
    constexpr std::uint64_t kGraceNs = 200'000'000;
    if (Over(NowNs() + kGraceNs)) return MSYS_OK;
  }
  ReportLeft(error);
  return MSYS_E_BUSY;
}

std::size_t Engine::InTransit() {
  WaitableLock lock(mu_);
  return static_cast<std::size_t>(in_transit_);
}

void Engine::ReportLeft(std::string& error) {
  const std::uint64_t now = NowNs();
  if (now < deadline_ns_) {
    const std::uint64_t jobs = Jobs();
    if (jobs > 0) {
      error = std::to_string(jobs) + " jobs are still being drained; call stop() again";
      return;
    }
  }
  std::size_t states = InTransit();
  // Logged without the locks of these lists: a host's log may have one of its own.
  std::vector<std::string> running;
  ForEachState([&](State& state) {
    ++states;
    state.ForEachRunning([&](const Job& job) {
      char where[128];
      FormatSource(job.source, job.line, where, sizeof where);
      char since[32];
      std::snprintf(since, sizeof since, "%.3f",
                    static_cast<double>(now - job.started_ns) * 1e-9);
      running.push_back(std::string(job.pool_name()) + ": " + where + " of state " +
                        state.name + " still runs, for " + since + " s");
    });
  });
  for (const std::string& line : running) {
    host_.Log(MSYS_LOG_ERROR, "stop", "%s", line.c_str());
  }
  if (!running.empty()) {
    error = std::to_string(running.size()) + " closures still run; see the log";
  } else if (states == 0) {
    error = "call it again";
    std::string workers;
    for (std::size_t i = 0; i < pools_.size(); ++i) {
      pools_.at(i).ListWorkers(workers);
    }
    if (workers.empty()) return;  // just now they have left
    error += "; still on their way out of their pools are" + workers;
    // On a loop nobody has waited for them, and most are gone in no time.
    if (!host_.OnAnyLoop()) host_.Log(MSYS_LOG_ERROR, "stop", "%s", error.c_str());
  } else {
    error = std::to_string(states) +
            " Lua states are still attached; detach them and call stop() again";
  }
}

bool Engine::AtRest(std::uint64_t until_ns) {
  // The last job is over, but its worker may be on its way out of the pool.
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    while (!pools_.at(i).AtRest()) {
      if (NowNs() >= until_ns) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  return true;
}

}  // namespace msys
