// sluiced's command line: to a SwitchConfig and to how the process shall behave.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bridge/config.h"
#include "io/process.h"
#include "io/remote.h"
#include "io/tls.h"

namespace sluice::daemon {

/// Where the configuration comes from, if it is a database.
struct DatabaseOptions {
  io::Remote remote;
  io::TlsFiles tls;
  bool dummy = false, dummy_system = false, dummy_all = false;  ///< --enable-dummy[=system|override]
  bool system_routes = true;                                    ///< false: --disable-system-route
};

struct Options {
  bridge::SwitchConfig config;
  std::string config_file;             ///< empty: everything was on the command line
  std::string run_dir;                 ///< resolved: option, environment, file, default
  std::string log_file;                ///< empty: PROGRAM.log in the run directory; with a database: none
  std::vector<std::string> verbosity;  ///< words for Log::set
  bool verbose = false;                ///< INFO on standard error
  std::optional<DatabaseOptions> database;
  io::ProcessOptions process;
  // With a database, as ovs-vswitchd has them; else the pid file is PROGRAM.pid in the run directory.
  std::string pidfile;  ///< empty: none
  bool overwrite_pidfile = false;
  bool syslog = false;
};

/// What to do instead of running: print and end with this status.
struct Finished {
  int status = 0;
  std::string out, err;
};

std::variant<Options, Finished> parse_options(int argc, const char* const* argv);

}  // namespace sluice::daemon
