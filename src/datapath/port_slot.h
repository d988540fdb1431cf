// A port as the workers see it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "datapath/meter.h"
#include "port/port.h"

namespace sluice::datapath {

/// Owned by the Datapath. Only `worker` receives from the port; all workers send to it, under the lock when
/// there are several (`shared`).
struct alignas(64) PortSlot {
  std::uint32_t number;
  unsigned worker;
  bool shared;
  std::unique_ptr<port::Port> port;
  // What the device last said of itself. Main's.
  net::Mac mac;
  std::uint32_t mtu = 0;
  bool link_up = false;
  std::optional<bool> admin_up;
  std::vector<std::unique_ptr<Meter>> limits;  ///< of what is received; used by `worker` alone
  std::mutex send_lock;  ///< held across the system call that sends: who must wait, sleeps
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
