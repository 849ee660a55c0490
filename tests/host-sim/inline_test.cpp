// --inline: closures run on the event loop, whatever the configuration says.
#include "live_host.h"

namespace hostsim {
namespace {

class InlineTest : public LiveHost {
 protected:
  InlineTest() { options_.run_inline = true; }
};

// _OSTLS is one table for each thread: what the phase puts there, a closure sees
// on the same thread only.
constexpr char kWhere[] = R"(
  local function here(pool)
    _OSTLS.loop = true
    local ok, where = msys.runInPool(pool, function()
      return (_OSTLS.loop and 'loop' or 'thread') .. ' ' ..
             tostring(msys.threadpool.current())
    end)
    assert(ok, where)
    return where
  end
)";

TEST_F(InlineTest, ClosuresOfEveryPoolRunOnTheLoop) {
  const std::string policy = std::string(kWhere) + R"(
    function mod:validate_data()
      local seen = 0
      for id = 0, 100 do
        local pool = msys.threadpool.find(id)
        if pool then
          local name = pool.name
          seen = seen + 1
          local where = here(name)
          assert(where == WANTED(name), name .. ': ' .. where)
        end
      end
      assert(seen == msys.threadpool.count() and seen == 9, seen)
      return core.VALIDATE_CONT
    end
  )";
  const std::string config = "ThreadPool \"own\" { Concurrency = 3 }\n"
                             "ThreadPool \"io\" { Concurrency = 2 }";
  const Ran ran =
      Run("local function WANTED() return 'loop nil' end\n" + policy, config, 5, 5);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_EQ(ran.of("accepted"), 5u);
  EXPECT_EQ(ran.json["inline"], true);
  ASSERT_EQ(ran.json["pools"].size(), 9u);
  for (const auto& pool : ran.json["pools"]) {
    EXPECT_EQ(pool["concurrency"], 0) << pool["name"];
    EXPECT_EQ(pool["done"], 5) << pool["name"];
  }

  // The same policy sees threads without it, but in the pool that has none.
  options_.run_inline = false;
  const Ran pools = Run(
      "local function WANTED(name) return name == 'Close' and 'loop nil' or "
      "'thread ' .. name end\n" +
          policy,
      config, 5, 5);
  EXPECT_EQ(pools.status, kExitDone) << pools.err;
  EXPECT_EQ(pools.json["inline"], false);
  EXPECT_EQ(pools.pool("own")["concurrency"], 3);
  EXPECT_EQ(pools.pool("IO")["concurrency"], 2);
}

// The one session waits for the pool that only the new configuration has.
TEST_F(InlineTest, AReloadKeepsIt) {
  const Ran ran = Run(std::string(kWhere) + R"(
    function mod:validate_data()
      while not msys.threadpool.find('new') do msys.sleep(0.001) end
      for _, name in ipairs { 'work', 'IO', 'new' } do
        local where = here(name)
        assert(where == 'loop nil', name .. ': ' .. where)
      end
      return core.VALIDATE_CONT
    end
  )",
                      "ThreadPool \"work\" { Concurrency = 2 }", 1, 1, [this] {
                        Await("threads work stats", "concurrency ");
                        WriteConfig(
                            "ThreadPool \"work\" { Concurrency = 4 } "
                            "ThreadPool \"IO\" { Concurrency = 5 } "
                            "ThreadPool \"new\" { Concurrency = 6 }");
                        EXPECT_TRUE(Ask("config reload").good);
                      });
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  for (const char* name : {"work", "IO", "new"}) {
    EXPECT_EQ(ran.pool(name)["concurrency"], 0) << name;
    EXPECT_EQ(ran.pool(name)["done"], 1) << name;
  }
}

}  // namespace
}  // namespace hostsim
