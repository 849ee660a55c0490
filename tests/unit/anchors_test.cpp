#include "anchors.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace msys {
namespace {

class AnchorsTest : public testing::Test {
 protected:
  AnchorsTest() { anchors.Open(L.get()); }
  // A table whose field is `n`.
  Anchors::Slot Put(int n) {
    lua_createtable(L.get(), 0, 1);
    lua_pushinteger(L.get(), n);
    lua_setfield(L.get(), -2, "n");
    return anchors.Put(L.get());
  }
  int Get(Anchors::Slot slot) {
    anchors.Push(L.get(), slot);
    lua_getfield(L.get(), -1, "n");
    const auto n = static_cast<int>(lua_tointeger(L.get(), -1));
    lua_pop(L.get(), 2);
    return n;
  }

  std::unique_ptr<lua_State, void (*)(lua_State*)> L{luaL_newstate(), lua_close};
  Anchors anchors;
};

TEST_F(AnchorsTest, ValuesLiveUntilTheyAreDropped) {
  std::vector<Anchors::Slot> slots;
  for (int i = 0; i < 1000; ++i) slots.push_back(Put(i));
  lua_gc(L.get(), LUA_GCCOLLECT);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Get(slots[i]), i);
  EXPECT_EQ(lua_gettop(L.get()), 0);
}

TEST_F(AnchorsTest, ADroppedValueIsCollected) {
  lua_newtable(L.get());
  lua_pushvalue(L.get(), -1);
  Anchors::Slot slot = anchors.Put(L.get());
  lua_newtable(L.get());  // weak = {value}
  lua_newtable(L.get());
  lua_pushliteral(L.get(), "v");
  lua_setfield(L.get(), -2, "__mode");
  lua_setmetatable(L.get(), -2);
  lua_insert(L.get(), -2);
  lua_rawseti(L.get(), -2, 1);
  lua_gc(L.get(), LUA_GCCOLLECT);
  EXPECT_EQ(lua_rawgeti(L.get(), -1, 1), LUA_TTABLE);
  lua_pop(L.get(), 1);
  anchors.Drop(slot);
  EXPECT_EQ(slot, Anchors::kNone);
  lua_gc(L.get(), LUA_GCCOLLECT);
  EXPECT_EQ(lua_rawgeti(L.get(), -1, 1), LUA_TNIL);
}

TEST_F(AnchorsTest, DroppingNothingIsFine) {
  Anchors::Slot none = Anchors::kNone;
  anchors.Drop(none);
  EXPECT_EQ(none, Anchors::kNone);
}

TEST_F(AnchorsTest, SlotsAreUsedAgain) {
  Anchors::Slot largest = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<Anchors::Slot> slots;
    for (int i = 0; i < 100; ++i) slots.push_back(Put(i));
    for (Anchors::Slot& slot : slots) {
      largest = std::max(largest, slot);
      anchors.Drop(slot);
    }
  }
  EXPECT_LT(largest, 256u);
}

TEST_F(AnchorsTest, ValuesCanBePushedOntoOtherCoroutines) {
  const Anchors::Slot slot = Put(7);
  lua_State* co = lua_newthread(L.get());
  anchors.Push(co, slot);
  EXPECT_EQ(lua_gettop(co), 1);
  lua_getfield(co, 1, "n");
  EXPECT_EQ(lua_tointeger(co, -1), 7);
}

TEST_F(AnchorsTest, RandomPutsAndDrops) {
  std::minstd_rand random(1);
  std::vector<std::pair<Anchors::Slot, int>> kept;
  for (int i = 0; i < 20'000; ++i) {
    if (kept.empty() || random() % 3 != 0) {
      kept.emplace_back(Put(i), i);
    } else {
      const std::size_t at = random() % kept.size();
      ASSERT_EQ(Get(kept[at].first), kept[at].second);
      anchors.Drop(kept[at].first);
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  for (const auto& [slot, n] : kept) ASSERT_EQ(Get(slot), n);
}

}  // namespace
}  // namespace msys
