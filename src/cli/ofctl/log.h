// What the program logs to standard error, in the form of Open vSwitch's vlog:
// "2024-05-01T10:00:00Z|00001|vconn|WARN|unix:/run/br0.mgmt: version negotiation failed". Levels are chosen
// by -v, per module (ovs-ofctl(8) "Logging Options"); messages of OpenFlow connections are module vconn,
// level DBG.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::cli::ofctl {

class Log {
 public:
  enum class Level { Off, Emer, Error, Warn, Info, Debug };

  /// "vconn:dbg", "console:warn", "dbg": destinations other than the console change nothing.
  Status set(std::string_view spec);
  bool wants(std::string_view module, Level level) const;
  void write(std::string_view module, Level level, std::string_view text);

 private:
  Level any_ = Level::Info;
  std::map<std::string, Level, std::less<>> modules_;
  unsigned written_ = 0;
};

}  // namespace sluice::cli::ofctl
