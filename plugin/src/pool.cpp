#include "pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>

#include "tsan.h"
#include "turn.h"
#include "worker_slot.h"

namespace msys {
namespace {

// One pause is enough for a caller on the same CPU to go on and call again; for one
// on another, which has to be woken, none is long enough.
constexpr int kLooks = 2;

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
      backlog(limits.backlog),
      host_(host),
      name_(std::move(name)),
      id_(id),
      stack_size_kib_(limits.stack_size_kib),
      concurrency_(limits.concurrency),
      shown_concurrency_(limits.concurrency) {
  ThreadSupply::OfProcess().Join(*this);
}

Pool::~Pool() {
  ThreadSupply::OfProcess().Leave(*this);
  for (auto& slot : slots_) {
    if (slot->forsaken) WorkerSlot::KeepForGood(slot.release());
  }
}

bool Pool::Wake(Lane& lane, Worker* self) {
  Place place;
  bool no_memory = false;
  {
    MutexLock lock(mu_);
    if (concurrency_ == 0) {
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
    } else if (GiveToLooker(lane)) {
      return true;
    } else {
      place = TakePlace(lane);
      no_memory = place.slot == nullptr;
      if (!no_memory) {
        ++active_;
        ShowActive();
      } else if (active_ > 0) {
        ready_.InsertBy(lane, &Lane::order);
        return false;
      }
    }
  }
  if (place.slot != nullptr) return SendFor(lane, place);
  if (no_memory) ReportNoThread("not enough memory");
  LaneList one;
  one.PushBack(lane);
  RunOnHomeLoops(one);
  return true;
}

bool Pool::SendFor(Lane& lane, Place place) {
  // The thread may end the last job, and the plugin be closed, while oneTBB is
  // still busy sending it.
  const Sending sending(senders_);
  if (Send(place) || GiveUp(*place.slot, lane)) return true;
  if (ThreadSupply::OfProcess().Want()) Refill();
  return false;
}

void Pool::RunOnHomeLoops(LaneList lanes) {
  while (Lane* lane = lanes.PopFront()) {
    Loop& home = static_cast<PoolLane*>(lane)->home;
    lane->via = &home;
    home.Wake(*lane, nullptr);
  }
}

Pool::Place Pool::TakeFree(std::size_t first_few, Lane& lane) {
  for (std::size_t i = 0; i < std::min(first_few, slots_.size()); ++i) {
    if (slots_[i]->busy || slots_[i]->looks) continue;
    slots_[i]->busy = true;
    return {slots_[i].get(), slots_[i]->Open(lane)};
  }
  return {};
}

Pool::Place Pool::TakePlace(Lane& lane) {
  const Place free = TakeFree(slots_.size(), lane);
  if (free.slot != nullptr) return free;
  try {
    slots_.reserve(slots_.size() + 1);
    slots_.push_back(std::make_unique<WorkerSlot>(
        *this, static_cast<int>(slots_.size()) + 1));
  } catch (const std::exception&) {
    return {};
  }
  slots_.back()->busy = true;
  return {slots_.back().get(), slots_.back()->Open(lane)};
}

bool Pool::Send(Place place) {
  WorkerSlot& slot = *place.slot;
  ThreadSupply& supply = ThreadSupply::OfProcess();
  if (supply.tbb_works()) {
    try {
      MSYS_TSAN_BEFORE(&slot);
      slot.Enqueue(
          [](WorkerSlot& s, std::uint64_t ticket) noexcept {
            MSYS_TSAN_AFTER(&s);
            Serve(s, ticket);
            ThreadSupply& its = ThreadSupply::OfProcess();
            if (!its.tbb_works()) its.Stay();
          },
          place.ticket);
      return true;
    } catch (const std::exception& e) {
      Lane* lane = slot.Withdraw(place.ticket);
      {
        MutexLock lock(mu_);
        slot.forsaken = true;
      }
      if (supply.TbbFailed()) {
        host_.Log(MSYS_LOG_WARNING, "pool",
                  "%s: oneTBB has failed: %s; from now on the plugin starts the "
                  "threads that it needs itself",
                  name_.c_str(), e.what());
      }
      if (lane == nullptr) return true;  // somebody has come for it nevertheless
      MutexLock lock(mu_);
      place.ticket = slot.Open(*lane);
    }
  }
  if (supply.Send({&ServeFromSupply, &slot, place.ticket})) return true;
  ReportNoThread("the system has none");
  return slot.Withdraw(place.ticket) == nullptr;
}

void Pool::ReportNoThread(const char* why) {
  std::uint64_t unsaid = 0;
  if (!ThreadSupply::OfProcess().MayReport(unsaid)) return;
  char more[80] = "";
  if (unsaid > 0) {
    std::snprintf(more, sizeof more, " (and %llu times since the last such line)",
                  static_cast<unsigned long long>(unsaid));
  }
  host_.Log(MSYS_LOG_ERROR, "pool",
            "%s: no thread for another job: %s; jobs wait for the threads at work, "
            "or run on the loop when there are none%s",
            name_.c_str(), why, more);
}

void Pool::Vacate(WorkerSlot& slot) {
  slot.busy = false;
  --active_;
  ShowActive();
}

bool Pool::GiveUp(WorkerSlot& slot, Lane& lane) {
  LaneList homeless;
  {
    MutexLock lock(mu_);
    Vacate(slot);
    ready_.InsertBy(lane, &Lane::order);
    if (active_ > 0 && concurrency_ > 0) return false;
    // Those, too, that were queued behind the thread that does not come (P1).
    homeless = std::exchange(ready_, {});
  }
  RunOnHomeLoops(homeless);
  return true;
}

// Each place whose thread has not come gets one from the supply; the lane is with
// whichever of the two is there first.  Whoever asked oneTBB has been told that one
// comes, so it must be the home loop where there is none.
void Pool::OnTbbFailed() {
  for (;;) {
    Place place;
    {
      MutexLock lock(mu_);
      const auto waits = std::ranges::find_if(slots_, [](const auto& slot) {
        return slot->awaited() != 0 && !slot->forsaken;
      });
      if (waits == slots_.end()) return;
      place = {waits->get(), (*waits)->awaited()};
      place.slot->forsaken = true;
    }
    if (place.ticket == 0) continue;  // it has just come
    if (ThreadSupply::OfProcess().Send(
            {&ServeFromSupply, place.slot, place.ticket})) {
      continue;
    }
    Lane* lane = place.slot->Withdraw(place.ticket);
    if (lane == nullptr) continue;
    LaneList homeless;
    {
      MutexLock lock(mu_);
      Vacate(*place.slot);
      if (active_ == 0) homeless = std::exchange(ready_, {});
    }
    homeless.InsertBy(*lane, &Lane::order);
    RunOnHomeLoops(homeless);
  }
}

void Pool::ServeFromSupply(void* slot, std::uint64_t ticket) noexcept {
  auto& place = *static_cast<WorkerSlot*>(slot);
  pthread_setname_np(pthread_self(), place.thread_name());
  Serve(place, ticket);
}

// Nothing throws: all it calls is noexcept or under Lua's protection.
void Pool::Serve(WorkerSlot& slot, std::uint64_t ticket) noexcept {
  // Once the work is done the slot, and the pool, may be gone.
  if (Lane* lane = slot.Enter(ticket)) slot.pool().Work(slot, *lane);
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
    Place heir;
    Lane* lane = nullptr;
    {
      MutexLock lock(mu_);
      if (active_ > concurrency_ || ready_.empty()) {
        Vacate(slot);
        // Else threads are scarce, and others may wait for this one.
        if (!ThreadSupply::OfProcess().tbb_works()) return nullptr;
        slot.looks = true;
        ++lookers_;
        break;
      }
      lane = ready_.PopFront();
      if (static_cast<std::uint32_t>(self.number) > concurrency_) {
        if (GiveToLooker(*lane)) continue;
        heir = TakeFree(concurrency_, *lane);
      }
      if (heir.slot == nullptr) return lane;
      // Its place is above a limit that was lowered: one below takes over.  Only
      // when a thread has been sent does this one leave, so that the pool does
      // not look as if it were at rest.
      ++active_;
      ShowActive();
    }
    if (Send(heir)) continue;
    MutexLock lock(mu_);
    Vacate(*heir.slot);
    return lane;
  }
  return Look(slot);
}

bool Pool::GiveToLooker(Lane& lane) {
  if (lookers_ == 0) return false;
  const std::size_t allowed = std::min<std::size_t>(slots_.size(), concurrency_);
  for (std::size_t i = 0; i < allowed; ++i) {
    WorkerSlot& slot = *slots_[i];
    if (!slot.looks) continue;
    slot.looks = false;
    --lookers_;
    slot.busy = true;
    ++active_;
    ShowActive();
    slot.given.store(&lane, std::memory_order_relaxed);
    return true;
  }
  return false;
}

Lane* Pool::Look(WorkerSlot& slot) {
  const auto& given = slot.given;
  for (int i = 0; i < kLooks && given.load(std::memory_order_relaxed) == nullptr;
       ++i) {
    sched_yield();
  }
  MutexLock lock(mu_);
  if (slot.looks) {
    slot.looks = false;
    --lookers_;
  }
  return slot.given.exchange(nullptr, std::memory_order_relaxed);
}

void Pool::SetConcurrency(std::uint32_t concurrency) {
  LaneList homeless;
  {
    MutexLock lock(mu_);
    concurrency_ = concurrency;
    shown_concurrency_.store(concurrency, std::memory_order_relaxed);
    if (concurrency == 0) homeless = std::exchange(ready_, {});
  }
  RunOnHomeLoops(homeless);
  Refill();
}

void Pool::Refill() {
  for (;;) {
    Place place;
    Lane* lane = nullptr;
    {
      MutexLock lock(mu_);
      if (ready_.empty() || active_ >= concurrency_) return;
      lane = ready_.front();
      place = TakePlace(*lane);
      if (place.slot == nullptr) return;  // those at work will take it
      ready_.PopFront();
      ++active_;
      ShowActive();
    }
    if (Send(place) || GiveUp(*place.slot, *lane)) continue;
    if (!ThreadSupply::OfProcess().Want()) return;
  }
}

bool Pool::AtRest() {
  MutexLock lock(mu_);
  // acquire: pairs with the release when the last sender leaves.
  return active_ == 0 && lookers_ == 0 &&
         senders_.load(std::memory_order_acquire) == 0;
}

void Pool::ListWorkers(std::string& out) {
  MutexLock lock(mu_);
  for (const auto& slot : slots_) {
    if (slot->busy || slot->looks) (out += ' ') += slot->thread_name();
  }
  if (senders_.load(std::memory_order_relaxed) > 0) (out += ' ') += name_;
}

void Pool::Forget(PoolLane& lane) {
  bool mine = false;
  {
    MutexLock lock(mu_);
    mine = ready_.Remove(lane);
  }
  if (!mine) return;
  // Ours alone now.  Its wait is over, and with it its place among those who wait
  // for the turn; without work it becomes idle.
  lane.ticket = 0;
  lane.misses = 0;
  if (lane.Settle()) lane.turn.Submit(lane);
}

void Pool::Register(PoolLane& lane) {
  MutexLock lock(lanes_mu_);
  lanes_.push_back(&lane);
}

namespace {

void AddLane(const LaneStats& lane, msys_pool_stats& out) {
  // What is over was submitted and started: read in this order, so that neither seems
  // to be less.
  out.submitted += lane.submitted.get();
  out.done += lane.done.get();
  out.failed += lane.failed.get();
  out.invocations += lane.invocations.get();
  out.cancelled += lane.cancelled.get();
  out.parked += lane.parked.get();
  out.suspended += lane.suspended.get();
  out.running += lane.started.get();  // with the suspended ones; see Snapshot
  out.completing += lane.completing.get();
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
  MutexLock lock(lanes_mu_);
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
  MutexLock lock(lanes_mu_);
  SumStats(out);
  const std::uint64_t begun = out.running;  // and not ended
  const std::uint64_t over =
      out.done + out.failed + out.cancelled + out.refused;
  // Counters are read one by one while they change: never below zero.
  out.running = begun - std::min(begun, out.suspended);
  out.queued = out.submitted - std::min(out.submitted, over + begun);
  // What was queued at the reset counts as submitted since, what had begun as started:
  // all but what was over.  Both only grow between resets, as monitoring expects.
  const std::uint64_t started = std::max(out.invocations, out.done + out.failed) -
                                (baseline_.done + baseline_.failed);
  Subtract(out, baseline_);
  const auto measured = static_cast<double>(out.invocations);
  out.invocations = started;
  out.submitted = out.done + out.failed + out.cancelled + out.refused +
                  out.queued + out.running + out.suspended;

  out.struct_size = sizeof out;
  out.id = id_;
  std::memset(out.name, 0, sizeof out.name);
  std::strncpy(out.name, name_.c_str(), sizeof out.name - 1);
  out.concurrency = concurrency();
  out.backlog = backlog.size();
  out.threads = active();
  out.threads_active = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(out.threads, out.running + out.completing));
  if (measured > 0) {
    out.avg_concurrency /= measured;
    out.saturation /= measured * 1e6;
  } else {
    out.avg_concurrency = out.saturation = 0;
  }
  out.avg_wallclock_s =
      out.run.count == 0 ? 0
                         : static_cast<double>(out.run.sum_ns) * 1e-9 /
                               static_cast<double>(out.run.count);
}

void Pool::ResetStats() {
  MutexLock lock(lanes_mu_);
  for (PoolLane* lane : lanes_) {
    lane->stats.wait.ForgetMax();
    lane->stats.run.ForgetMax();
  }
  past_.wait.max_ns = past_.run.max_ns = 0;
  SumStats(baseline_);
}

}  // namespace msys
