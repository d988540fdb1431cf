// Signals that end the program, and the alarm of --timeout: they interrupt what waits for a peer, are logged
// as vlog does, and then end the process as their default action would.
#pragma once

#include "base/log.h"

namespace sluice::cli::ofctl {

/// To be called once, before anything waits. @param timeout_s  0: no alarm
void catch_signals(unsigned timeout_s);
/// A process that goes on in the background has the alarm no more: sets it again.
void set_alarm(unsigned timeout_s);
/// Ends the process if a signal has come. To be called whenever a system call that waits returns.
void take_signals(log::Log& log);
/// Readable once a signal has come, for what waits for several things.
int signal_descriptor();

}  // namespace sluice::cli::ofctl
