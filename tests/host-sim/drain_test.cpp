// What policies leave behind when their sessions are over is let through, for
// Shutdown_Timeout.
#include "live_host.h"

namespace hostsim {
namespace {

class DrainTest : public LiveHost {
 protected:
  static bool Said(const Ran& ran, const std::string& text) {
    return ran.err.find(text) != std::string::npos;
  }
};

// Each sleeps for longer than the session lasts.
TEST_F(DrainTest, ClosuresAndCompletionFunctionsAreLetThrough) {
  const Ran ran = Run(R"(
    local SCHED = core.ECTP_COMPLETE_CALLBACK_SCHED
    local function nap(what)
      return function()
        msys.sleep(0.05)
        assert(msys.runInPool('CPU', function() msys.sleep(0.05) end))
        print(what .. ' is over')
      end
    end
    function mod:validate_data()
      msys.runInPool('IO', nap 'the closure', true)
      msys.runInPool('IO', function() end, nap 'the completion function')
      msys.runInPool('IO', function() end, nap 'the one on the loop', SCHED)
      return core.VALIDATE_CONT
    end
  )",
                      "", 1, 1);
  EXPECT_EQ(ran.status, kExitDone) << ran.err;
  EXPECT_TRUE(Said(ran, "the closure is over")) << ran.err;
  EXPECT_TRUE(Said(ran, "the completion function is over")) << ran.err;
  EXPECT_TRUE(Said(ran, "the one on the loop is over")) << ran.err;
  EXPECT_FALSE(Said(ran, "cancelled")) << ran.err;
  EXPECT_EQ(ran.json["drained"], true);
}

TEST_F(DrainTest, WhatTakesLongerIsSaidAndCounted) {
  const Ran ran = Run(R"(
    function mod:validate_data()
      local begun
      msys.runInPool('IO', function() end, function() begun = true msys.sleep(3600) end)
      while not begun do msys.sleep(0.001) end
      return core.VALIDATE_CONT
    end
  )",
                      "Shutdown_Timeout = 0", 1, 1);
  EXPECT_EQ(ran.status, kExitFailed);
  EXPECT_TRUE(Said(ran, "1 jobs are still not done after 0 s")) << ran.err;
  EXPECT_TRUE(Said(ran, "the completion function for")) << ran.err;
  EXPECT_EQ(ran.json["drained"], false);
}

}  // namespace
}  // namespace hostsim
