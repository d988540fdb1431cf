// The workers' counters since somebody cleared them: dpif-netdev/pmd-stats-show and pmd-stats-clear. Main
// thread.
#pragma once

#include <string>
#include <vector>

#include "bridge/switch.h"
#include "datapath/counters.h"

namespace sluice::daemon {

class PmdStats {
 public:
  explicit PmdStats(bridge::Switch& device) : device_(device), cleared_(device.datapath().workers()) {}

  std::string show() const;
  void clear();

 private:
  bridge::Switch& device_;
  std::vector<datapath::DatapathStats> cleared_;  ///< by worker
};

}  // namespace sluice::daemon
