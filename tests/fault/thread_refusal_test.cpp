// The system refuses a thread now and then, or for a while.  oneTBB does not
// survive that, and the process must: no job is lost, none waits longer than it
// must, and when threads are to be had again the pools have them.
//
// What becomes of it is the process's, so each test has one of its own: ctest gives it.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gates.h"
#include "../api/threads.h"
#include "test_plugin.h"

namespace {

constexpr long kAll = std::numeric_limits<long>::max();
std::atomic<long> refusals{0};  // so many threads are refused
std::atomic<msys::test::Gate*> at_refusal{nullptr};

bool IsOfTbb(void* (*main)(void*)) {
  Dl_info info{};
  return dladdr(reinterpret_cast<void*>(main), &info) != 0 &&
         std::string_view(info.dli_fname).find("libtbb") != std::string_view::npos;
}

// A oneTBB of 2022 asks for the same thread again and again, for 190 ms: that is one.
bool Refuse(void* (*main)(void*), void* argument) {
  static std::atomic<void*> refused{nullptr};
  const bool tbb = IsOfTbb(main);
  if (tbb && refused == argument) return true;
  long left = refusals;
  while (left > 0 && !refusals.compare_exchange_weak(left, left - 1)) {
  }
  if (left <= 0) return false;
  if (tbb) refused = argument;
  if (msys::test::Gate* gate = at_refusal.exchange(nullptr)) gate->Pass();
  return true;
}

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*main)(void*), void* argument) {
  static const auto real = reinterpret_cast<decltype(&pthread_create)>(
      dlsym(RTLD_NEXT, "pthread_create"));
  return Refuse(main, argument) ? EAGAIN : real(thread, attributes, main, argument);
}

namespace msys::test {
namespace {

using std::chrono::steady_clock;

// Every thread but this one waits in the kernel.
bool AllAsleep() {
  for (const ThreadInfo& thread : Threads()) {
    std::ifstream stat("/proc/self/task/" + std::to_string(thread.tid) + "/stat");
    std::string line;
    std::getline(stat, line);
    const std::size_t name_end = line.rfind(')');
    if (thread.tid != getpid() && name_end != line.npos && line[name_end + 2] != 'S') {
      return false;
    }
  }
  return true;
}

template <typename Condition>
bool Becomes(Condition condition) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

constexpr char kWhere[] =
    "return msys.runInPool('IO', function() return (msys.threadpool.current()) end)";
constexpr char kInPool[] = "OK true IO";
constexpr char kOnLoop[] = "OK true nil";

class ThreadRefusalTest : public testing::Test {
 protected:
  ~ThreadRefusalTest() override { refusals = 0; }
  void SetUp() override {
    static bool used = false;
    if (std::exchange(used, true)) GTEST_SKIP() << "for a process of its own";
  }

  // A callout that is stuck would keep the test from ending.
  std::string Run(TestState& state, const std::string& source) {
    auto running = state.Start(source);
    if (Becomes([&] { return running->done(); })) return running->Wait().text();
    std::fprintf(stderr, "stuck: %s\n", source.c_str());
    std::_Exit(1);
  }
  // Starts it in state_ while no thread is to be had; whoever asks for one stands at the
  // gate until that opens, and only then is *started there.
  std::jthread StartRefused(Gate& gate, const char* source,
                            std::unique_ptr<Running>* started) {
    std::jthread starter([this, &gate, source, started] {
      at_refusal = &gate;
      refusals = kAll;
      *started = state_.Start(source);
    });
    gate.AwaitArrivals();
    return starter;
  }
  void ExpectRunsInPool(TestState& state) {
    ASSERT_TRUE(Becomes([&] { return Run(state, kWhere) == kInPool; }));
    for (int i = 0; i < 100; ++i) ASSERT_EQ(Run(state, kWhere), kInPool) << i;
  }

  const msys_api& api_ = *msys_plugin_entry(MSYS_ABI_MAJOR);
  Gates gates_{api_};
  std::function<void(lua_State*)> bind_ = std::ref(gates_);
  FakeHost host_{2};
  TestPlugin plugin_{api_, host_, {{"one", 1}, {"two", 2}}};
  TestState state_{plugin_, 0, "a", bind_};
};

TEST_F(ThreadRefusalTest, AfterOneRefusalEachJobOfAnIdleProcessRunsAtOnce) {
  refusals = 1;
  EXPECT_EQ(Run(state_, kWhere), kInPool) << "the next thread is to be had";
  EXPECT_EQ(refusals, 0);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(Becomes(&AllAsleep));
    ASSERT_EQ(Run(state_, kWhere), kInPool) << i;
  }
  EXPECT_EQ(host_.Logged({"oneTBB has failed"}), 1u);
}

TEST_F(ThreadRefusalTest, RefusalsOneByOne) {
  for (int i = 0; i < 20; ++i) {
    refusals = 1;
    ASSERT_NE(Run(state_, kWhere), "") << i;
    refusals = 0;
    ASSERT_TRUE(Becomes(&AllAsleep));
    ASSERT_EQ(Run(state_, kWhere), kInPool) << i;
  }
}

std::size_t BytesInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(ThreadRefusalTest, WithoutAnyThreadAllRunsOnTheLoopAndNothingIsLeftBehind) {
  refusals = kAll;
  const auto begin = steady_clock::now();
  for (int i = 0; i < 200; ++i) ASSERT_EQ(Run(state_, kWhere), kOnLoop) << i;
  const std::size_t before = BytesInUse();
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(Run(state_, kWhere), kOnLoop) << i;
  EXPECT_LT(BytesInUse(), before + 100'000);
  // One line, and one more for each while that passes.
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      steady_clock::now() - begin).count();
  EXPECT_GE(host_.Logged({"IO: no thread for another job"}), 1u);
  EXPECT_LE(host_.Logged({"no thread for another job"}),
            static_cast<std::size_t>(2 + seconds / 10));
  EXPECT_EQ(plugin_.Stats("IO").done, 3200u);
}

TEST_F(ThreadRefusalTest, WhenThreadsAreToBeHadAgainThePoolsHaveThem) {
  refusals = kAll;
  for (int i = 0; i < 200; ++i) ASSERT_EQ(Run(state_, kWhere), kOnLoop);
  refusals = 0;
  ExpectRunsInPool(state_);
}

TEST_F(ThreadRefusalTest, APluginThatIsOpenedLaterHasThem) {
  refusals = 1;
  EXPECT_EQ(Run(state_, kWhere), kInPool);
  for (int i = 0; i < 3; ++i) {
    TestPlugin later(api_, host_);
    TestState state(later);
    ASSERT_EQ(Run(state, kWhere), kInPool) << i;
  }
  EXPECT_LE(Threads().size(), 8u) << "they are the same ones";
}

TEST_F(ThreadRefusalTest, ThreadsStartedHereAreLikeOthers) {
  refusals = 1;
  auto running =
      state_.Start("msys.runInPool('one', function() block('here') end)");
  gates_["here"].AwaitArrivals();
  int workers = 0;
  for (const ThreadInfo& thread : Threads()) {
    if (thread.name != "one/1") continue;
    ++workers;
    EXPECT_TRUE(Blocked(thread, SIGTERM));
    EXPECT_TRUE(Blocked(thread, SIGCHLD));
    EXPECT_FALSE(Blocked(thread, SIGSEGV));
  }
  EXPECT_EQ(workers, 1);
  gates_["here"].Open();
  running->Wait();
  AwaitThreads("one/", 0);
}

// Threads that oneTBB has lent before are not lost with it.
TEST_F(ThreadRefusalTest, ThreadsOfBeforeGoOnWorking) {
  std::vector<std::unique_ptr<Running>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(state_.Start("msys.runInPool('IO', function() block('all') end)"));
  }
  gates_["all"].AwaitArrivals(4);
  refusals = kAll;
  auto fifth = state_.Start(kWhere);  // waits for one of the four
  EXPECT_EQ(refusals, kAll - 2) << "oneTBB was refused one, and the plugin";
  gates_["all"].Open();
  EXPECT_EQ(fifth->Wait().text(), kInPool);
  for (auto& h : held) h->Wait();
  for (int i = 0; i < 4; ++i) {
    held.push_back(state_.Start("msys.runInPool('CPU', function() block('again') end)"));
  }
  gates_["again"].AwaitArrivals(4);
  gates_["again"].Open();
}

// A lane that comes while a thread is being refused for another waits for a thread
// that will never be.
TEST_F(ThreadRefusalTest, WhoWaitsBehindAThreadThatDoesNotComeRunsOnTheLoop) {
  TestState other(plugin_, 1, "b", bind_);
  Gate gate;
  std::unique_ptr<Running> first;
  std::jthread starter = StartRefused(
      gate, "return msys.runInPool('one', function() return 'a' end)", &first);
  auto second = other.Start("return msys.runInPool('one', function() return 'b' end)");
  ASSERT_TRUE(Becomes([&] { return plugin_.Stats("one").queued == 2; }));
  gate.Open();
  starter.join();
  ASSERT_TRUE(Becomes([&] { return first->done() && second->done(); }));
  EXPECT_EQ(first->Wait().text(), "OK true a");
  EXPECT_EQ(second->Wait().text(), "OK true b");
}

TEST_F(ThreadRefusalTest, WhoWaitsBehindAThreadThatDoesNotComeGetsOneThatIsThere) {
  TestState other(plugin_, 1, "b", bind_), third(plugin_, 1, "c", bind_);
  auto held = other.Start("msys.runInPool('two', function() block('held') end)");
  gates_["held"].AwaitArrivals();
  Gate gate;
  std::unique_ptr<Running> first;
  std::jthread starter = StartRefused(
      gate, "return msys.runInPool('two', function() return "
            "msys.threadpool.current() end)", &first);
  auto second = third.Start("return msys.runInPool('two', function() return "
                            "msys.threadpool.current() end)");
  ASSERT_TRUE(Becomes([&] { return plugin_.Stats("two").queued == 2; }));
  gate.Open();
  starter.join();
  EXPECT_FALSE(first->done());
  gates_["held"].Open();
  ASSERT_TRUE(Becomes([&] { return first->done() && second->done(); }));
  EXPECT_EQ(first->Wait().text(), "OK true two 1");
  EXPECT_EQ(second->Wait().text(), "OK true two 1");
}

// The thread that is in the pool will look for no more.
TEST_F(ThreadRefusalTest, WhoseThreadDoesNotComeRunsOnTheLoopWhenThePoolIsSetToZero) {
  TestState other(plugin_, 1, "b", bind_);
  auto held = other.Start("msys.runInPool('two', function() block('held') end)");
  gates_["held"].AwaitArrivals();
  Gate gate;
  std::unique_ptr<Running> waits;
  std::jthread starter = StartRefused(
      gate, "return msys.runInPool('two', function() return "
            "(msys.threadpool.current()) end)", &waits);
  ASSERT_EQ(plugin_.Configure({{"two", 0}}), MSYS_OK);
  gate.Open();
  starter.join();
  ASSERT_TRUE(Becomes([&] { return waits->done(); }));
  EXPECT_EQ(waits->Wait().text(), kOnLoop);
  gates_["held"].Open();
}

// Nobody comes to their pool any more, and the thread that is in it stays long.
TEST_F(ThreadRefusalTest, WhoWaitsBehindALongJobGetsAThreadWhenThereIsOneAgain) {
  TestState other(plugin_, 1, "b", bind_);
  auto held = state_.Start("msys.runInPool('two', function() block('held') end)");
  gates_["held"].AwaitArrivals();
  refusals = kAll;
  auto waits = other.Start("return msys.runInPool('two', function() return 'b' end)");
  EXPECT_FALSE(waits->done());
  refusals = 0;
  ExpectRunsInPool(state_);
  EXPECT_TRUE(Becomes([&] { return waits->done(); }));
  gates_["held"].Open();
}

// The worker of a place above a limit that was lowered stays when there is no
// thread to take over.
TEST_F(ThreadRefusalTest, AWorkerStaysWhenNobodyCanTakeOver) {
  TestState b(plugin_, 1, "b", bind_), c(plugin_, 1, "c", bind_);
  refusals = 1;  // from now on the threads are the plugin's
  ASSERT_EQ(Run(state_, kWhere), kInPool);
  auto first = state_.Start("msys.runInPool('two', function() block('first') end)");
  gates_["first"].AwaitArrivals();
  auto second = b.Start("msys.runInPool('two', function() block('second') end)");
  gates_["second"].AwaitArrivals();
  ASSERT_EQ(plugin_.Configure({{"two", 1}}), MSYS_OK);
  auto third = c.Start("return msys.runInPool('two', function() return "
                       "msys.threadpool.current() end)");
  gates_["first"].Open();
  first->Wait();
  AwaitThreads("two/1", 0);
  ASSERT_TRUE(Becomes(&AllAsleep));
  refusals = kAll;
  // Whatever threads are free now are busy elsewhere.
  auto busy = state_.Start("for _ = 1, 20 do "
                           "msys.runInPool('IO', function() block('busy') end, true) end");
  busy->Wait();
  ASSERT_TRUE(Becomes([] { return CountThreads("msys-idle") == 0; }));
  gates_["second"].Open();
  ASSERT_TRUE(Becomes([&] { return third->done(); }));
  EXPECT_EQ(third->Wait().text(), "OK true two 2");
  refusals = 0;
  gates_["busy"].Open();
}

TEST_F(ThreadRefusalTest, NothingIsLostWhileThreadsComeAndGo) {
  constexpr int kStates = 6, kJobs = 400;
  std::vector<std::unique_ptr<TestState>> states;
  std::vector<std::unique_ptr<Running>> running;
  std::jthread changes([](const std::stop_token& stop) {
    for (long i = 0; !stop.stop_requested(); ++i) {
      refusals = i % 3 == 0 ? 0 : i % 7;
      std::this_thread::yield();
    }
  });
  for (std::uint32_t i = 0; i < kStates; ++i) {
    states.push_back(std::make_unique<TestState>(plugin_, i % 2));
  }
  for (auto& state : states) {
    running.push_back(state->Start(
        "local n, pools = 0, {'CPU', 'IO', 'SwapIn', 'SwapOut', 'two', 'one'}"
        "for i = 1, " + std::to_string(kJobs) + " do "
        "  local pool = pools[i % #pools + 1]"
        "  if i % 4 == 0 then"
        "    assert(msys.runInPool(pool, function() n = n + 1 end))"
        "  else msys.runInPool(pool, function() n = n + 1 end, true) end "
        "end "
        "while n < " + std::to_string(kJobs) + " do "
        "  msys.runInPool('CPU', function() end) end "
        "return n"));
  }
  for (auto& r : running) {
    ASSERT_TRUE(Becomes([&] { return r->done(); }));
    EXPECT_EQ(r->Wait().text(), "OK " + std::to_string(kJobs));
  }
}

}  // namespace
}  // namespace msys::test
