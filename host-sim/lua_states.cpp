#include "lua_states.h"

namespace hostsim {

LuaStates::LuaStates(Plugin& plugin, const EventLoops& loops,
                     const Policy& policy, std::uint32_t max_states,
                     std::chrono::seconds late_after)
    : plugin_(plugin),
      loops_(loops),
      policy_(policy),
      max_states_(max_states),
      late_after_(late_after) {}

// The least used that can serve; a free one that is ready is used least of all.
LuaStates::Slot* LuaStates::Find(std::uint32_t loop) {
  Slot* best = nullptr;
  for (Slot& slot : slots_) {
    const LuaState::Life life = slot.state->life();
    if (life == LuaState::Life::kFailed || life == LuaState::Life::kLate)
      continue;
    if (loop != kNoLoop && slot.state->loop().index() != loop) continue;
    if (!best || slot.sessions < best->sessions ||
        (slot.sessions == best->sessions &&
         best->state->life() != LuaState::Life::kReady &&
         slot.state->life() == LuaState::Life::kReady))
      best = &slot;
  }
  return best;
}

LuaStates::Slot* LuaStates::Make(std::uint32_t loop) {
  const auto index = static_cast<std::uint32_t>(slots_.size());
  EventLoop& home = *loops_[loop != kNoLoop ? loop : index % loops_.size()];
  slots_.push_back(
      {std::make_unique<LuaState>(index, plugin_, home, policy_, late_after_),
       0});
  return &slots_.back();
}

LuaState* LuaStates::Acquire(std::uint32_t loop) {
  MutexLock lock(mutex_);
  Slot* slot = Find(loop);
  if ((!slot || slot->sessions > 0) && slots_.size() < max_states_)
    slot = Make(loop);
  if (!slot && loop != kNoLoop) slot = Find(kNoLoop);
  if (!slot) return nullptr;
  ++slot->sessions;
  return slot->state.get();
}

void LuaStates::Release(LuaState* state) {
  MutexLock lock(mutex_);
  --slots_[state->index()].sessions;
}

void LuaStates::CloseAll(std::function<void()> done) {
  std::vector<LuaState*> all;
  {
    MutexLock lock(mutex_);
    for (Slot& slot : slots_) all.push_back(slot.state.get());
  }
  // One more than the states, so that none at all works too.
  auto left = std::make_shared<std::atomic<std::size_t>>(all.size() + 1);
  const auto one_less = [left, done = std::move(done)] {
    // acq_rel: done() sees what every loop did before.
    if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) done();
  };
  for (LuaState* state : all)
    state->loop().Defer([state, one_less] { state->Close(one_less); });
  loops_.front()->Defer(one_less);
}

std::size_t LuaStates::size() const {
  MutexLock lock(mutex_);
  return slots_.size();
}

std::vector<std::string> LuaStates::StillOpen() const {
  std::vector<std::string> names;
  MutexLock lock(mutex_);
  for (const Slot& slot : slots_)
    if (slot.state->life() != LuaState::Life::kClosed)
      names.push_back(slot.state->turn()->state());
  return names;
}

}  // namespace hostsim
