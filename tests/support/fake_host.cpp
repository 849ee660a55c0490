#include "fake_host.h"

#include <future>

#include "check.h"

namespace msys::test {
namespace {

struct OnThread {
  const FakeHost* host = nullptr;
  int loop = -1;
};
thread_local OnThread this_thread;

// A function as a task; deletes itself.
struct FunctionTask {
  msys_task task;  // first: Run gets its address
  std::function<void()> f;

  static void Run(msys_task* task) {
    std::unique_ptr<FunctionTask> self(reinterpret_cast<FunctionTask*>(task));
    self->f();
  }
};

}  // namespace

FakeHost::FakeHost(std::uint32_t loops) {
  for (std::uint32_t i = 0; i < loops; ++i) {
    loops_.push_back(std::make_unique<Loop>());
    loops_[i]->index = i;
  }
  for (auto& loop : loops_) {
    loop->thread = std::thread([this, &loop = *loop] { RunLoop(loop); });
  }
}

FakeHost::~FakeHost() {
  for (auto& loop : loops_) {
    {
      const std::lock_guard lock(loop->mu);
      loop->ending = true;
      loop->posted.notify_one();
    }
    loop->thread.join();
  }
}

msys_host FakeHost::Abi() {
  msys_host host{};
  host.struct_size = sizeof host;
  host.abi_major = MSYS_ABI_MAJOR;
  host.ctx = this;
  host.loop_count = static_cast<std::uint32_t>(loops_.size());
  host.post = &Post;
  host.on_loop = &OnLoop;
  host.log = &Log;
  if (trace) host.trace = &Trace;
  return host;
}

void FakeHost::Put(Loop& loop, msys_task* task, bool by_plugin) {
  task->host[0] = nullptr;
  const std::lock_guard lock(loop.mu);
  if (by_plugin) {
    ++loop.posts;
    if (loop.sleeping) ++loop.wakes;
  }
  if (loop.tail == nullptr) {
    loop.head = task;
  } else {
    loop.tail->host[0] = task;
  }
  loop.tail = task;
  loop.posted.notify_one();
}

void FakeHost::Post(void* ctx, std::uint32_t index, msys_task* task) {
  auto& self = *static_cast<FakeHost*>(ctx);
  self.Put(*self.loops_.at(index), task, true);
}

void FakeHost::RunLoop(Loop& loop) {
  this_thread = {this, static_cast<int>(loop.index)};
  for (;;) {
    msys_task* task = nullptr;
    {
      std::unique_lock lock(loop.mu);
      loop.sleeping = true;
      loop.posted.wait(lock, [&] { return loop.head != nullptr || loop.ending; });
      loop.sleeping = false;
      task = loop.head;
      if (task == nullptr) return;
      loop.head = static_cast<msys_task*>(task->host[0]);
      if (loop.head == nullptr) loop.tail = nullptr;
    }
    task->run(task);
  }
}

void FakeHost::Later(std::uint32_t loop, std::function<void()> f) {
  Put(*loops_.at(loop),
      &(new FunctionTask{{&FunctionTask::Run, {}}, std::move(f)})->task, false);
}

void FakeHost::On(std::uint32_t loop, const std::function<void()>& f) {
  Check(CurrentLoop() < 0, "On() would wait on a loop");
  std::promise<void> done;
  Later(loop, [&] {
    f();
    done.set_value();
  });
  done.get_future().wait();
}

int FakeHost::CurrentLoop() { return this_thread.loop; }

int FakeHost::OnLoop(void* ctx, std::uint32_t loop) {
  return this_thread.host == ctx && this_thread.loop == static_cast<int>(loop);
}

std::uint64_t FakeHost::posts(std::uint32_t loop) const {
  const std::lock_guard lock(loops_.at(loop)->mu);
  return loops_[loop]->posts;
}

std::uint64_t FakeHost::wakes(std::uint32_t loop) const {
  const std::lock_guard lock(loops_.at(loop)->mu);
  return loops_[loop]->wakes;
}

void FakeHost::Log(void* ctx, std::int32_t level, const char* component,
                   const char* text) {
  auto& self = *static_cast<FakeHost*>(ctx);
  const LogLine line{level, component, text};
  if (self.logged) self.logged(line);
  const std::lock_guard lock(self.log_mu_);
  self.log_.push_back(line);
  self.logged_.notify_all();
}

void FakeHost::Trace(void* ctx, const msys_trace_event* event) {
  static_cast<FakeHost*>(ctx)->trace(*event);
}

std::vector<LogLine> FakeHost::log() const {
  const std::lock_guard lock(log_mu_);
  return log_;
}

std::size_t FakeHost::LoggedLocked(const std::vector<std::string>& words) const {
  std::size_t count = 0;
  for (const LogLine& line : log_) {
    bool all = true;
    for (const std::string& word : words) {
      all = all && (line.component + ": " + line.text).find(word) !=
                       std::string::npos;
    }
    count += all;
  }
  return count;
}

std::size_t FakeHost::Logged(const std::vector<std::string>& words) const {
  const std::lock_guard lock(log_mu_);
  return LoggedLocked(words);
}

void FakeHost::AwaitLog(const std::vector<std::string>& words) const {
  std::unique_lock lock(log_mu_);
  logged_.wait(lock, [&] { return LoggedLocked(words) > 0; });
}

}  // namespace msys::test
