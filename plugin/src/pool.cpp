#include "pool.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <exception>

#include "tsan.h"
#include "turn.h"
#include "worker_slot.h"

namespace msys {
namespace {

thread_local Worker* current_worker = nullptr;

}  // namespace

Worker* Worker::current() { return current_worker; }

PoolLane::PoolLane(Turn& turn_, Pool& pool_, LaneRunner& runner_, Loop& home_)
    : LoopLane(turn_, pool_, runner_), pool(pool_), home(home_) {
  pool.Register(*this);
}

PoolLane::~PoolLane() { pool.Unregister(*this); }

Pool::Pool(const Host& host, std::string name, int id, Limits limits)
    : Executor(/*is_loop=*/false),
      host_(host),
      name_(std::move(name)),
      id_(id),
      limits_(limits),
      concurrency_(limits.concurrency),
      shown_concurrency_(limits.concurrency) {}

Pool::~Pool() {
  // At rest only those are taken whose task was given up but may still come.
  for (auto& slot : slots_) {
    if (slot->busy) static_cast<void>(slot.release());
  }
}

bool Pool::Wake(Lane& lane, Worker* self) {
  WorkerSlot* slot = nullptr;
  {
    MutexLock lock(mu_);
    if (concurrency_ == 0 && active_ == 0) {
      // The home loop runs it; posted below.
    } else if (self != nullptr && self->pool == this &&
               self->next == nullptr && active_ <= concurrency_ &&
               static_cast<std::uint32_t>(self->number) <= concurrency_) {
      // The caller is about to look for work: as good as a thread sent for the
      // lane, without the wake.  But an older lane goes first.
      ready_.InsertBy(lane, &Lane::order);
      self->next = ready_.PopFront();
      return self->next == &lane;
    } else if (active_ >= concurrency_) {
      ready_.InsertBy(lane, &Lane::order);
      return false;
    } else if ((slot = TakeSlot()) != nullptr) {
      ++active_;
      ShowActive();
    } else if (active_ > 0) {
      ready_.InsertBy(lane, &Lane::order);  // no thread to be had; P1 holds for
      return false;                         // as many as there can be
    }
  }
  if (slot != nullptr && Send(*slot, lane)) return true;
  if (slot != nullptr) {
    MutexLock lock(mu_);
    --active_;  // the slot stays taken: its task may come at any time
    ShowActive();
    if (active_ > 0) {
      ready_.InsertBy(lane, &Lane::order);
      return false;
    }
  }
  RunOnHomeLoop(lane);
  return true;
}

void Pool::RunOnHomeLoop(Lane& lane) {
  Loop& home = static_cast<PoolLane&>(lane).home;
  lane.via = &home;
  home.Wake(lane, nullptr);
}

WorkerSlot* Pool::TakeFree(std::size_t first_few) {
  for (std::size_t i = 0; i < std::min(first_few, slots_.size()); ++i) {
    if (slots_[i]->busy) continue;
    slots_[i]->busy = true;
    return slots_[i].get();
  }
  return nullptr;
}

WorkerSlot* Pool::TakeSlot() {
  if (WorkerSlot* slot = TakeFree(slots_.size())) return slot;
  try {
    slots_.reserve(slots_.size() + 1);
    slots_.push_back(std::make_unique<WorkerSlot>(
        *this, static_cast<int>(slots_.size()) + 1));
  } catch (const std::exception& e) {
    host_.Log(MSYS_LOG_ERROR, "pool",
              "%s: no thread for another job: %s; jobs wait for the %u threads "
              "at work, or run on the loop when there are none",
              name_.c_str(), e.what(), active_);
    return nullptr;
  }
  slots_.back()->busy = true;
  return slots_.back().get();
}

bool Pool::Send(WorkerSlot& slot, Lane& lane) {
  try {
    slot.Reset();
    MSYS_TSAN_BEFORE(&slot);
    slot.Enqueue(
        // Nothing throws: all it calls is noexcept or under Lua's protection.
        [](WorkerSlot& s, Lane& first) noexcept {
          MSYS_TSAN_AFTER(&s);
          if (s.Enter()) s.pool().Work(s, first);
        },
        lane);
    return true;
  } catch (const std::exception& e) {
    host_.Log(MSYS_LOG_ERROR, "pool",
              "%s: no thread for another job: %s; jobs wait for the threads at "
              "work, or run on the loop when there are none",
              name_.c_str(), e.what());
    return !slot.Withdraw();
  }
}

void Pool::Work(WorkerSlot& slot, Lane& first) {
  Worker self{this, slot.number()};
  current_worker = &self;
  for (Lane* lane = &first; lane != nullptr; lane = NextLane(self, slot)) {
    // T4: a busy state is not waited for, unless the lane was passed too often.
    if (lane->turn.TakeOrPark(*lane, &self)) lane->runner.RunLane(*lane, &self);
  }
  current_worker = nullptr;
}

Lane* Pool::NextLane(Worker& self, WorkerSlot& slot) {
  if (self.next != nullptr) return std::exchange(self.next, nullptr);
  for (;;) {
    WorkerSlot* heir = nullptr;
    Lane* lane = nullptr;
    {
      MutexLock lock(mu_);
      const bool enough = active_ <= concurrency_;
      const bool above = static_cast<std::uint32_t>(self.number) > concurrency_;
      if (enough && !ready_.empty()) {
        if (above) heir = TakeFree(concurrency_);
        if (heir == nullptr) return ready_.PopFront();
      }
      if (heir == nullptr) {
        slot.busy = false;
        --active_;
        ShowActive();
        // The last worker of a pool that was set to 0 leaves nothing behind.
        while (active_ == 0 && concurrency_ == 0 && !ready_.empty()) {
          RunOnHomeLoop(*ready_.PopFront());
        }
        return nullptr;
      }
      // Its place is above a limit that was lowered: one below takes over.  Only
      // when a thread has been sent does this one leave, so that the pool does
      // not look as if it were at rest.
      lane = ready_.PopFront();
      ++active_;
      ShowActive();
    }
    if (Send(*heir, *lane)) continue;
    MutexLock lock(mu_);
    --active_;  // the heir's slot stays taken, as in Wake()
    ShowActive();
    return lane;
  }
}

void Pool::SetConcurrency(std::uint32_t concurrency) {
  for (bool first = true;; first = false) {
    WorkerSlot* slot = nullptr;
    Lane* lane = nullptr;
    {
      MutexLock lock(mu_);
      if (first) {
        concurrency_ = concurrency;
        shown_concurrency_.store(concurrency, std::memory_order_relaxed);
      }
      if (ready_.empty()) return;
      if (concurrency_ == 0 && active_ == 0) {
        RunOnHomeLoop(*ready_.PopFront());
        continue;
      }
      if (active_ >= concurrency_ || (slot = TakeSlot()) == nullptr) return;
      lane = ready_.PopFront();
      ++active_;
      ShowActive();
    }
    if (!Send(*slot, *lane)) {
      MutexLock lock(mu_);
      --active_;
      ShowActive();
      if (active_ > 0) {
        ready_.InsertBy(*lane, &Lane::order);
      } else {
        RunOnHomeLoop(*lane);
      }
      return;
    }
  }
}

bool Pool::AtRest() {
  MutexLock lock(mu_);
  return active_ == 0;
}

void Pool::Forget(PoolLane& lane) {
  bool mine = false;
  {
    MutexLock lock(mu_);
    mine = ready_.Remove(lane);
  }
  // Ours alone now; without work it becomes idle.
  if (mine && lane.Settle()) lane.turn.Submit(lane);
}

bool Pool::Admit(Admission& admission) {
  if (limits_.backlog == 0) return true;
  MutexLock lock(mu_);
  if (waiting_ == nullptr && admitted_ < limits_.backlog) {
    ++admitted_;
    return true;
  }
  admission.next = nullptr;
  (waiting_tail_ == nullptr ? waiting_ : waiting_tail_->next) = &admission;
  waiting_tail_ = &admission;
  return false;
}

bool Pool::AdmitNow() {
  if (limits_.backlog == 0) return true;
  MutexLock lock(mu_);
  if (waiting_ != nullptr || admitted_ >= limits_.backlog) return false;
  ++admitted_;
  return true;
}

void Pool::Unadmit() {
  if (limits_.backlog == 0) return;
  Admission* next = nullptr;
  {
    MutexLock lock(mu_);
    assert(admitted_ > 0);
    next = waiting_;
    if (next == nullptr) {
      --admitted_;
      return;
    }
    waiting_ = next->next;  // the place goes to the next in line
    if (waiting_ == nullptr) waiting_tail_ = nullptr;
  }
  next->granted(next);
}

bool Pool::CancelAdmission(Admission& admission) {
  MutexLock lock(mu_);
  Admission* before = nullptr;
  for (Admission* a = waiting_; a != nullptr; before = a, a = a->next) {
    if (a != &admission) continue;
    (before == nullptr ? waiting_ : before->next) = a->next;
    if (waiting_tail_ == a) waiting_tail_ = before;
    return true;
  }
  return false;
}

void Pool::Register(PoolLane& lane) {
  MutexLock lock(mu_);
  lanes_.push_back(&lane);
}

namespace {

void AddLane(const LaneStats& lane, msys_pool_stats& out) {
  out.submitted += lane.submitted.get();
  out.invocations += lane.invocations.get();
  out.done += lane.done.get();
  out.failed += lane.failed.get();
  out.cancelled += lane.cancelled.get();
  out.refused += lane.refused.get();
  out.parked += lane.parked.get();
  out.suspended += lane.suspended.get();
  out.running += lane.started.get();  // with the suspended ones; see Snapshot
  out.avg_concurrency += static_cast<double>(lane.active_sum.get());
  out.saturation += static_cast<double>(lane.saturation_sum_ppm.get());
  lane.wait.AddTo(out.wait);
  lane.run.AddTo(out.run);
}

// Counters of `b` since `a`; gauges as they are in `b`.
void Subtract(msys_pool_stats& b, const msys_pool_stats& a) {
  const auto histogram = [](msys_histogram& to, const msys_histogram& from) {
    to.count -= from.count;
    to.sum_ns -= from.sum_ns;
    for (std::size_t i = 0; i < MSYS_HISTOGRAM_BUCKETS; ++i) {
      to.bucket[i] -= from.bucket[i];
    }
  };
  b.submitted -= a.submitted;
  b.invocations -= a.invocations;
  b.done -= a.done;
  b.failed -= a.failed;
  b.cancelled -= a.cancelled;
  b.refused -= a.refused;
  b.parked -= a.parked;
  b.avg_concurrency -= a.avg_concurrency;
  b.saturation -= a.saturation;
  histogram(b.wait, a.wait);
  histogram(b.run, a.run);
}

}  // namespace

void Pool::Unregister(PoolLane& lane) {
  MutexLock lock(mu_);
  AddLane(lane.stats, past_);
  std::erase(lanes_, &lane);
}

void Pool::SumStats(msys_pool_stats& out) {
  out = past_;
  for (const PoolLane* lane : lanes_) AddLane(lane->stats, out);
  const auto refused = refused_.load(std::memory_order_relaxed);
  out.refused += refused;
  out.submitted += refused;
}

void Pool::Snapshot(msys_pool_stats& out) {
  MutexLock lock(mu_);
  SumStats(out);
  const std::uint64_t begun = out.running;
  const std::uint64_t over =
      out.done + out.failed + out.cancelled + out.refused;
  // Counters are read one by one while they change: never below zero.
  out.running = begun - std::min(begun, out.suspended);
  out.queued = out.submitted - std::min(out.submitted, over + begun);
  Subtract(out, baseline_);
  // What was queued at the reset counts as submitted since.
  out.submitted = out.done + out.failed + out.cancelled + out.refused +
                  out.queued + out.running + out.suspended;

  out.struct_size = sizeof out;
  out.id = id_;
  std::memset(out.name, 0, sizeof out.name);
  std::strncpy(out.name, name_.c_str(), sizeof out.name - 1);
  out.concurrency = concurrency_;
  out.backlog = limits_.backlog;
  out.threads = active_;
  out.threads_active =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(active_, out.running));
  if (out.invocations > 0) {
    const auto n = static_cast<double>(out.invocations);
    out.avg_concurrency /= n;
    out.saturation /= n * 1e6;
  } else {
    out.avg_concurrency = out.saturation = 0;
  }
  out.avg_wallclock_s =
      out.run.count == 0 ? 0
                         : static_cast<double>(out.run.sum_ns) * 1e-9 /
                               static_cast<double>(out.run.count);
}

void Pool::ResetStats() {
  MutexLock lock(mu_);
  for (PoolLane* lane : lanes_) {
    lane->stats.wait.ForgetMax();
    lane->stats.run.ForgetMax();
  }
  past_.wait.max_ns = past_.run.max_ns = 0;
  SumStats(baseline_);
}

}  // namespace msys
