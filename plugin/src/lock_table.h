// Named locks across all states of the process.
//
// A lock has a record while somebody holds it, and none otherwise.  It is given
// to those who wait in the order in which they came: unlocking makes the first
// of them its holder, so nobody can take it in between.
//
// Invariants, true whenever mu_ is free:
//   K1  a record has a holder.
//   K2  a wait is in its record's list, or granted and then it is the holder's
//       and its work is in the lane of its script.
//
// Threads: the holder of the turn of the script's state.  The scripts of other
// states are touched only by posting work to their lanes, under mu_; so
// Withdraw() finds the work in the lane or not posted at all.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "held.h"
#include "lane.h"
#include "script.h"
#include "sync.h"

namespace msys {

class LockTable;
struct NamedLock;

// A script in msys.lock(); in a userdata at index 2 of the C function.
struct LockWait final : Wait {
  LockWait(LockTable& t, Script& s, const Site& where);
  void Abandon() override;
  Script* Needs() const override;
  bool EndsFromOutside() const override { return Needs() == nullptr; }
  const char* what() const override { return "lock"; }

  LockTable& table;
  // As Wait::script, which is only set when others may see the wait already.
  Script& waiter;
  const Site site;
  Work work;  // it has the lock
  NamedLock* lock = nullptr;
  LockWait* next = nullptr;
  bool granted = false;
};

struct NamedLock final : Held {
  void Describe(char* out, std::size_t size) const override;
  void LetGo() override;

  LockTable* table = nullptr;
  const std::string* name = nullptr;  // the key of its record
  Script* holder = nullptr;
  LockWait* first = nullptr;
  LockWait* last = nullptr;
};

class LockTable {
 public:
  LockTable() = default;
  LockTable(const LockTable&) = delete;
  LockTable& operator=(const LockTable&) = delete;

  enum class Taken { kTaken, kBusy, kOwn, kNoMemory };
  // `wait` is put at the end of the line if it is busy; null: do not wait.  For
  // kBusy and kOwn `site` becomes where it was taken by its holder.
  Taken Take(std::string_view name, Script& script, Site& site,
             LockWait* wait) noexcept EXCLUDES(mu_);

  enum class Released { kReleased, kFree, kOther };
  // For kOther `site` becomes where it was taken.
  Released Release(std::string_view name, Script& script, Site& site)
      EXCLUDES(mu_);

  // Who holds it; null: nobody, or a script of another state.
  Script* HolderIn(const State& state, std::string_view name) EXCLUDES(mu_);

  // The wait is over without the lock.
  void Withdraw(LockWait& wait) EXCLUDES(mu_);
  // By its holder's LetGo().
  void PassOn(NamedLock& lock) EXCLUDES(mu_);

  std::size_t size() EXCLUDES(mu_);

 private:
  // To the first who waits, or it has no record any more.  `from`: the state
  // whose turn the calling thread holds.
  void HandOver(NamedLock& lock, State& from) REQUIRES(mu_);

  Mutex mu_;
  // A tree, not a hash table: its memory goes with the records.
  std::map<std::string, NamedLock, std::less<>> locks_ GUARDED_BY(mu_);
};

}  // namespace msys
