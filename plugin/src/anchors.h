// Keeps Lua values alive for C++ objects.
//
// The registry with luaL_ref would be the obvious place, but storing into a
// table may raise, and pool threads may only raise under protection.  Here the
// values are the user values of a few userdata, which can be set and read
// without raising; a chunk of them is also all that the collector has to look
// at again after a change, however many values are kept.
//
// Threads: the holder of the state's turn.
#pragma once

#include <cstdint>
#include <vector>

#include "lua_api.h"

namespace msys {

class Anchors {
 public:
  using Slot = std::uint32_t;
  static constexpr Slot kNone = UINT32_MAX;

  // [-0, +0, m] Once, before anything else.
  void Open(lua_State* L);

  // [-0, +0, m] Lets everything go.
  void Close(lua_State* L);

  // [-0, +0, m] As long as nothing is allocated in Lua, the next `count` calls of
  // Put() do not raise.
  void Reserve(lua_State* L, std::size_t count);
  // The next `count` calls of Put() do not raise.
  bool has_room(std::size_t count) const { return free_.size() >= count; }
  // [-1, +0, m] Keeps the value at the top of L.
  Slot Put(lua_State* L);
  // [-0, +1, -] Pushes the value onto a stack with room for it.
  void Push(lua_State* to, Slot slot) const;
  // [-0, +0, -] Lets the value go and sets the slot to kNone.
  void Drop(Slot& slot) {
    if (slot != kNone) LetGo(slot);
  }
  // How many values are kept.
  std::size_t kept() const {
    return static_cast<std::size_t>(chunks_) * kChunk - free_.size();
  }

 private:
  static constexpr int kChunk = 128;

  // On the stack of store_, and among its user values.
  static int ChunkOf(Slot slot) { return static_cast<int>(slot / kChunk) + 1; }
  static int PlaceOf(Slot slot) { return static_cast<int>(slot % kChunk) + 1; }

  void LetGo(Slot& slot);
  void Grow(lua_State* L);
  bool ReserveSlots() noexcept;

  lua_State* store_ = nullptr;  // runs nothing: its stack holds the chunks
  int chunks_ = 0;
  std::vector<Slot> free_;  // its capacity is the number of slots
};

}  // namespace msys
