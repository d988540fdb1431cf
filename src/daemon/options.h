// sluiced's command line: to a SwitchConfig and to how the process shall behave.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bridge/config.h"

namespace sluice::daemon {

struct Options {
  bridge::SwitchConfig config;
  std::string config_file;             ///< empty: everything was on the command line
  std::string run_dir;                 ///< resolved: option, environment, file, default
  std::string log_file;                ///< empty: none
  std::vector<std::string> verbosity;  ///< words for Log::set
  bool verbose = false;                ///< INFO on standard error
};

/// What to do instead of running: print and end with this status.
struct Finished {
  int status = 0;
  std::string out, err;
};

std::variant<Options, Finished> parse_options(int argc, const char* const* argv);

}  // namespace sluice::daemon
