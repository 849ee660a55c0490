#include "closure_stats.h"

#include <algorithm>

namespace hostsim {

ClosureStats::Row& ClosureStats::RowOf(NameId closure, NameId pool) {
  const auto key = [](NameId c, NameId p) { return std::uint64_t{c} << 32 | p; };
  std::unique_ptr<Row>* row = nullptr;
  const auto found = rows_.find(key(closure, pool));
  if (found != rows_.end()) return *found->second;
  // The row of the others is one more.
  if (rows_.size() >= kMostRows) {
    closure = kOtherName;
    pool = kNoName;
  }
  row = &rows_[key(closure, pool)];
  if (*row == nullptr) {
    *row = std::make_unique<Row>();
    (*row)->closure = names_.Text(closure);
    (*row)->pool = names_.Text(pool);
  }
  return **row;
}

void ClosureStats::Take(const TraceTrack& track, const TraceRecord& record) {
  if (record.callout) return;
  Begun& begun = begun_[track.id];
  if (record.kind == MSYS_TRACE_START || record.kind == MSYS_TRACE_RESUME) {
    if (record.name != kNoName) begun = {record.id, record.name};
    return;
  }
  if (record.kind != MSYS_TRACE_END || record.started_ns == 0) return;
  const NameId name = record.name == kNoName && begun.id == record.id
                          ? begun.name
                          : record.name;
  Row& row = RowOf(name, record.pool);
  if (record.outcome == MSYS_OUTCOME_FAILED) ++row.failed;
  const auto since = [](std::uint64_t from, std::uint64_t to) {
    return to > from ? to - from : 0;
  };
  row.wait.Record(since(record.queued_ns, record.started_ns));
  row.run.Record(since(record.started_ns, record.time_ns));
}

std::vector<const ClosureStats::Row*> ClosureStats::rows() const {
  std::vector<const Row*> all;
  for (const auto& [key, row] : rows_) all.push_back(row.get());
  std::sort(all.begin(), all.end(), [](const Row* a, const Row* b) {
    if (a->run.sum_ns() != b->run.sum_ns())
      return a->run.sum_ns() > b->run.sum_ns();
    return std::tie(a->closure, a->pool) < std::tie(b->closure, b->pool);
  });
  return all;
}

}  // namespace hostsim
