// The command line of sluice: grammar, help and shell completion.
#pragma once

namespace sluice::cli {

/// Reads the command line and runs what it asks for; the exit status.
int run(int argc, const char* const* argv);

}  // namespace sluice::cli
