// The command line of ovs-vswitchd: sluiced understands it when it is started under that name, or with a
// database to be configured by. Source: ovs-vswitchd(8).
#pragma once

#include <string>
#include <variant>

#include "daemon/options.h"

namespace sluice::daemon {

/// Whether the command line is one of ovs-vswitchd.
bool is_vswitchd(const std::string& program, int argc, const char* const* argv);

std::variant<Options, Finished> parse_vswitchd_options(const std::string& program, int argc, char** argv);

}  // namespace sluice::daemon
