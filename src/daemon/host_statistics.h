// What Open_vSwitch.statistics tells of the machine (ovs-vswitchd.conf.db(5)): processors, load, memory, the
// daemons of the run directory, file systems. Read from /proc and statvfs(3): some hundred microseconds. Main
// thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::daemon {

using HostStatistics = std::vector<std::pair<std::string, std::string>>;

/// What can't be found out is left out.
/// @param own_pidfile  of this process, empty if there is none
HostStatistics host_statistics(const std::string& run_dir, const std::string& own_pidfile);

}  // namespace sluice::daemon
