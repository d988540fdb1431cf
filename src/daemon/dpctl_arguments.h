// The arguments of dpctl/ commands: options first, then an optional datapath, then what the command is about.
// There is one datapath, netdev@ovs-netdev.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "unixctl/command.h"

namespace sluice::daemon {

inline constexpr std::string_view kDatapathName = "netdev@ovs-netdev";

struct DpctlArguments {
  bool more = false, statistics = false, names = false;
  std::vector<std::string> words;  ///< what is no option, the datapath included
};

/// Sorts out the options; the error is ovs-vswitchd's.
Result<DpctlArguments> parse_dpctl(unixctl::Args args);

bool is_datapath(std::string_view word);

/// Removes the datapath from the front of `words`. An error if the first word is none and `extra` words or
/// more follow what the command itself takes.
Status take_datapath(std::vector<std::string>& words, std::size_t command_takes);

/// "ovs-vswitchd: MESSAGE (STRERROR)": how dpctl/ commands report errors.
tl::unexpected<Error> dpctl_error(std::string_view message, int error_number = EINVAL);

}  // namespace sluice::daemon
