// Files and standard input, read whole.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice::cli {

/// The file, or standard input for "-".
Result<std::string> read_input(const std::string& path);

}  // namespace sluice::cli
