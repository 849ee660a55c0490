#include "anchors.h"

#include <new>

namespace msys {
namespace {
const char kStoreKey = 0;
}  // namespace

void Anchors::Open(lua_State* L) {
  store_ = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kStoreKey);
}

void Anchors::Close(lua_State* L) {
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kStoreKey);
}

bool Anchors::ReserveSlots() noexcept {
  try {
    free_.reserve(static_cast<std::size_t>(chunks_ + 1) * kChunk);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Anchors::Grow(lua_State* L) {
  if (!lua_checkstack(store_, 4)) luaL_error(L, "not enough memory");
  lua_newuserdatauv(L, 0, kChunk);
  // Only now: a finaliser that ran in the allocation may have grown us as well.
  if (!ReserveSlots()) luaL_error(L, "not enough memory");
  lua_xmove(L, store_, 1);
  const auto first = static_cast<Slot>(chunks_) * kChunk;
  ++chunks_;
  for (Slot i = kChunk; i > 0; --i) free_.push_back(first + i - 1);
}

void Anchors::Reserve(lua_State* L, std::size_t count) {
  while (free_.size() < count) Grow(L);
}

Anchors::Slot Anchors::Put(lua_State* L) {
  Reserve(L, 1);
  const Slot slot = free_.back();
  free_.pop_back();
  lua_xmove(L, store_, 1);
  lua_setiuservalue(store_, ChunkOf(slot), PlaceOf(slot));
  return slot;
}

void Anchors::Push(lua_State* to, Slot slot) const {
  lua_getiuservalue(store_, ChunkOf(slot), PlaceOf(slot));
  lua_xmove(store_, to, 1);
}

void Anchors::LetGo(Slot& slot) {
  lua_pushnil(store_);
  lua_setiuservalue(store_, ChunkOf(slot), PlaceOf(slot));
  free_.push_back(slot);
  slot = kNone;
}

}  // namespace msys
