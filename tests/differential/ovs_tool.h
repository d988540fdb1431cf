// Runs one of the installed Open vSwitch programs over a file of lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::testing {

/// True if ovs-ofctl is installed.
bool have_ovs_ofctl();

/// The lines that `ovs-ofctl ARGUMENTS` prints on standard output, given `lines` in a file: @ in the
/// arguments stands for the file's name. Standard error is appended to `errors` if given.
std::vector<std::string> run_ovs_ofctl(const std::string& arguments, const std::vector<std::string>& lines,
                                       std::string* errors = nullptr);

}  // namespace sluice::testing
