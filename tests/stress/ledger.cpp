#include "ledger.h"

namespace msys::test {

void Ledger::Impossible(const msys_trace_event& event, const char* what) {
  if (!error_.empty()) return;
  error_ = "job " + std::to_string(event.id) + " of pool " +
           (event.pool == nullptr ? "none" : event.pool) + ", line " +
           std::to_string(event.line) + ": " + what;
}

void Ledger::Note(const msys_trace_event& event) {
  if (event.name != nullptr || event.callout_ctx != nullptr) return;  // a callout
  const std::lock_guard lock(mu_);
  const auto found = jobs_.find(event.id);
  if (event.kind == MSYS_TRACE_SUBMIT) {
    if (found != jobs_.end()) Impossible(event, "submitted twice");
    jobs_[event.id];
    ++counts_[0];
    return;
  }
  switch (event.kind) {
    case MSYS_TRACE_START:
    case MSYS_TRACE_END:
    case MSYS_TRACE_COMPLETION:
    case MSYS_TRACE_COMPLETED:
      break;
    default:
      return;
  }
  if (found == jobs_.end()) return Impossible(event, "never submitted");
  Job& job = found->second;
  switch (event.kind) {
    case MSYS_TRACE_START:
      if (job.started) Impossible(event, "started twice");
      if (job.over) Impossible(event, "started after its end");
      job.started = true;
      break;
    case MSYS_TRACE_END:
      if (job.over) Impossible(event, "ended twice");
      if (job.started != (event.outcome == MSYS_OUTCOME_DONE ||
                          event.outcome == MSYS_OUTCOME_FAILED)) {
        Impossible(event, job.started ? "started, but cancelled"
                                      : "done without a start");
      }
      job.over = true;
      ++counts_.at(static_cast<std::size_t>(event.outcome));
      break;
    case MSYS_TRACE_COMPLETION:
      if (!job.over) Impossible(event, "completed before its end");
      if (job.completing) Impossible(event, "completed twice");
      job.completing = true;
      break;
    default:
      if (!job.completing) Impossible(event, "its completion ended, but never began");
      if (job.completed) Impossible(event, "its completion ended twice");
      job.completed = true;
  }
}

void Ledger::Close() {
  const std::lock_guard lock(mu_);
  for (const auto& [id, job] : jobs_) {
    if (job.over && job.completing == job.completed) continue;
    error_ = "job " + std::to_string(id) + (job.over ? ": its completion" : "") +
             " never ended";
  }
  jobs_.clear();
}

std::string Ledger::error() {
  const std::lock_guard lock(mu_);
  return error_;
}

}  // namespace msys::test
