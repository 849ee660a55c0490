#include "worker_slot.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "pool.h"

namespace msys {
namespace {

// The name this thread bears: most entries are into the arena that the thread
// was in before, and a name costs a system call.
thread_local std::uint64_t named_for = 0;
std::atomic<std::uint64_t> last_name_id{0};  // relaxed: only unique
thread_local int own_tid = 0;

constexpr char kIdleName[] = "msys-idle";

void BlockAsynchronousSignals() {
  sigset_t signals;
  sigfillset(&signals);
  // A fault must reach the thread that caused it.
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&signals, fault);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

WorkerSlot::WorkerSlot(Pool& pool, int number)
    : pool_(pool),
      number_(number),
      namer_(arena_, *this),
      name_id_(last_name_id.fetch_add(1, std::memory_order_relaxed) + 1) {
  arena_.initialize();
  namer_.observe(true);
}

WorkerSlot::~WorkerSlot() { namer_.observe(false); }

void WorkerSlot::Enqueue(Function work, Lane& lane) {
  // An exception would end the process when it left the task; work has none to
  // throw.
  arena_.enqueue([this, work, &lane]() noexcept { work(*this, lane); });
}

void WorkerSlot::Namer::on_scheduler_entry(bool is_worker) {
  const auto id = slot_.name_id_.load(std::memory_order_relaxed);
  if (!is_worker || named_for == id) return;
  if (own_tid == 0) {
    own_tid = static_cast<int>(syscall(SYS_gettid));
    BlockAsynchronousSignals();
  }
  named_for = id;
  slot_.tid_.store(own_tid, std::memory_order_relaxed);
  char name[16];  // the kernel's limit
  std::snprintf(name, sizeof name, "%.10s/%d", slot_.pool_.name().c_str(),
                slot_.number_);
  pthread_setname_np(pthread_self(), name);
}

void WorkerSlot::Retire() {
  const int tid = tid_.exchange(0, std::memory_order_relaxed);
  name_id_.store(last_name_id.fetch_add(1, std::memory_order_relaxed) + 1,
                 std::memory_order_relaxed);
  if (tid == 0) return;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
  if (std::FILE* comm = std::fopen(path, "r+")) {
    char now[32] = "";
    char mine[16];
    std::snprintf(mine, sizeof mine, "%.10s/%d", pool_.name().c_str(), number_);
    if (std::fgets(now, sizeof now, comm) != nullptr) {
      now[std::char_traits<char>::length(now) - 1] = '\0';
      if (std::string(now) == mine) {
        std::rewind(comm);
        std::fputs(kIdleName, comm);
      }
    }
    std::fclose(comm);
  }
}

}  // namespace msys
