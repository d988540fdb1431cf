#include "base/rcu.h"

#include <urcu/urcu-qsbr.h>

#include <mutex>
#include <utility>
#include <vector>

#include "base/limits.h"

// ThreadSanitizer cannot see the grace periods that liburcu builds from barriers: these tell it the order.
#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#define SLUICE_TSAN_ACQUIRE(p) __tsan_acquire(p)
#define SLUICE_TSAN_RELEASE(p) __tsan_release(p)
#else
#define SLUICE_TSAN_ACQUIRE(p) ((void)(p))
#define SLUICE_TSAN_RELEASE(p) ((void)(p))
#endif

namespace sluice::rcu {
namespace {

char grace_period_order;
thread_local bool registered = false;
thread_local bool reading = false;
thread_local bool may_wait = true;

struct Retired {
  std::mutex mutex;
  std::vector<std::function<void()>> list;
};

Retired& retired() {
  static Retired instance;
  return instance;
}

void run_all(const std::vector<std::function<void()>>& list) {
  if (list.empty()) return;
  synchronize();
  for (auto& destroy : list) destroy();
}

}  // namespace

ThreadRegistration::ThreadRegistration() {
  urcu_qsbr_register_thread();
  registered = reading = true;
}

ThreadRegistration::~ThreadRegistration() {
  SLUICE_TSAN_RELEASE(&grace_period_order);
  urcu_qsbr_unregister_thread();
  registered = reading = false;
}

void quiescent() {
  SLUICE_TSAN_RELEASE(&grace_period_order);
  urcu_qsbr_quiescent_state();
}

void offline() {
  SLUICE_TSAN_RELEASE(&grace_period_order);
  urcu_qsbr_thread_offline();
  reading = false;
}

void online() {
  urcu_qsbr_thread_online();
  reading = true;
}

void synchronize() {
  const bool was_reading = registered && reading;
  if (was_reading) offline();
  urcu_qsbr_synchronize_rcu();
  SLUICE_TSAN_ACQUIRE(&grace_period_order);
  if (was_reading) online();
}

WithoutWaiting::WithoutWaiting() : before_(std::exchange(may_wait, false)) {}
WithoutWaiting::~WithoutWaiting() {
  may_wait = before_;
}

void retire(std::function<void()> destroy) {
  std::vector<std::function<void()>> due;
  {
    const std::lock_guard lock(retired().mutex);
    retired().list.push_back(std::move(destroy));
    if (may_wait && retired().list.size() >= limits::kRcuRetireBatch) due.swap(retired().list);
  }
  run_all(due);
}

void reclaim() {
  // Destroying one object may retire others.
  for (;;) {
    std::vector<std::function<void()>> due;
    {
      const std::lock_guard lock(retired().mutex);
      due.swap(retired().list);
    }
    if (due.empty()) return;
    run_all(due);
  }
}

}  // namespace sluice::rcu
