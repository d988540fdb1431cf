// Files of flows, groups and bundles.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice::cli::ofctl {

/// The file, or standard input for "-". The error is "NAME: WHAT (No such file or directory)".
Result<std::string> read_file(const std::string& name, const char* what);

}  // namespace sluice::cli::ofctl
