// Turns, lanes and regions under many threads at once.  `owner` is written
// without any lock: T1 makes that right, and TSan says when it is not.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "turn.h"

namespace msys {
namespace {

// Threads that take lanes from a queue, as a pool's workers do.
class Threads final : public Executor {
 public:
  Threads(int count, bool loop) : Executor(loop) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this](std::stop_token stop) { Work(stop); });
    }
  }
  bool Wake(Lane& lane, Worker*) override {
    const std::lock_guard lock(mu_);
    lanes_.push_back(&lane);
    wake_.notify_one();
    return is_loop() || static_cast<std::size_t>(idle_) >= lanes_.size();
  }

 private:
  void Work(const std::stop_token& stop) {
    for (;;) {
      Lane* lane = nullptr;
      {
        std::unique_lock lock(mu_);
        ++idle_;
        wake_.wait(lock, stop, [&] { return !lanes_.empty(); });
        --idle_;
        if (lanes_.empty()) return;
        lane = lanes_.front();
        lanes_.pop_front();
      }
      if (lane->turn.TakeOrPark(*lane)) lane->runner.RunLane(*lane, nullptr);
    }
  }

  std::mutex mu_;
  std::condition_variable_any wake_;
  std::deque<Lane*> lanes_;
  int idle_ = 0;
  std::vector<std::jthread> threads_;
};

// A state whose work is: do as the dice say, so many steps long.
class DiceState final : public LaneRunner {
 public:
  DiceState(std::vector<Threads*> executors, int items, int steps)
      : random_(static_cast<unsigned>(items)) {
    for (Threads* executor : executors) {
      lanes_.push_back(std::make_unique<Lane>(turn_, *executor, *this));
    }
    for (int i = 0; i < items; ++i) {
      items_.push_back(std::make_unique<Item>());
      items_.back()->steps = steps;
      items_.back()->work.owner = items_.back().get();
    }
    left_ = items;
  }

  void Start() {
    for (auto& item : items_) {
      const std::uint64_t place = item->work.order++ % lanes_.size();
      Lane& lane = *lanes_[static_cast<std::size_t>(place)];
      if (lane.Push(&item->work)) turn_.Submit(lane);
    }
  }
  void Await() {
    std::unique_lock lock(done_mu_);
    done_.wait(lock, [&] { return left_ == 0; });
  }
  long runs() const { return runs_; }

  void RunLane(Lane& lane, Worker*) override {
    Enter();
    bool mine = true;
    std::vector<Work*> finished;
    for (int i = 0; i < 3 && mine; ++i) {
      Work* work = First(lane);
      if (work == nullptr) break;
      ++runs_;
      auto& item = Work::OwnerOf<Item>(work);
      if (!lane.executor.is_loop() && random_() % 4 == 0) {
        // A blocking region: others may have the state, and the lane.  A loop
        // never waits, so it has none.
        mine = false;
        if (lane.Settle()) turn_.Ready(lane);
        Exit();
        turn_.Release(nullptr);
        if (random_shared_.fetch_add(1) % 2 == 0) std::this_thread::yield();
        turn_.TakeWaiting();
        Enter();
      }
      if (--item.steps == 0) {
        finished.push_back(work);
        continue;
      }
      Lane& next = *lanes_[random_() % lanes_.size()];
      work->order = ++order_;
      if (next.Push(work)) turn_.Ready(next);
    }
    if (mine && lane.Settle()) turn_.Ready(lane);
    Exit();
    turn_.Release(nullptr);
    // The last one may end the test: nothing of the state is touched after it.
    if (!finished.empty()) {
      const std::lock_guard lock(done_mu_);
      left_ -= static_cast<int>(finished.size());
      if (left_ == 0) done_.notify_all();
    }
  }

 private:
  struct Item {
    Work work;
    int steps = 0;
  };

  Work* First(Lane& lane) {
    Work* first = nullptr;
    lane.ForEach([&](Work* work) {
      first = work;
      return false;
    });
    return first != nullptr && lane.Remove(first) ? first : nullptr;
  }
  void Enter() {
    ASSERT_EQ(owner_, std::thread::id()) << "T1: two threads in one state";
    owner_ = std::this_thread::get_id();
  }
  void Exit() { owner_ = std::thread::id(); }

  Turn turn_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Item>> items_;
  std::thread::id owner_;  // shadow: of the holder
  std::minstd_rand random_;
  std::atomic<unsigned> random_shared_{0};
  std::uint64_t order_ = 0;
  long runs_ = 0;

  std::mutex done_mu_;
  std::condition_variable done_;
  int left_ = 0;
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kSteps = 200;
#else
constexpr int kSteps = 2000;
#endif

void Torture(int states, int items) {
  std::vector<std::unique_ptr<DiceState>> all;
  {
    Threads pool_a(3, false), pool_b(1, false), loop(1, true);
    for (int i = 0; i < states; ++i) {
      all.push_back(std::make_unique<DiceState>(
          std::vector<Threads*>{&pool_a, &pool_b, &loop}, items, kSteps));
    }
    for (auto& state : all) state->Start();
    for (auto& state : all) state->Await();
  }  // the threads have gone
  for (auto& state : all) EXPECT_EQ(state->runs(), long{items} * kSteps);
}

TEST(TurnTortureTest, T1_T7_OneStateManyThreads) { Torture(1, 10); }
TEST(TurnTortureTest, T1_T7_ManyStates) { Torture(8, 5); }
TEST(TurnTortureTest, T1_T7_OneItemAtATime) { Torture(1, 1); }

}  // namespace
}  // namespace msys
