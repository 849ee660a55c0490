// What waits, when its state is detached or the plugin stops.
#include <gtest/gtest.h>
#include <malloc.h>

#include "gates.h"
#include "test_plugin.h"
#include "threads.h"

namespace msys::test {
namespace {

class CancelTest : public testing::Test {
 protected:
  const msys_api& api_ = *msys_plugin_entry(MSYS_ABI_MAJOR);
  Gates gates_{api_};
  FakeHost host_{2};
  TestPlugin plugin_{api_, host_, {{"two", 2}, {"small", 1, 1}}};

  std::unique_ptr<TestState> NewState(const std::string& name) {
    return std::make_unique<TestState>(plugin_, 0, name,
                                       std::ref(gates_));
  }
  void SetUp() override { gates_["started"].Open(); }
};

constexpr char kDetached[] = "cancelled: the Lua state is being detached";
constexpr char kStopping[] = "cancelled: the mail server is stopping";

// Each ends with the error that its waiting call raised.
struct Waiter {
  const char* source;
  const char* error;
};
const Waiter kWaiters[] = {
    {"msys.sleep(3600)", "test:1: msys.sleep: "},
    {"local ok, e = msys.runInPool('two', function() hold('started')"
     " msys.sleep(3600) end)"
     " error(e, 0)",
     "test:1: msys.sleep: "},
    {"local ok, e = msys.runInPool('Close', function() hold('started')"
     " msys.sleep(3600) end)"
     " error(e, 0)",
     "test:1: msys.sleep: "},
    {"local ok, e = msys.runInInst(1, function() hold('started')"
     " msys.sleep(3600) end)"
     " error(e, 0)",
     "test:1: msys.sleep: "},
    {"msys.lock('busy')", "test:1: msys.lock: "},
    {"local ok, e = msys.runInPool('two', function() hold('started')"
     " msys.lock('busy') end)"
     " error(e, 0)",
     "test:1: msys.lock: "},
    {"local m = thread.mutex(thread.MUTEX_NORMAL) m:lock() m:lock()",
     "test:1: mutex:lock: "},
    {"coroutine.wrap(function() msys.sleep(3600) end)()", "test:1: msys.sleep: "},
};

std::vector<std::unique_ptr<Running>> StartWaiters(TestState& state, Gates& gates) {
  std::vector<std::unique_ptr<Running>> running;
  for (const Waiter& waiter : kWaiters) running.push_back(state.Start(waiter.source));
  gates["started"].AwaitArrivals(4);  // those that are not on the home loop
  return running;
}

void ExpectAllEnded(const std::vector<std::unique_ptr<Running>>& running,
                    const char* why) {
  for (std::size_t i = 0; i < running.size(); ++i) {
    const Result result = running[i]->Wait();
    ASSERT_FALSE(result.values.empty()) << kWaiters[i].source;
    EXPECT_NE(result.values[0].find(std::string(kWaiters[i].error) + why),
              std::string::npos)
        << kWaiters[i].source << "\n  ended with: " << result.text();
  }
}

TEST_F(CancelTest, DetachEndsAllWaitsOfItsStateWithAnError) {
  auto holder = NewState("holder");
  auto state = NewState("detached");
  auto holding = holder->Start("msys.lock('busy') msys.runInPool('IO', "
                               "function() block('held') end)");
  gates_["held"].AwaitArrivals();
  const auto running = StartWaiters(*state, gates_);
  state->Detach();
  ExpectAllEnded(running, kDetached);
  state->AwaitDetached();
  EXPECT_FALSE(holding->done()) << "the other state's script was ended as well";
  gates_["held"].Open();
  EXPECT_EQ(holding->Wait().text(), "OK");
  EXPECT_EQ(holder->Run("return msys.lock('busy')").text(), "OK true");
}

TEST_F(CancelTest, DetachEndsWaitsForJobsAndForRoom) {
  auto other = NewState("other");
  auto first = other->Start("msys.runInPool('small', function() block('room') end)");
  gates_["room"].AwaitArrivals();
  auto second = other->Start("msys.runInPool('small', function() end)");
  auto state = NewState("detached");
  std::vector<std::unique_ptr<Running>> running;
  running.push_back(state->Start(
      "local _, job = msys.runInPool('two', function() block('job') end, print)"
      " return job:wait()"));
  gates_["job"].AwaitArrivals();
  for (const char* more : {"", ", true", ", print"}) {
    running.push_back(state->Start(
        std::string("return msys.runInPool('small', function() end") + more + ")"));
  }
  EXPECT_EQ(plugin_.Stats("small").submitted, 5u);
  state->Detach();
  for (const auto& callout : running) {
    EXPECT_EQ(callout->Wait().text(), std::string("OK false ") + kDetached);
  }
  EXPECT_EQ(host_.Logged({"small: closure test:1 of state detached: ", kDetached}), 3u);
  EXPECT_EQ(plugin_.Stats("small").cancelled, 3u);
  gates_["job"].Open();
  state->AwaitDetached();
  gates_["room"].Open();
  EXPECT_EQ(second->Wait().text(), "OK");
  EXPECT_EQ(first->Wait().text(), "OK");
}

TEST_F(CancelTest, StopEndsThemAtTheDeadline) {
  auto state = NewState("stopped");
  auto holding = state->Start("msys.lock('busy') msys.sleep(3600)");
  const auto running = StartWaiters(*state, gates_);
  std::string text;
  EXPECT_EQ(plugin_.Stop(0, &text), MSYS_E_BUSY);
  ExpectAllEnded(running, kStopping);
  EXPECT_NE(holding->Wait().text().find(kStopping), std::string::npos);
}

TEST_F(CancelTest, StopLetsShortSleepsEnd) {
  auto state = NewState("drained");
  auto running = state->Start(
      "return msys.runInPool('two', function() msys.sleep(0.05) return 'slept' end)");
  std::jthread detacher([&] {
    running->Wait();
    state->Detach();
    state->AwaitDetached();
  });
  EXPECT_EQ(plugin_.Stop(60'000), MSYS_OK);
  EXPECT_EQ(running->Wait().text(), "OK true slept");
}

TEST_F(CancelTest, NoNewWaitsOnceTheyAreEnded) {
  auto holder = NewState("holder");
  auto holding = holder->Start("msys.lock('busy') msys.runInPool('IO', "
                               "function() block('held') end)");
  gates_["held"].AwaitArrivals();
  auto state = NewState("late");
  auto running = state->Start(R"(
    local ok, why = msys.runInPool('two', function()
      local first = select(2, pcall(msys.sleep, 3600))
      local second = select(2, pcall(msys.sleep, 3600))
      return first, second
    end)
    local m = thread.mutex(thread.MUTEX_NORMAL)
    m:lock()
    local _, sleep = pcall(msys.sleep, 3600)
    local _, mutex = pcall(m.lock, m)
    local _, lock = pcall(msys.lock, 'busy')
    local _, inst = msys.runInInst(1, function() end)
    local _, free = pcall(msys.lock, 'free') -- nothing to wait for
    return ok, sleep, mutex, lock, inst, free)");
  while (plugin_.Stats("two").running == 0) std::this_thread::yield();
  state->Detach();
  const Result result = running->Wait();
  const std::string why = kDetached;
  EXPECT_EQ(result.text(), "OK true msys.sleep: " + why + " mutex:lock: " + why +
                               " msys.lock: " + why + " " + why + " true");
  gates_["held"].Open();
}

TEST_F(CancelTest, EveryoneWhoSleepsInAPoolIsWoken) {
  auto state = NewState("sleepy");
  std::vector<std::unique_ptr<Running>> asleep;
  for (int i = 0; i < 2; ++i) {
    asleep.push_back(state->Start("local ok, why = msys.runInPool('two', function() "
                                  "  hold('asleep') msys.sleep(3600) end) return why"));
  }
  gates_["asleep"].Open();
  gates_["asleep"].AwaitArrivals(2);
  state->Detach();
  for (auto& one : asleep) {
    EXPECT_EQ(one->Wait().text(), "OK test:1: msys.sleep: " + std::string(kDetached));
  }
}

// The closure of a job whose caller is gone is named as long as it runs, although
// nothing else keeps its chunk.
TEST_F(CancelTest, AClosureThatOutlivesItsCallerIsStillNamed) {
  auto state = NewState("left");
  const std::string file = "a_file_of_a_name_that_Lua_does_not_keep_as_a_short_string.lua";
  state->Run("function go() block('go') return 1 end");
  auto caller = state->Start("msys.runInPool('two', load('return go()', '@" + file + "'))");
  gates_["go"].AwaitArrivals();
  EXPECT_EQ(caller->Cancel(), MSYS_OK);
  EXPECT_EQ(caller->Wait().text(), "CANCELLED");
  state->Run("collectgarbage() local t = {} "
             "for i = 1, 2000 do t[i] = ('z'):rep(60 + i % 30) .. i end");
  EXPECT_NE(plugin_.Console("threads busy").find(file), std::string::npos);
  gates_["go"].Open();
}

// A closure runs, a second one is queued, and a script of another state waits for the
// room that it will leave.
class RoomTest : public CancelTest {
 protected:
  void SetUp() override {
    CancelTest::SetUp();
    state = NewState("queued");
    first = state->Start("msys.runInPool('small', function() block('first') end)");
    gates_["first"].AwaitArrivals();
    second = state->Start("msys.runInPool('small', function() block('second') end)");
    waits = other.Start("msys.runInPool('small', function() ran = true end)");
  }
  void ExpectTheNextOneHasIt() {
    EXPECT_EQ(waits->Wait().text(), "CANCELLED");
    EXPECT_EQ(plugin_.Stats("small").cancelled, 1u);
    gates_["second"].Open();
    EXPECT_EQ(other.Run("return msys.runInPool('small', function() return ran end)").text(),
              "OK true nil");
    EXPECT_EQ(plugin_.Stats("small").done, 3u);
  }

  std::unique_ptr<TestState> state;
  TestState other{plugin_, 1, "waits", std::ref(gates_)};
  std::unique_ptr<Running> first, second, waits;
};

// The place that was on its way to it is the next one's.
TEST_F(RoomTest, ACallerThatGoesWhenItHasBeenGivenIt) {
  host_.On(1, [&] {
    gates_["first"].Open();
    gates_["second"].AwaitArrivals();  // its place has been given to the third
    EXPECT_EQ(waits->CancelHere(), MSYS_OK);
  });
  ExpectTheNextOneHasIt();
}

// It is being cancelled when it is given room, and the state is busy.
TEST_F(RoomTest, ACallerThatIsGivenItTooLate) {
  ASSERT_EQ(other.Run("msys.runInPool('two', function() hold('busy') end, true)").text(),
            "OK");
  gates_["busy"].AwaitArrivals();
  EXPECT_EQ(waits->Cancel(), MSYS_OK);
  gates_["first"].Open();
  gates_["second"].AwaitArrivals();
  gates_["busy"].Open();
  ExpectTheNextOneHasIt();
}

// Its job was submitted before, as those of the queue were.
TEST_F(CancelTest, WhoWaitsForRoomWhenItStopsIsServed) {
  auto state = NewState("stopped");
  auto first = state->Start("msys.runInPool('small', function() block('first') end)");
  gates_["first"].AwaitArrivals();
  auto second = state->Start("return msys.runInPool('small', function() end)");
  auto waits = state->Start("return msys.runInPool('small', function() return 1 end)");
  std::jthread opens([&] {
    while (state->Start("return 1")->started() != MSYS_E_CLOSED) {}
    gates_["first"].Open();
    waits->Wait();
    state->Detach();
  });
  EXPECT_EQ(plugin_.Stop(60'000), MSYS_OK);
  opens.join();
  EXPECT_EQ(second->Wait().text(), "OK true");
  EXPECT_EQ(waits->Wait().text(), "OK true 1");
}

// A job's caller keeps the _TLS for it while it waits; then the job must itself.
TEST_F(CancelTest, TheTlsOutlivesTheCallerOfARunningJob) {
  auto state = NewState("left");
  msys_session* session = state->OpenSession();
  auto gone = state->Start(R"(
      _TLS.mark = 'kept'
      msys.runInPool('two', function()
        local ok, inner = msys.runInPool('two', function()
          block('go')
          _TLS.inner = _TLS.mark
          return _TLS.inner
        end)
        seen = tostring(inner) .. ' ' .. tostring(_TLS.inner) .. ' ' .. tostring(_TLS.mark)
      end))", session);
  gates_["go"].AwaitArrivals();
  EXPECT_EQ(gone->Cancel(), MSYS_OK);
  EXPECT_EQ(gone->Wait().text(), "CANCELLED");
  state->CloseSession(session);
  EXPECT_EQ(state->Run("collectgarbage() return _TLS.mark").text(), "OK nil");
  gates_["go"].Open();
  EXPECT_EQ(state->Run("while not seen do msys.runInPool('two', function() end) end"
                       " return seen").text(),
            "OK kept kept kept");
}

// The same for a queued one, which is dropped with its caller: for sanitizers to see.
TEST_F(CancelTest, TheTlsOfACallerThatIsGoneWithItsQueuedJob) {
  auto state = NewState("left");
  auto busy = state->Start("msys.runInPool('small', function() block('go') end)");
  gates_["go"].AwaitArrivals();
  msys_session* session = state->OpenSession();
  auto queued = state->Start(
      "_TLS.mark = 1 msys.runInPool('small', function() return _TLS.mark end)", session);
  auto waiting = state->Start(
      "_TLS.mark = 1 msys.runInPool('small', function() return _TLS.mark end)", session);
  state->CloseSession(session);
  for (Running* gone : {waiting.get(), queued.get()}) {
    EXPECT_EQ(gone->Cancel(), MSYS_OK);
    EXPECT_EQ(gone->Wait().text(), "CANCELLED");
  }
  gates_["go"].Open();
  EXPECT_EQ(busy->Wait().text(), "OK");
}

TEST_F(CancelTest, ALockIsHandedToAnotherStateWhenItsHoldersStateGoes) {
  auto going = NewState("going");
  auto staying = NewState("staying");
  auto holding = going->Start("msys.lock('x') msys.sleep(3600)");
  auto waiting = staying->Start("msys.lock('x') msys.unlock('x') return 'got it'");
  EXPECT_FALSE(waiting->done());
  going->Detach();
  EXPECT_EQ(waiting->Wait().text(), "OK got it");
  holding->Wait();
  EXPECT_EQ(host_.Logged({"lock", "state going ended without unlocking the lock \"x\""}),
            1u);
}

TEST_F(CancelTest, LocksOfTheStateThatIsGoneAreFree) {
  for (int i = 0; i < 50; ++i) {
    auto state = NewState("short-lived");
    auto a = state->Start("msys.lock('again') msys.sleep(3600)");
    auto b = state->Start("msys.lock('again') msys.sleep(3600)");
    auto c = state->Start("msys.runInPool('two', function() msys.lock('again') end)");
    state->Detach();
  }
  auto state = NewState("last");
  EXPECT_EQ(state->Run("return msys.lock('again')").text(), "OK true");
}

TEST_F(CancelTest, LocksThatNobodyHoldsCostNoMemory) {
  auto state = NewState("many");
  const auto run = [&] {
    EXPECT_EQ(state->Run(R"(
      for i = 1, 100000 do
        local name = 'lock ' .. i
        msys.lock(name)
        msys.unlock(name)
      end
      for i = 1, 20000 do msys.lock('all at once ' .. i) end
      for i = 20000, 1, -1 do msys.unlock('all at once ' .. i) end
      collectgarbage())").text(), "OK");
  };
  run();
  const auto before = mallinfo2().uordblks;
  run();
  const auto after = mallinfo2().uordblks;
  EXPECT_LT(after, before + 500'000);
}

TEST_F(CancelTest, ATimerThreadOnlyOnceSomethingSleepsOnALoop) {
  auto state = NewState("sleepy");
  EXPECT_EQ(state->Run("msys.runInPool('two', function() msys.sleep(0) end)").text(),
            "OK");
  EXPECT_EQ(CountThreads("msys-timer"), 0u);
  EXPECT_EQ(state->Run("msys.sleep(0)").text(), "OK");
  EXPECT_EQ(CountThreads("msys-timer"), 1u);
}

}  // namespace
}  // namespace msys::test
