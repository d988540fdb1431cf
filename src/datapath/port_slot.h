// A port as the workers see it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "port/port.h"

namespace sluice::datapath {

/// A lock held for the microsecond that sending a batch takes.
class SpinLock {
 public:
  void lock() {
    while (locked_.exchange(true, std::memory_order_acquire))
      while (locked_.load(std::memory_order_relaxed)) __builtin_ia32_pause();
  }
  void unlock() { locked_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> locked_{false};
};

/// Owned by the Datapath. Only `worker` receives from the port; all workers send to it, under the lock when
/// there are several (`shared`).
struct alignas(64) PortSlot {
  std::uint32_t number;
  unsigned worker;
  bool shared;
  std::unique_ptr<port::Port> port;
  SpinLock send_lock;
};

/// Holds the slot's lock if it needs one.
class SendGuard {
 public:
  explicit SendGuard(PortSlot& slot) : slot_(slot) {
    if (slot_.shared) slot_.send_lock.lock();
  }
  ~SendGuard() {
    if (slot_.shared) slot_.send_lock.unlock();
  }
  SendGuard(const SendGuard&) = delete;
  SendGuard& operator=(const SendGuard&) = delete;

 private:
  PortSlot& slot_;
};

}  // namespace sluice::datapath
