#include "worker_slot.h"

#include <pthread.h>

#include <csignal>
#include <cstdio>

#include "pool.h"

namespace msys {
namespace {

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
      namer_(arena_, *this) {
  std::snprintf(name_, sizeof name_, "%.10s/%d", pool.name().c_str(), number);
  arena_.initialize();
  namer_.observe(true);
}

WorkerSlot::~WorkerSlot() { namer_.observe(false); }

void WorkerSlot::Enqueue(Function work, Lane& lane) {
  // An exception would end the process when it left the task; work has none to
  // throw.
  arena_.enqueue([this, work, &lane]() noexcept { work(*this, lane); });
}

// Threads wander between the pools.  One that leaves gives its name up, so that
// what /proc shows is who is where, and a pool has no more threads of its name
// than its concurrency says.
void WorkerSlot::Namer::on_scheduler_entry(bool is_worker) {
  if (!is_worker) return;
  thread_local bool blocked = false;
  if (!blocked) BlockAsynchronousSignals();
  blocked = true;
  pthread_setname_np(pthread_self(), slot_.name_);
}

void WorkerSlot::Namer::on_scheduler_exit(bool is_worker) {
  if (is_worker) pthread_setname_np(pthread_self(), kIdleName);
}

}  // namespace msys
