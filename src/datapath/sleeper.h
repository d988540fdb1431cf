// Where a worker sleeps when its ports are quiet: epoll over the ports that have a descriptor, and an eventfd
// by which others wake it.
#pragma once

#include "base/clock.h"

namespace sluice::datapath {

class Sleeper {
 public:
  Sleeper();
  ~Sleeper();
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  void watch(int fd);
  void forget(int fd);
  /// Returns when a watched descriptor is readable, after wake(), or after the time.
  void sleep(Duration at_most);
  /// Any thread.
  void wake();

 private:
  int epoll_, event_;
};

}  // namespace sluice::datapath
