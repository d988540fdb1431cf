// Flows in colours for a terminal (--color), as ovs-ofctl has them.
#pragma once

#include <string>

namespace sluice::cli::ofctl {

/// The text of dump-flows with escape sequences, or as it is.
std::string colored(std::string text, bool color);

}  // namespace sluice::cli::ofctl
