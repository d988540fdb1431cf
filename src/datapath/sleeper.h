// Where a worker sleeps when its ports are quiet: epoll over the ports that have a descriptor, and an eventfd
// by which others wake it.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::datapath {

struct PortSlot;

class Sleeper {
 public:
  Sleeper() = default;
  ~Sleeper();
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  /// Before anything else. Fails when the process may have no more descriptors.
  Status open();

  /// The descriptor of a port.
  Status watch(int fd, PortSlot& slot);
  void forget(int fd);
  /// Returns when a watched descriptor is readable, after wake(), or after the time. A descriptor that is
  /// only in error (its device has gone) is no reason to return at once: it would be one for ever.
  /// @param ready  gets ports whose descriptors are readable or in error: of many some, others the next time
  void sleep(Duration at_most, std::vector<PortSlot*>& ready);
  /// Any thread.
  void wake();

 private:
  Status add(int fd, PortSlot* slot);

  int epoll_ = -1, event_ = -1;
};

}  // namespace sluice::datapath
