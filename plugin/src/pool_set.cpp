#include "pool_set.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

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

bool PoolSet::Configure(const msys_config* config, std::string& error) {
  std::vector<Change> changes;
  if (size() == 0) {
    for (const Predefined& p : kPredefined) {
      changes.push_back({p.name, p.concurrency, p.backlog, 0});
    }
  }

  // Everything is read and checked before anything is changed.
  const std::uint32_t count = config == nullptr ? 0 : config->pool_count;
  const char* bytes =
      count == 0 ? nullptr : reinterpret_cast<const char*>(config->pools);
  if (count > 0 && bytes == nullptr) {
    error = "pool_count is " + std::to_string(count) + " but pools is NULL";
    return false;
  }
  if (count > kMaxPools) {
    error = std::to_string(count) + " pools; at most " +
            std::to_string(kMaxPools) + " are possible";
    return false;
  }
  const std::uint32_t stride = count == 0 ? 0 : config->pools->struct_size;
  if (stride % alignof(msys_pool_config) != 0) {
    error = "pool 0: struct_size is " + std::to_string(stride) +
            "; set it to sizeof(msys_pool_config) in every element";
    return false;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto* pool =
        reinterpret_cast<const msys_pool_config*>(bytes + i * std::size_t{stride});
    if (pool->struct_size != stride || !MSYS_HAS(pool, name)) {
      error = "pool " + std::to_string(i) + ": struct_size is " +
              std::to_string(pool->struct_size) +
              "; set it to sizeof(msys_pool_config) in every element";
      return false;
    }
    if (pool->name == nullptr || !ValidName(pool->name)) {
      error = "pool " + std::to_string(i) + ": name " +
              (pool->name == nullptr ? std::string("is NULL")
                                     : '"' + std::string(pool->name, strnlen(pool->name, 80)) + '"') +
              "; 1 to 64 letters, digits, '_', '-' or '.' are wanted";
      return false;
    }
    Change change{pool->name, {}, {}, {}};
    const auto take = [](std::uint32_t value, std::optional<std::uint32_t>& to) {
      if (value != MSYS_UNSET) to = value;
    };
    take(pool->concurrency, change.concurrency);
    if (MSYS_HAS(pool, backlog)) take(pool->backlog, change.backlog);
    if (MSYS_HAS(pool, stack_size_kib)) {
      take(pool->stack_size_kib, change.stack_size_kib);
    }
    if (change.concurrency.value_or(0) > kMaxConcurrency) {
      error = "pool \"" + change.name + "\": concurrency " +
              std::to_string(*change.concurrency) + "; at most " +
              std::to_string(kMaxConcurrency) + " is possible";
      return false;
    }
    constexpr std::uint32_t kMaxStackKib = 1024 * 1024;
    if (change.stack_size_kib.value_or(0) > kMaxStackKib) {
      error = "pool \"" + change.name + "\": stack size " +
              std::to_string(*change.stack_size_kib) + " KiB; at most " +
              std::to_string(kMaxStackKib) + " KiB is possible";
      return false;
    }
    changes.push_back(std::move(change));
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    for (std::size_t j = std::max<std::size_t>(i + 1, changes.size() - count);
         j < changes.size() && i >= changes.size() - count; ++j) {
      if (EqualIgnoringCase(changes[i].name, changes[j].name)) {
        error = "pool \"" + changes[j].name + "\" is configured twice";
        return false;
      }
    }
  }
  std::vector<std::unique_ptr<Pool>> made;
  int next_id = kFirstOwnId;
  for (std::size_t i = 0; i < size(); ++i) {
    next_id = std::max(next_id, at(i).id() + 1);
  }
  const auto pending = [&](std::string_view name) -> Pool* {
    for (const auto& pool : made) {
      if (EqualIgnoringCase(pool->name(), name)) return pool.get();
    }
    return nullptr;
  };
  MutexLock lock(mu_);
  const auto WarnIfTooLate = [&](const Change& change) REQUIRES(mu_) {
    if (!claimed_ || change.stack_size_kib.value_or(0) <= stack_kib_) return;
    host_.Log(MSYS_LOG_WARNING, "pool",
              "%s: stack size %u KiB: the threads' stacks stay as they are while "
              "the plugin runs; restart for larger ones",
              change.name.c_str(), *change.stack_size_kib);
  };
  std::vector<std::pair<Pool*, Change>> updates;
  for (Change& change : changes) {
    Pool* pool = Find(change.name);
    if (pool == nullptr) pool = pending(change.name);
    if (pool != nullptr) {
      const bool fixed = claimed_ && pending(change.name) == nullptr;
      if (fixed && change.backlog &&
          *change.backlog != pool->limits().backlog) {
        host_.Log(MSYS_LOG_WARNING, "pool",
                  "%s: its backlog stays %u: it cannot change while the plugin "
                  "runs; restart for %u",
                  pool->name().c_str(), pool->limits().backlog, *change.backlog);
      }
      WarnIfTooLate(change);
      updates.emplace_back(pool, change);
      continue;
    }
    WarnIfTooLate(change);
    const bool predefined = size() == 0 && made.size() < std::size(kPredefined);
    made.push_back(std::make_unique<Pool>(
        host_, change.name,
        predefined ? static_cast<int>(made.size()) : next_id++,
        Pool::Limits{change.concurrency.value_or(1), change.backlog.value_or(0),
                     change.stack_size_kib.value_or(0)}));
  }
  if (size() + made.size() > kMaxPools) {
    error = std::to_string(size() + made.size()) + " pools in all; at most " +
            std::to_string(kMaxPools) + " are possible";
    return false;
  }

  // Nothing below fails.
  for (auto& [pool, change] : updates) {
    if (!claimed_ && change.backlog) pool->set_backlog(*change.backlog);
    if (change.stack_size_kib) pool->set_stack_size_kib(*change.stack_size_kib);
  }
  std::size_t index = size();
  for (auto& pool : made) {
    pool->set_index(index);
    pools_[index++].store(pool.release(), std::memory_order_relaxed);
  }
  size_.store(index, std::memory_order_release);
  // More threads are allowed before they are asked for, fewer after.
  std::size_t most = ThreadsWanted();
  for (auto& [pool, change] : updates) {
    const std::uint32_t now = pool->concurrency();
    most += std::max(now, change.concurrency.value_or(now)) - now;
  }
  const auto allow = [this](std::size_t threads) REQUIRES(mu_) {
    WithTbb([this, threads]() REQUIRES(mu_) { Allow(threads); });
  };
  if (claimed_) allow(most);
  for (auto& [pool, change] : updates) {
    if (change.concurrency) pool->SetConcurrency(*change.concurrency);
  }
  if (claimed_) {
    allow(ThreadsWanted());
    WarnIfFewer();
  }
  return true;
}

std::size_t PoolSet::ThreadsWanted() const {
  std::size_t threads = 1;
  // Workers above a limit that was lowered have their threads until they leave.
  for (std::size_t i = 0; i < size(); ++i) {
    threads += std::max(at(i).concurrency(), at(i).active());
  }
  return threads;
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
  std::size_t used = 0;
  out[0] = '\0';
  for (std::size_t i = 0; i < size() && used + 1 < capacity; ++i) {
    const char* comma = i == 0 ? "" : ", ";
    const int n =
        with_ids ? std::snprintf(out + used, capacity - used, "%s%s (%d)", comma,
                                 at(i).name().c_str(), at(i).id())
                 : std::snprintf(out + used, capacity - used, "%s%s", comma,
                                 at(i).name().c_str());
    used += static_cast<std::size_t>(std::max(n, 0));
  }
}

}  // namespace msys
