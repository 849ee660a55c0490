#include "lock_table.h"

#include <cstdio>
#include <new>

#include "state.h"
#include "text.h"

namespace msys {
namespace {

// In the lane of the script that waited, with its turn held.
void OnGranted(Work* work) {
  auto& wait = Work::OwnerOf<LockWait>(work);
  AddHeld(*wait.script, *wait.lock);
  WakeScript(*wait.script);
}

}  // namespace

LockWait::LockWait(LockTable& t, Script& s, const Site& where)
    : table(t), waiter(s), site(where) {
  work.run = &OnGranted;
  work.owner = this;
  work.order = s.resume.order;
}

void LockWait::Abandon() { table.Withdraw(*this); }

// Once it has been granted its script is the holder, and goes on soon.
Script* LockWait::Needs() const {
  Script* const holder = table.HolderIn(waiter.state, *lock->name);
  return holder == &waiter ? nullptr : holder;
}

void NamedLock::Describe(char* out, std::size_t size) const {
  char quoted[96];
  Quote(name->data(), name->size(), quoted, sizeof quoted);
  std::snprintf(out, size, "lock %s", quoted);
}

void NamedLock::LetGo() { table->PassOn(*this); }

LockTable::Taken LockTable::Take(std::string_view name, Script& script,
                                 Site& site, LockWait* wait) noexcept {
  MutexLock lock(mu_);
  auto found = locks_.find(name);
  if (found == locks_.end()) {
    try {
      found = locks_.try_emplace(std::string(name)).first;
    } catch (const std::bad_alloc&) {
      return Taken::kNoMemory;
    }
    NamedLock& taken = found->second;
    taken.table = this;
    taken.name = &found->first;
    taken.holder = &script;
    taken.site = site;
    AddHeld(script, taken);
    return Taken::kTaken;
  }
  NamedLock& busy = found->second;
  site = busy.site;
  if (busy.holder == &script) return Taken::kOwn;
  if (wait != nullptr) {
    wait->lock = &busy;
    (busy.last == nullptr ? busy.first : busy.last->next) = wait;
    busy.last = wait;
  }
  return Taken::kBusy;
}

LockTable::Released LockTable::Release(std::string_view name, Script& script,
                                       Site& site) {
  MutexLock lock(mu_);
  const auto found = locks_.find(name);
  if (found == locks_.end()) return Released::kFree;
  if (found->second.holder != &script) {
    site = found->second.site;
    return Released::kOther;
  }
  RemoveHeld(script, found->second);
  HandOver(found->second, script.state);
  return Released::kReleased;
}

Script* LockTable::HolderIn(const State& state, std::string_view name) {
  MutexLock lock(mu_);
  const auto found = locks_.find(name);
  if (found == locks_.end()) return nullptr;
  Script* holder = found->second.holder;
  return &holder->state == &state ? holder : nullptr;
}

void LockTable::PassOn(NamedLock& held) {
  MutexLock lock(mu_);
  HandOver(held, held.holder->state);
}

void LockTable::HandOver(NamedLock& lock, State& from) {
  LockWait* wait = lock.first;
  if (wait == nullptr) {
    locks_.erase(locks_.find(*lock.name));
    return;
  }
  lock.first = wait->next;
  if (lock.first == nullptr) lock.last = nullptr;
  wait->granted = true;
  lock.holder = &wait->waiter;
  lock.site = wait->site;
  State& to = wait->waiter.state;
  if (&to == &from) {
    to.Queue(*wait->waiter.lane, wait->work);
  } else {
    to.PostToLane(*wait->waiter.lane, wait->work);
  }
}

void LockTable::Withdraw(LockWait& wait) {
  MutexLock lock(mu_);
  NamedLock& wanted = *wait.lock;
  if (wait.granted) {
    wait.script->lane->Remove(&wait.work);
    return HandOver(wanted, wait.script->state);
  }
  LockWait* before = nullptr;
  for (LockWait* w = wanted.first; w != &wait; w = w->next) before = w;
  (before == nullptr ? wanted.first : before->next) = wait.next;
  if (wanted.last == &wait) wanted.last = before;
}

std::size_t LockTable::size() {
  MutexLock lock(mu_);
  return locks_.size();
}

}  // namespace msys
