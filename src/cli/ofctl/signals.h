// Signals that end the program, and the alarm of --timeout: they interrupt what waits for a peer, are logged
// as vlog does, and then end the process as their default action would.
#pragma once

#include "cli/ofctl/log.h"

namespace sluice::cli::ofctl {

/// To be called once, before anything waits. @param timeout_s  0: no alarm
void catch_signals(unsigned timeout_s);
/// Ends the process if a signal has come. To be called whenever a system call that waits returns.
void take_signals(Log& log);

}  // namespace sluice::cli::ofctl
