// The trace events: which come, in what order, and what they say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "gates.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

const char* KindName(int kind) {
  constexpr const char* kNames[] = {"?",     "SUBMIT",  "START", "SUSPEND",
                                    "RESUME", "END",    "PARK",  "DELIVER",
                                    "BLOCK", "UNBLOCK", "COMPLETION",
                                    "COMPLETED"};
  return kind >= 1 && kind <= 11 ? kNames[kind] : kNames[0];
}

// What is left of a borrowed event: as a line, and the numbers.
struct Event {
  std::string line;  // without the thread
  std::string where;
  int kind;
  std::uint64_t id, time_ns, queued_ns, started_ns;
};

// Writes events down as lines.  Ids become letters, in the order in which they
// are first seen: "loop 0: B SUBMIT by A".
class Recorder {
 public:
  void Take(const msys_trace_event& e) {
    const std::lock_guard lock(mu_);
    EXPECT_EQ(e.struct_size, sizeof e);
    EXPECT_EQ(e.worker == 0, e.worker_pool == nullptr);
    EXPECT_NE(e.id, 0u);
    EXPECT_STREQ(e.state, "traced");
    const std::string where =
        e.worker > 0 ? e.worker_pool + ("/" + std::to_string(e.worker))
                     : "loop " + std::to_string(FakeHost::CurrentLoop());
    std::string line = Letter(e.id) + " " + KindName(e.kind);
    if (e.kind == MSYS_TRACE_SUBMIT) line += " by " + Letter(e.parent);
    if (e.kind == MSYS_TRACE_DELIVER) line += " to " + Letter(e.parent);
    if (e.kind == MSYS_TRACE_RESUME && e.cause != 0)
      line += " by " + Letter(e.cause);
    if (e.waits_for != nullptr) line += std::string(" for ") + e.waits_for;
    constexpr const char* kOutcomes[] = {"", " done", " failed", " cancelled"};
    line += kOutcomes[e.outcome];
    if (e.kind == MSYS_TRACE_START && e.name != nullptr)
      line += std::string(" ") + e.name;
    if (e.kind == MSYS_TRACE_START && e.source != nullptr)
      line += std::string(" ") + e.source + ":" + std::to_string(e.line);
    if (e.kind == MSYS_TRACE_START && e.pool != nullptr)
      line += std::string(" of ") + e.pool;
    events_.push_back({line, where, e.kind, e.id, e.time_ns, e.queued_ns,
                       e.started_ns});
    contexts_.push_back(e.callout_ctx);
  }

  std::string Lines() const {
    const std::lock_guard lock(mu_);
    std::string out;
    for (const Event& event : events_)
      out += event.where + ": " + event.line + "\n";
    return out;
  }
  std::vector<Event> events() const {
    const std::lock_guard lock(mu_);
    return events_;
  }
  std::vector<void*> contexts() const {
    const std::lock_guard lock(mu_);
    return contexts_;
  }

 private:
  std::string Letter(std::uint64_t id) {
    if (id == 0) return "nobody";
    const auto [at, is_new] = letters_.emplace(
        id, std::string(1, static_cast<char>('A' + letters_.size())));
    return at->second;
  }

  mutable std::mutex mu_;
  std::map<std::uint64_t, std::string> letters_;
  std::vector<Event> events_;
  std::vector<void*> contexts_;
};

class TraceTest : public testing::Test {
 protected:
  TraceTest() {
    host_.trace = [this](const msys_trace_event& e) {
      if (std::strcmp(e.state, "traced") == 0) recorder_.Take(e);
    };
    plugin_.emplace(api_, host_,
                    std::vector<PoolSpec>{{"one", 1}, {"two", 1},
                                          {"narrow", 1, 1}});
    state_ = NewState("traced");
  }
  std::unique_ptr<TestState> NewState(const std::string& name) {
    return std::make_unique<TestState>(*plugin_, 0, name,
                                       std::ref(gates_));
  }
  // All lines, once there is one that ends with `last`.
  std::string Run(const std::string& source,
                  const std::string& last = "A END done") {
    EXPECT_EQ(state_->Run(source).status, MSYS_OK);
    return Await(last);
  }
  std::string Await(const std::string& last) {
    for (;;) {
      std::string lines = recorder_.Lines();
      if (lines.find(last + "\n") != std::string::npos) return lines;
      std::this_thread::yield();
    }
  }

  const msys_api& api_ = *msys_plugin_entry(MSYS_ABI_MAJOR);
  Gates gates_{api_};
  Recorder recorder_;
  FakeHost host_{2};
  std::optional<TestPlugin> plugin_;
  std::unique_ptr<TestState> state_;
};

TEST(TraceIdsTest, AreUniqueInTheProcess) {
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  std::vector<std::uint64_t> ids;  // all events are of the one loop
  FakeHost host;
  host.trace = [&](const msys_trace_event& e) {
    if (e.kind == MSYS_TRACE_START) ids.push_back(e.id);
  };
  for (int i = 0; i < 2; ++i) {
    TestPlugin first(api, host), second(api, host);
    TestState a(first), b(second);
    for (TestState* state : {&a, &b}) EXPECT_EQ(state->Run("").text(), "OK");
  }
  EXPECT_EQ(ids.size(), 4u);
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

TEST_F(TraceTest, ASynchronousCall) {
  EXPECT_EQ(Run("local f = function()\n end\n msys.runInPool('one', f)"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B DELIVER to A\n"
            "one/1: B END done\n"
            "loop 0: A RESUME by B\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, FailuresOfClosureAndCallout) {
  auto running = state_->Start(
      "local ok, e = msys.runInPool('one', function() error('no', 0) end)"
      " error(e, 0)");
  EXPECT_EQ(running->Wait().text(), "LUA no");
  EXPECT_EQ(recorder_.Lines(),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B DELIVER to A\n"
            "one/1: B END failed\n"
            "loop 0: A RESUME by B\n"
            "loop 0: A END failed\n");
}

TEST_F(TraceTest, AnAsynchronousCall) {
  EXPECT_EQ(Run("msys.runInPool('one', function() end, true)"
                " msys.runInPool('one', function() end)"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: C SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B END done\n"
            "one/1: C START =test:1 of one\n"
            "one/1: C DELIVER to A\n"
            "one/1: C END done\n"
            "loop 0: A RESUME by C\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, ACompletionFunctionOnTheSameThreadThatSuspends) {
  EXPECT_EQ(Run("local _, job = msys.runInPool('one', function() end,"
                " function() msys.runInPool('two', function() end) end)"
                " job:wait() local _, other = msys.runInPool('one', function()"
                " end, function() error('no') end) other:wait()"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for job\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B DELIVER to A\n"
            "one/1: B END done\n"
            "one/1: B COMPLETION\n"
            "one/1: C SUBMIT by B\n"
            "one/1: B SUSPEND for results\n"
            "loop 0: A RESUME by B\n"
            "loop 0: D SUBMIT by A\n"
            "loop 0: A SUSPEND for job\n"
            "two/1: C START =test:1 of two\n"
            "two/1: C DELIVER to B\n"
            "two/1: C END done\n"
            "one/1: B RESUME by C\n"
            "one/1: B COMPLETED done\n"
            "one/1: D START =test:1 of one\n"
            "one/1: D DELIVER to A\n"
            "one/1: D END done\n"
            "one/1: D COMPLETION\n"
            "one/1: D COMPLETED failed\n"
            "loop 0: A RESUME by D\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, ACompletionFunctionOnTheScheduler) {
  EXPECT_EQ(Run("msys.runInPool('one', function() end, function() end,"
                " msys.core.ECTP_COMPLETE_CALLBACK_SCHED)",
                "B COMPLETED done"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A END done\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B END done\n"
            "loop 0: B COMPLETION\n"
            "loop 0: B COMPLETED done\n");
}

TEST_F(TraceTest, ANestedCall) {
  EXPECT_EQ(Run("msys.runInPool('one', function()"
                " msys.runInPool('two', function() end) end)"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "one/1: B START =test:1 of one\n"
            "one/1: C SUBMIT by B\n"
            "one/1: B SUSPEND for results\n"
            "two/1: C START =test:1 of two\n"
            "two/1: C DELIVER to B\n"
            "two/1: C END done\n"
            "one/1: B RESUME by C\n"
            "one/1: B DELIVER to A\n"
            "one/1: B END done\n"
            "loop 0: A RESUME by B\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, AJobThatIsDroppedEndsWithoutAStart) {
  EXPECT_EQ(Run("local _, job = msys.runInPool('one', function() end,"
                " function() end) assert(job:cancel())"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: B END cancelled\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, AJobOnAnotherLoopHasNoPool) {
  EXPECT_EQ(Run("msys.runInInst(1, function() end)"),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "loop 1: B START =test:1\n"
            "loop 1: B DELIVER to A\n"
            "loop 1: B END done\n"
            "loop 0: A RESUME by B\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, AScriptThatSleepsGoesOnByItself) {
  EXPECT_EQ(Run("msys.sleep(0)"),
            "loop 0: A START test\n"
            "loop 0: A SUSPEND for sleep\n"
            "loop 0: A RESUME\n"
            "loop 0: A END done\n");
}

TEST_F(TraceTest, ACancelledCalloutGoesOnToEnd) {
  auto other = NewState("other");
  auto holding = other->Start(
      "msys.lock('x') msys.runInPool('two', function() block('x') end)");
  gates_["x"].AwaitArrivals();
  auto running =
      state_->Start("msys.runInPool('one', function() msys.lock('x') end)");
  Await("B SUSPEND for lock");
  running->Cancel();
  EXPECT_EQ(running->Wait().status, MSYS_E_CANCELLED);
  gates_["x"].Open();
  Await("B END done");
  running = state_->Start(
      "local m = thread.mutex(thread.MUTEX_NORMAL) m:lock() m:lock()");
  Await("C SUSPEND for mutex");
  running->Cancel();
  EXPECT_EQ(running->Wait().status, MSYS_E_CANCELLED);
  EXPECT_EQ(recorder_.Lines(),
            "loop 0: A START test\n"
            "loop 0: B SUBMIT by A\n"
            "loop 0: A SUSPEND for results\n"
            "one/1: B START =test:1 of one\n"
            "one/1: B SUSPEND for lock\n"
            "loop 0: A RESUME\n"
            "loop 0: A END cancelled\n"
            "one/1: B RESUME\n"
            "one/1: B END done\n"
            "loop 0: C START test\n"
            "loop 0: C SUSPEND for mutex\n"
            "loop 0: C RESUME\n"
            "loop 0: C END cancelled\n");
}

TEST_F(TraceTest, ABlockingRegionAndAFullBacklog) {
  auto running = state_->Start(
      "msys.runInPool('narrow', function() block('gate') end, true)"
      " msys.runInPool('narrow', function() end)");
  gates_["gate"].AwaitArrivals();
  gates_["gate"].Open();
  EXPECT_EQ(running->Wait().status, MSYS_OK);
  const std::string lines = recorder_.Lines();
  EXPECT_NE(lines.find("loop 0: A SUSPEND for results\n"), std::string::npos);
  EXPECT_NE(lines.find("narrow/1: B START =test:1 of narrow\n"
                       "narrow/1: B BLOCK\n"),
            std::string::npos)
      << lines;
  EXPECT_NE(lines.find("narrow/1: B UNBLOCK\n"), std::string::npos) << lines;
}

TEST_F(TraceTest, ACallThatWaitsForRoomOnly) {
  const std::string lines =
      Run("for i = 1, 2 do msys.runInPool('narrow', function() end, true) end");
  EXPECT_EQ(lines.find("loop 0: A START test\n"
                       "loop 0: B SUBMIT by A\n"
                       "loop 0: C SUBMIT by A\n"
                       "loop 0: A SUSPEND for room\n"),
            0u)
      << lines;
  EXPECT_NE(lines.find("loop 0: A RESUME\n"), std::string::npos) << lines;
}

TEST(TraceResultsTest, ACallThatGivesItsResultsWaitsForThem) {
  FakeHost host;
  std::mutex mu;
  std::vector<std::string> waits;
  host.trace = [&](const msys_trace_event& event) {
    if (event.kind != MSYS_TRACE_SUSPEND) return;
    const std::lock_guard lock(mu);
    waits.emplace_back(event.waits_for);
  };
  TestPlugin plugin(*msys_plugin_entry(MSYS_ABI_MAJOR), host, {},
                    MSYS_COMPLETION_RETURNS_RESULTS);
  TestState state(plugin);
  state.Run("msys.runInPool('IO', function() end, function() end)");
  EXPECT_EQ(waits, std::vector<std::string>{"results"});
}

TEST_F(TraceTest, AParkedJobSaysSinceWhen) {
  auto other = NewState("other");
  auto blocking =
      other->Start("msys.runInPool('one', function() block('one') end)");
  gates_["one"].AwaitArrivals();
  EXPECT_EQ(state_->Run("msys.runInPool('one', function() end, true)").status,
            MSYS_OK);
  auto holding =
      state_->Start("msys.runInPool('two', function() hold('two') end)");
  gates_["two"].AwaitArrivals();
  gates_["one"].Open();  // its worker comes for the state, which is busy
  EXPECT_EQ(blocking->Wait().status, MSYS_OK);
  EXPECT_EQ(other->Run("msys.runInPool('one', function() end)").text(),
            "OK");
  gates_["two"].Open();
  EXPECT_EQ(holding->Wait().status, MSYS_OK);
  const std::string lines = Await("B END done");
  EXPECT_NE(lines.find("one/1: B PARK\none/1: B START =test:1 of one\n"),
            std::string::npos)
      << lines;
  const auto events = recorder_.events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind != MSYS_TRACE_PARK) continue;
    // Between its coming and its start the other closure has ended.
    EXPECT_GE(events[i].time_ns, events[i].queued_ns);
    EXPECT_LT(events[i].time_ns, events[i - 1].time_ns);
  }
}

TEST_F(TraceTest, TimesAreInOrderAndTellTheWaitAndTheRun) {
  Run("msys.runInPool('one', function() msys.runInPool('two', function() end)"
      " end) msys.runInPool('one', function() end, function() end)",
      "D COMPLETED done");
  std::uint64_t last = 0;
  std::map<std::uint64_t, Event> starts;
  int ends = 0;
  for (const Event& event : recorder_.events()) {
    EXPECT_GE(event.time_ns, last);
    last = event.time_ns;
    if (event.kind == MSYS_TRACE_SUBMIT) {
      EXPECT_EQ(event.queued_ns, 0u);
      EXPECT_EQ(event.started_ns, 0u);
    }
    if (event.kind == MSYS_TRACE_START) starts.emplace(event.id, event);
    if (event.kind != MSYS_TRACE_END || event.queued_ns == 0) continue;
    ++ends;
    EXPECT_LT(event.queued_ns, event.started_ns);
    EXPECT_LE(event.started_ns, starts.at(event.id).time_ns);
    EXPECT_EQ(event.queued_ns, starts.at(event.id).queued_ns);
    EXPECT_EQ(event.started_ns, starts.at(event.id).started_ns);
  }
  EXPECT_EQ(ends, 3);
}

TEST_F(TraceTest, ACalloutsContextIsItsOwn) {
  auto running = state_->Start("msys.runInPool('one', function() end)");
  running->Wait();
  const auto events = recorder_.events();
  const auto contexts = recorder_.contexts();
  for (std::size_t i = 0; i < events.size(); ++i) {
    const bool callout = events[i].id == events[0].id;
    EXPECT_EQ(contexts[i] != nullptr, callout) << events[i].line;
  }
}

// A host of ABI 1.0 has no trace, and one that does not want it sets NULL.
TEST(NoTraceTest, NothingIsSentToNobody) {
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  FakeHost host;
  EXPECT_EQ(host.Abi().trace, nullptr);
  TestPlugin plugin(api, host, {{"one", 1}});
  TestState state(plugin);
  EXPECT_EQ(state.Run("msys.runInPool('one', function() end)").text(), "OK");
}

}  // namespace
}  // namespace msys::test
