#include "coroutines.h"

#include <gtest/gtest.h>

#include <memory>

namespace msys {
namespace {

class CoroutinesTest : public testing::Test {
 protected:
  CoroutinesTest() {
    anchors.Open(L.get());
    aux = lua_newthread(L.get());
  }

  std::unique_ptr<lua_State, void (*)(lua_State*)> L{luaL_newstate(), lua_close};
  Anchors anchors;
  Coroutines coroutines{anchors, L.get()};
  lua_State* aux = nullptr;
};

TEST_F(CoroutinesTest, AFinishedOneIsUsedAgain) {
  const Coroutine a = coroutines.Take(aux);
  ASSERT_NE(a.L, nullptr);
  lua_pushinteger(a.L, 1);
  coroutines.Return(a, /*reuse=*/true);
  const Coroutine b = coroutines.Take(aux);
  EXPECT_EQ(b.L, a.L);
  EXPECT_EQ(lua_gettop(b.L), 0);
}

TEST_F(CoroutinesTest, OneThatAScriptMayHaveKeptIsNot) {
  const Coroutine a = coroutines.Take(aux);
  lua_pushthread(a.L);
  lua_xmove(a.L, L.get(), 1);  // the script keeps it
  coroutines.Return(a, /*reuse=*/false);
  EXPECT_NE(coroutines.Take(aux).L, a.L);
}

// Set before it was given back, or, by who finds it in the registry, after that.
TEST_F(CoroutinesTest, OneWithAHookIsUsedAgainWithoutIt) {
  const auto hook = [](lua_State*, lua_Debug*) {};
  for (const bool late : {false, true}) {
    const Coroutine a = coroutines.Take(aux);
    if (!late) lua_sethook(a.L, hook, LUA_MASKCOUNT, 1000);
    coroutines.Return(a, /*reuse=*/true);
    if (late) lua_sethook(a.L, hook, LUA_MASKCOUNT, 1000);
    const Coroutine b = coroutines.Take(aux);
    EXPECT_EQ(b.L, a.L);
    EXPECT_EQ(lua_gethook(b.L), nullptr);
    coroutines.Return(b, /*reuse=*/true);
  }
}

// A host may keep the session of a callout there.
TEST_F(CoroutinesTest, OneIsUsedAgainWithTheExtraSpaceOfTheMainThread) {
  const auto space = [](lua_State* of) -> void*& {
    return *static_cast<void**>(lua_getextraspace(of));
  };
  int session = 0, host = 0;
  const Coroutine a = coroutines.Take(aux);
  space(a.L) = &session;
  coroutines.Return(a, /*reuse=*/true);
  space(L.get()) = &host;
  const Coroutine b = coroutines.Take(aux);
  EXPECT_EQ(b.L, a.L);
  EXPECT_EQ(space(b.L), &host);
}

// A finaliser that runs on aux may set one.
TEST_F(CoroutinesTest, AHookOfAuxIsNoNewOnes) {
  for (const int events : {LUA_MASKCALL, LUA_MASKRET, LUA_MASKCOUNT}) {
    lua_sethook(aux, [](lua_State* hooked, lua_Debug*) { lua_error(hooked); }, events,
                1);
    const Coroutine a = coroutines.Take(aux);
    ASSERT_NE(a.L, nullptr);
    EXPECT_EQ(lua_gethook(a.L), nullptr);
  }
}

TEST_F(CoroutinesTest, TheyAreAnchoredWhileTheyAreOut) {
  std::vector<Coroutine> all;
  for (int i = 0; i < 2000; ++i) all.push_back(coroutines.Take(aux));
  lua_gc(L.get(), LUA_GCCOLLECT);
  for (const Coroutine& co : all) {
    EXPECT_EQ(lua_status(co.L), LUA_OK);
    lua_pushinteger(co.L, 1);
    lua_pop(co.L, 1);
  }
  for (const Coroutine& co : all) coroutines.Return(co, true);
  lua_gc(L.get(), LUA_GCCOLLECT);
  EXPECT_EQ(coroutines.spares(), 1024u) << "what a burst has needed is not kept";
  EXPECT_EQ(anchors.kept(), 1024u);
}

void* Refuse(void* ud, void* block, std::size_t, std::size_t size) {
  if (size == 0) {
    std::free(block);
    return nullptr;
  }
  if (*static_cast<bool*>(ud)) return nullptr;
  return std::realloc(block, size);
}

TEST_F(CoroutinesTest, WithoutMemoryThereIsNoneAndNoError) {
  bool refuse = false;
  lua_State* poor = lua_newstate(&Refuse, &refuse);
  {
    Anchors own;
    own.Open(poor);
    Coroutines none{own, poor};
    lua_State* spare = lua_newthread(poor);
    lua_checkstack(spare, 16);
    refuse = true;
    EXPECT_EQ(none.Take(spare).L, nullptr);
    refuse = false;
    EXPECT_EQ(lua_gettop(spare), 0);
    EXPECT_NE(none.Take(spare).L, nullptr);
  }
  lua_close(poor);
}

}  // namespace
}  // namespace msys
