// Talking to a running sluiced from the command line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace sluice::cli {

/// Which daemon, and how answers are wanted: the options that every subcommand takes.
struct Common {
  std::string target = "sluiced";  ///< a socket path, or a program name whose pidfile is in the run directory
  std::string run_dir;
  unsigned timeout_s = 0;  ///< 0 = wait for ever
  bool json = false;
};

/// Runs one command of the control socket. Errors are sentences for standard error.
Result<std::string> ask(const Common& common, const std::string& command,
                        const std::vector<std::string>& args = {});

/// Exit statuses of every subcommand.
inline constexpr int kOk = 0, kFailed = 1, kUsage = 2;

/// Prints "sluice: MESSAGE" to standard error and returns kFailed.
int complain(const Error& error);
int complain(const std::string& message);
/// Prints to standard output, ending with a line feed. kFailed if it could not be written.
int print(std::string text);

}  // namespace sluice::cli
