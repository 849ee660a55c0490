#include "pool_set.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "text.h"

namespace msys {
namespace {

struct Predefined {
  const char* name;
  std::uint32_t concurrency;
  std::uint32_t backlog;
};
// In the order of their ids.
constexpr Predefined kPredefined[] = {
    {"CPU", 4, 0},    {"IO", 50, 0},      {"SwapOut", 5, 0},
    {"SwapIn", 5, 0}, {"Close", 0, 0},    {"Unlink", 6, 100},
    {"Batch_Unlink", 4, 0}, {"SpoolIn", 1, 0},
};

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool ValidName(std::string_view name) {
  const auto ok = [](char c) {
    return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z') ||
           c == '_' || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, ok);
}

}  // namespace

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

PoolSet::~PoolSet() {
  for (std::size_t i = 0; i < size(); ++i) delete &at(i);
}

struct PoolSet::Change {
  std::string name;
  std::optional<std::uint32_t> concurrency, backlog, stack_size_kib;
};

// What Configure() will do, prepared so far that doing it cannot fail.
struct PoolSet::Plan {
  std::vector<std::unique_ptr<Pool>> made;
  std::vector<std::pair<Pool*, Change>> updates;
};

bool PoolSet::Configure(const msys_config* config, std::string& error) {
  std::vector<Change> changes;
  if (!ReadChanges(config, changes, error)) return false;
  MutexLock lock(mu_);
  Plan plan;
  if (!MakePlan(std::move(changes), plan, error)) return false;
  // More threads are allowed before they are asked for, fewer after.
  AllowIfClaimed(ThreadsWanted(plan));
  Apply(plan);
  AllowIfClaimed(ThreadsWanted());
  if (claimed_) WarnIfFewer();
  return true;
}

// ---- reading -------------------------------------------------------------------

namespace {

// No younger header's struct is as large; a number that was never set may be.
constexpr std::uint32_t kMaxStride = 4096;

bool WrongSize(std::uint32_t index, std::uint32_t size, std::string& error) {
  error = "pool " + std::to_string(index) + ": struct_size is " +
          std::to_string(size) +
          "; set it to sizeof(msys_pool_config) in every element";
  return false;
}

bool CheckName(std::uint32_t index, const char* name, std::string& error) {
  if (name != nullptr && ValidName({name, strnlen(name, 80)})) return true;
  char quoted[96] = "is NULL";
  if (name != nullptr) Quote(name, strnlen(name, 80), quoted, sizeof quoted);
  error = "pool " + std::to_string(index) + ": name " + quoted +
          "; 1 to 64 letters, digits, '_', '-' or '.' are wanted";
  return false;
}

bool CheckMost(const std::string& pool, const char* what,
               std::optional<std::uint32_t> value, std::uint32_t most,
               const char* unit, std::string& error) {
  if (value.value_or(0) <= most) return true;
  error = "pool \"" + pool + "\": " + what + " " + std::to_string(*value) + unit +
          "; at most " + std::to_string(most) + unit + " is possible";
  return false;
}

bool CheckStackIsEnough(const std::string& pool, std::uint32_t kib,
                        std::string& error) {
  if (kib == 0 || kib >= MSYS_STACK_KIB_MIN) return true;
  error = "pool \"" + pool + "\": stack size " + std::to_string(kib) +
          " KiB; Lua needs " + std::to_string(MSYS_STACK_KIB_MIN) +
          " KiB, and 0 is the system's";
  return false;
}

}  // namespace

bool PoolSet::ReadChanges(const msys_config* config, std::vector<Change>& changes,
                          std::string& error) {
  const std::uint32_t count = config == nullptr ? 0 : config->pool_count;
  if (count == 0) return true;
  if (config->pools == nullptr) {
    error = "pool_count is " + std::to_string(count) + " but pools is NULL";
    return false;
  }
  if (count > kMaxPools) {
    error = std::to_string(count) + " pools; at most " +
            std::to_string(kMaxPools) + " are possible";
    return false;
  }
  const auto* bytes = reinterpret_cast<const char*>(config->pools);
  const std::uint32_t stride = config->pools->struct_size;
  if (stride % alignof(msys_pool_config) != 0 || stride > kMaxStride) {
    return WrongSize(0, stride, error);
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& pool =
        *reinterpret_cast<const msys_pool_config*>(bytes + i * std::size_t{stride});
    if (pool.struct_size != stride || !MSYS_HAS(&pool, name)) {
      return WrongSize(i, pool.struct_size, error);
    }
    if (!ReadChange(pool, i, changes, error)) return false;
  }
  return true;
}

bool PoolSet::ReadChange(const msys_pool_config& pool, std::uint32_t index,
                         std::vector<Change>& changes, std::string& error) {
  if (!CheckName(index, pool.name, error)) return false;
  Change change{pool.name, {}, {}, {}};
  const auto take = [](std::uint32_t value, std::optional<std::uint32_t>& to) {
    if (value != MSYS_UNSET) to = value;
  };
  take(pool.concurrency, change.concurrency);
  if (MSYS_HAS(&pool, backlog)) take(pool.backlog, change.backlog);
  if (MSYS_HAS(&pool, stack_size_kib)) {
    take(pool.stack_size_kib, change.stack_size_kib);
  }
  if (!CheckMost(change.name, "concurrency", change.concurrency, kMaxConcurrency, "",
                 error) ||
      !CheckMost(change.name, "stack size", change.stack_size_kib, MSYS_STACK_KIB_MAX,
                 " KiB", error) ||
      !CheckStackIsEnough(change.name, change.stack_size_kib.value_or(0), error)) {
    return false;
  }
  for (const Change& other : changes) {
    if (!EqualIgnoringCase(other.name, change.name)) continue;
    error = "pool \"" + change.name + "\" is configured twice";
    return false;
  }
  changes.push_back(std::move(change));
  return true;
}

// ---- planning ------------------------------------------------------------------

void PoolSet::PlanNew(int id, const Change& change, Plan& plan) {
  plan.made.push_back(std::make_unique<Pool>(
      host_, change.name, id,
      Pool::Limits{change.concurrency.value_or(1), change.backlog.value_or(0),
                   change.stack_size_kib.value_or(0)}));
}

bool PoolSet::MakePlan(std::vector<Change> changes, Plan& plan, std::string& error) {
  if (size() == 0) {
    for (const Predefined& p : kPredefined) {
      PlanNew(static_cast<int>(plan.made.size()),
              {p.name, p.concurrency, p.backlog, {}}, plan);
    }
  }
  int next_id = kFirstOwnId;
  for (std::size_t i = 0; i < size(); ++i) {
    next_id = std::max(next_id, at(i).id() + 1);
  }
  const auto find = [&](std::string_view name) -> Pool* {
    if (Pool* pool = Find(name)) return pool;
    const auto pool = std::ranges::find_if(plan.made, [&](const auto& made) {
      return EqualIgnoringCase(made->name(), name);
    });
    return pool == plan.made.end() ? nullptr : pool->get();
  };
  for (Change& change : changes) {
    if (Pool* pool = find(change.name)) {
      plan.updates.emplace_back(pool, std::move(change));
    } else {
      PlanNew(next_id++, change, plan);
    }
  }
  const std::size_t all = size() + plan.made.size();
  if (all <= kMaxPools) return true;
  error = std::to_string(all) + " pools in all; at most " +
          std::to_string(kMaxPools) + " are possible";
  return false;
}

// ---- applying ------------------------------------------------------------------

void PoolSet::Apply(Plan& plan) {
  for (auto& [pool, change] : plan.updates) {
    const std::uint32_t backlog = pool->limits().backlog;
    if (!claimed_) {
      pool->backlog.set_size(change.backlog.value_or(backlog));
    } else if (change.backlog.value_or(backlog) != backlog) {
      host_.Log(MSYS_LOG_WARNING, "pool",
                "%s: its backlog stays %u: it cannot change while the plugin "
                "runs; restart for %u",
                pool->name().c_str(), backlog, *change.backlog);
    }
    if (!change.stack_size_kib) continue;
    pool->set_stack_size_kib(*change.stack_size_kib);
    WarnIfTooLate(*pool);
  }
  std::size_t index = size();
  for (auto& pool : plan.made) {
    WarnIfTooLate(*pool);
    pool->set_index(index);
    pools_[index++].store(pool.release(), std::memory_order_relaxed);
  }
  size_.store(index, std::memory_order_release);
  for (auto& [pool, change] : plan.updates) {
    if (change.concurrency) pool->SetConcurrency(*change.concurrency);
  }
}

void PoolSet::WarnIfTooLate(const Pool& pool) {
  const std::uint32_t stack_kib = pool.limits().stack_size_kib;
  if (!claimed_ || stack_kib <= stack_kib_) return;
  host_.Log(MSYS_LOG_WARNING, "pool",
            "%s: stack size %u KiB: the threads' stacks stay as they are while "
            "the plugin runs; restart for larger ones",
            pool.name().c_str(), stack_kib);
}

// ---- oneTBB --------------------------------------------------------------------

// Workers above a limit that was lowered have their threads until they leave.
std::size_t PoolSet::ThreadsOf(const Pool& pool) {
  return std::max(pool.concurrency(), pool.active());
}

std::size_t PoolSet::ThreadsWanted() const {
  std::size_t threads = 1;
  for (std::size_t i = 0; i < size(); ++i) threads += ThreadsOf(at(i));
  return threads;
}

std::size_t PoolSet::ThreadsWanted(const Plan& plan) const {
  std::size_t threads = ThreadsWanted();
  for (const auto& pool : plan.made) threads += pool->concurrency();
  for (const auto& [pool, change] : plan.updates) {
    const std::size_t now = ThreadsOf(*pool);
    threads += std::max<std::size_t>(now, change.concurrency.value_or(0)) - now;
  }
  return threads;
}

void PoolSet::AllowIfClaimed(std::size_t threads) {
  if (!claimed_) return;
  WithTbb([this, threads]() REQUIRES(mu_) { Allow(threads); });
}

void PoolSet::ClaimThreads() {
  MutexLock lock(mu_);
  if (claimed_) return;
  for (std::size_t i = 0; i < size(); ++i) {
    stack_kib_ = std::max<std::size_t>(stack_kib_, at(i).limits().stack_size_kib);
  }
  if (stack_kib_ > 0) {
    stack_size_ = std::make_unique<tbb::global_control>(
        tbb::global_control::thread_stack_size, stack_kib_ * 1024);
    ThreadSupply::OfProcess().RaiseStackSize(stack_kib_);
  }
  if (!WithTbb([this]() REQUIRES(mu_) {
        PrepareTbb();
        Allow(ThreadsWanted());
      })) {
    throw std::bad_alloc();
  }
  claimed_ = true;
  WarnIfFewer();
}

// False: it has thrown, for want of memory, and may have left a lock taken for good:
// whoever asks it again waits for ever.  The plugin's own threads do from now on.
template <typename Ask>
bool PoolSet::WithTbb(Ask ask) {
  ThreadSupply& supply = ThreadSupply::OfProcess();
  if (!supply.tbb_works()) return true;
  try {
    ask();
    return true;
  } catch (const std::exception& e) {
    static_cast<void>(parallelism_.release());
    if (supply.TbbFailed()) {
      host_.Log(MSYS_LOG_WARNING, "pool",
                "oneTBB has failed: %s; from now on the plugin starts the threads "
                "that it needs itself",
                e.what());
    }
    return false;
  }
}

// At its first use TBB decides how many threads it can ever have: 256, or what is
// allowed at that moment.  Pools may grow beyond that later.  It forgets when
// nothing of it is left; so an arena stays.
void PoolSet::PrepareTbb() {
  using tbb::global_control;
  others_ = global_control::active_value(global_control::max_allowed_parallelism);
  constexpr std::size_t kRoomFor = 2048;  // 128 bytes each
  auto room = std::make_unique<global_control>(
      global_control::max_allowed_parallelism, std::max(ThreadsWanted(), kRoomFor));
  first_arena_.emplace(1, 0);
  try {
    first_arena_->initialize();
  } catch (...) {
    static_cast<void>(room.release());  // its end would ask TBB, see WithTbb()
    throw;
  }
}

void PoolSet::Allow(std::size_t threads) {
  threads = std::max(threads, others_);
  if (threads == allowed_) return;
  // The old one goes when the new one is there: in between the smaller counts,
  // and not TBB's default, which may be less than either.
  parallelism_ = std::make_unique<tbb::global_control>(
      tbb::global_control::max_allowed_parallelism, threads);
  allowed_ = threads;
}

void PoolSet::WarnIfFewer() {
  if (!ThreadSupply::OfProcess().tbb_works()) return;
  const std::size_t active = tbb::global_control::active_value(
      tbb::global_control::max_allowed_parallelism);
  if (active >= ThreadsWanted()) return;
  host_.Log(MSYS_LOG_WARNING, "pool",
            "the pools may use %zu threads, but another part of this process "
            "limits TBB to %zu: jobs will wait longer; raise "
            "max_allowed_parallelism or lower the pools' concurrency",
            ThreadsWanted() - 1, active - 1);
}

Pool* PoolSet::Find(std::string_view name) const {
  const std::size_t n = size();
  for (std::size_t i = 0; i < n; ++i) {
    Pool& pool = at(i);
    if (pool.name() == name || (pool.name().size() == name.size() &&
                                EqualIgnoringCase(pool.name(), name))) {
      return &pool;
    }
  }
  return nullptr;
}

Pool* PoolSet::Find(std::int64_t id) const {
  const std::size_t n = size();
  for (std::size_t i = 0; i < n; ++i) {
    if (at(i).id() == id) return &at(i);
  }
  return nullptr;
}

void PoolSet::ListNames(char* out, std::size_t capacity, bool with_ids) const {
  // "CPU, IO, and 7 more": of those that do not fit it says how many.
  constexpr std::size_t kMore = sizeof " and 18446744073709551615 more";
  std::size_t used = 0;
  out[0] = '\0';
  const std::size_t count = size();  // it may grow meanwhile
  for (std::size_t i = 0; i < count; ++i) {
    const char* comma = i + 1 == count ? "" : ", ";
    char id[24] = "";
    if (with_ids) std::snprintf(id, sizeof id, " (%d)", at(i).id());
    const std::string& name = at(i).name();
    const std::size_t length = name.size() + std::strlen(id) + std::strlen(comma);
    if (used + length + kMore > capacity) {
      std::snprintf(out + used, capacity - used, "and %zu more", count - i);
      return;
    }
    std::snprintf(out + used, capacity - used, "%s%s%s", name.c_str(), id, comma);
    used += length;
  }
}

}  // namespace msys
