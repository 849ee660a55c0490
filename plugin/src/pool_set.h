// All pools of a plugin, by name or id, and their configuration.
//
// Pools are only ever added; a reader needs no lock.  Configure() is called by
// one thread at a time ([main] of the ABI), ClaimThreads() by any.
#pragma once

#include <msys/plugin.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host.h"
#include "pool.h"
#include "sync.h"

namespace msys {

// Letter case does not matter in names; ASCII only.
bool EqualIgnoringCase(std::string_view a, std::string_view b);

class PoolSet {
 public:
  static constexpr std::size_t kMaxPools = 256;
  static constexpr std::uint32_t kMaxConcurrency = 1024;
  static constexpr int kFirstOwnId = 10;

  explicit PoolSet(const Host& host) : host_(host) {}
  ~PoolSet();
  PoolSet(const PoolSet&) = delete;
  PoolSet& operator=(const PoolSet&) = delete;

  // The predefined pools, then those of `config` (may be null).  False: nothing
  // has changed; `error` says why.  May throw std::bad_alloc, with the same
  // effect.
  [[nodiscard]] bool Configure(const msys_config* config, std::string& error)
      EXCLUDES(mu_);

  // Tells TBB how many threads may be needed; before its first use.  Warns when
  // the process allows fewer.  The host's own use of TBB does not lose threads by
  // it.  Calls after the first do nothing.
  void ClaimThreads() EXCLUDES(mu_);

  Pool* Find(std::string_view name) const;
  Pool* Find(std::int64_t id) const;
  std::size_t size() const { return size_.load(std::memory_order_acquire); }
  Pool& at(std::size_t index) const {
    return *pools_[index].load(std::memory_order_relaxed);
  }
  // "CPU, IO, dns"; with ids "CPU (0), IO (1)".  Cut to fit, never fails.
  void ListNames(char* out, std::size_t capacity, bool with_ids) const;

 private:
  struct Change;
  struct Plan;

  // What is asked for, checked.
  static bool ReadChanges(const msys_config* config, std::vector<Change>& changes,
                          std::string& error);
  static bool ReadChange(const msys_pool_config& pool, std::uint32_t index,
                         std::vector<Change>& changes, std::string& error);
  // All that may fail; changes nothing.
  bool MakePlan(std::vector<Change> changes, Plan& plan, std::string& error)
      REQUIRES(mu_);
  void PlanNew(int id, const Change& change, Plan& plan) REQUIRES(mu_);
  void Apply(Plan& plan) REQUIRES(mu_);
  void WarnIfTooLate(const Pool& pool) REQUIRES(mu_);

  static std::size_t ThreadsOf(const Pool& pool);
  // What all pools together may need, and one: a thread that calls TBB counts.
  std::size_t ThreadsWanted() const;
  // The same, at most, while the plan is carried out.
  std::size_t ThreadsWanted(const Plan& plan) const;
  void PrepareTbb() REQUIRES(mu_);
  template <typename Ask>
  bool WithTbb(Ask ask) REQUIRES(mu_);
  void Allow(std::size_t threads) REQUIRES(mu_);
  void AllowIfClaimed(std::size_t threads) REQUIRES(mu_);
  void WarnIfFewer() REQUIRES(mu_);

  const Host& host_;
  // release in Configure pairs with acquire in size(): an index below the size
  // names a pool that is complete.
  std::atomic<std::size_t> size_{0};
  std::array<std::atomic<Pool*>, kMaxPools> pools_{};

  Mutex mu_;
  std::optional<tbb::task_arena> first_arena_ GUARDED_BY(mu_);
  std::unique_ptr<tbb::global_control> parallelism_ GUARDED_BY(mu_);
  std::size_t allowed_ GUARDED_BY(mu_) = 0;  // by parallelism_
  std::size_t others_ GUARDED_BY(mu_) = 0;   // what was allowed before us
  std::unique_ptr<tbb::global_control> stack_size_ GUARDED_BY(mu_);
  std::size_t stack_kib_ GUARDED_BY(mu_) = 0;
  bool claimed_ GUARDED_BY(mu_) = false;
};

}  // namespace msys
