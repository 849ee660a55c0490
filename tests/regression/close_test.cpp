// How a script's <close> variables are closed when its session goes away.
#include <gtest/gtest.h>

#include "gates.h"

namespace msys::test {
namespace {

const msys_api& Api() { return *msys_plugin_entry(MSYS_ABI_MAJOR); }

// Lua, up to 5.4.7, goes on using the message handler of an xpcall that ran when
// the coroutine was suspended, at a place of the stack where by then anything may
// be: the functions that fill the stack of a closing method here, or what was
// there before the stack shrank.
constexpr char kPolicy[] = R"(
  local function spy(message) called = message return message end
  local function closing(_, e)
    local a, b, c, d, e, f, g, h = spy, spy, spy, spy, spy, spy, spy, spy
    local i, j, k, l, m, n, o, p = spy, spy, spy, spy, spy, spy, spy, spy
    closed = (closed or 0) + 1
    error "while closing"
  end
  local function deep(n)
    if n > 0 then return (deep(n - 1)) end
    return xpcall(function() waits() end, function(m) handled = m return m end)
  end
  local a <close> = setmetatable({}, { __close = closing })
  local b <close> = setmetatable({}, { __close = closing })
  deep(DEPTH)
)";

class CloseTest : public testing::TestWithParam<int> {
 protected:
  FakeHost host;
  TestPlugin plugin{Api(), host};
  Gates gates{Api()};
  TestState state{plugin, 0, "test", std::ref(gates)};
};

void ExpectClosedWell(TestState& state) {
  EXPECT_EQ(state.Run("return closed, handled, called").text(), "OK 2 nil nil");
}

TEST_P(CloseTest, ACancelledCalloutInsideOfAMessageHandledCall) {
  ASSERT_EQ(state.Run("function waits() msys.runInPool('CPU', block) end").text(), "OK");
  auto callout =
      state.Start("local DEPTH = " + std::to_string(GetParam()) + kPolicy);
  gates["block"].AwaitArrivals();
  EXPECT_EQ(callout->Cancel(), MSYS_OK);
  EXPECT_EQ(callout->Wait().text(), "CANCELLED");
  ExpectClosedWell(state);
  gates["block"].Open();
}

TEST_P(CloseTest, TheSameInNestedCoroutines) {
  ASSERT_EQ(state.Run("function waits() coroutine.wrap(function() xpcall(function() "
                      "  msys.runInPool('CPU', block) end, print) end)() end").text(),
            "OK");
  auto callout = state.Start("coroutine.wrap(function() local DEPTH = " +
                             std::to_string(GetParam()) + kPolicy + " end)()");
  gates["block"].AwaitArrivals();
  EXPECT_EQ(callout->Cancel(), MSYS_OK);
  EXPECT_EQ(callout->Wait().text(), "CANCELLED");
  ExpectClosedWell(state);
  gates["block"].Open();
}

INSTANTIATE_TEST_SUITE_P(Depths, CloseTest, testing::Values(0, 1, 3, 10, 100));

}  // namespace
}  // namespace msys::test
