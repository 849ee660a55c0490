// What ends a call between the moment when another job gives it its room in the
// backlog and the one when its script hears of it: a few instructions of another
// state's thread, which the test makes last.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "job.h"
#include "state.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

class SubmissionTest : public testing::Test {
 protected:
  SubmissionTest() {
    EXPECT_TRUE(pool_.backlog.AdmitNow()) << "the only place is the test's";
  }
  // A call that waits for room, and is given it.
  std::unique_ptr<Running> StartAndGiveRoom(const std::string& call) {
    auto caller = state_.Start(call);
    EXPECT_EQ(pool_.backlog.waiting(), 1u);
    granted_ = pool_.backlog.Leave();
    return caller;
  }
  void TellIt() {
    Job& job = Job::Of(*granted_);
    job.state.PostToLane(*job.waiting_lane, job.work);
  }
  void ExpectCancelled(const std::string& why) {
    while (inside_.jobs() > 0) std::this_thread::yield();
    const msys_pool_stats stats = plugin_.Stats("tiny");
    EXPECT_EQ(stats.submitted, 1u);
    EXPECT_EQ(stats.cancelled, 1u);
    EXPECT_EQ(host_.Logged({"runInPool", "tiny: closure", why}), 1u);
    EXPECT_TRUE(pool_.backlog.AdmitNow()) << "it has given its place back";
  }

  FakeHost host_;
  TestPlugin plugin_{*msys_plugin_entry(MSYS_ABI_MAJOR), host_, {{"tiny", 1, 1}}};
  TestState state_{plugin_};
  State& inside_ = *reinterpret_cast<State*>(state_.handle);
  Pool& pool_ = *inside_.engine.pools().Find("tiny");
  Admission* granted_ = nullptr;
};

constexpr char kSync[] = "return msys.runInPool('tiny', function() end)";
constexpr char kAsync[] = "msys.runInPool('tiny', function() end, true)";

class SubmissionModesTest : public SubmissionTest,
                            public testing::WithParamInterface<const char*> {};

TEST_P(SubmissionModesTest, ItsCallerIsCancelled) {
  auto caller = StartAndGiveRoom(GetParam());
  EXPECT_EQ(caller->Cancel(), MSYS_OK);
  EXPECT_EQ(caller->Wait().text(), "CANCELLED");
  EXPECT_EQ(inside_.jobs(), 1u) << "it is on its way";
  TellIt();
  ExpectCancelled("cancelled: its calling script has ended");
}

INSTANTIATE_TEST_SUITE_P(Calls, SubmissionModesTest, testing::Values(kSync, kAsync),
                         [](const auto& call) {
                           return call.param == kSync ? "Sync" : "Async";
                         });

TEST_F(SubmissionTest, ItsStateIsDetached) {
  auto caller = StartAndGiveRoom(kSync);
  state_.Detach();
  EXPECT_FALSE(caller->done());
  TellIt();
  EXPECT_EQ(caller->Wait().text(),
            "OK false cancelled: the Lua state is being detached");
  state_.AwaitDetached();
  EXPECT_EQ(plugin_.Stats("tiny").cancelled, 1u);
  EXPECT_TRUE(pool_.backlog.AdmitNow());
}

}  // namespace
}  // namespace msys::test
