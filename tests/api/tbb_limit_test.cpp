// A process in which somebody else limits TBB: a program of its own, since TBB's
// settings are the process's.
#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

#include "gates.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

TEST(TbbLimitTest, FewerThreadsThanThePoolsAskForIsSaidAndWorks) {
  const tbb::global_control others(tbb::global_control::max_allowed_parallelism, 3);
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  TestPlugin plugin(api, host, {{"wide", 8}});
  EXPECT_EQ(host.Logged({"limits TBB"}), 0u) << "nothing is claimed before attach";
  TestState state(plugin);
  EXPECT_EQ(host.Logged({"pool: the pools may use 83 threads, but another part of this "
                         "process limits TBB to 2: jobs will wait longer"}),
            1u);
  EXPECT_EQ(state.Run(R"(
    local done = 0
    for _ = 1, 50 do msys.runInPool('wide', function() done = done + 1 end, true) end
    while done < 50 do msys.sleep(0) end
    return done)").text(), "OK 50");
  ASSERT_EQ(plugin.Configure({{"wide", 9}}), MSYS_OK);
  EXPECT_EQ(host.Logged({"may use 84 threads"}), 1u) << "said once for each change";
}

}  // namespace
}  // namespace msys::test
