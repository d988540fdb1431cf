// What monitor and snoop do once they are connected: print what arrives to standard error until somebody ends
// them, in the background if that is asked for, and obey a control socket meanwhile (ovs-ofctl(8) "Runtime
// Management Commands"): exit, ofctl/send, ofctl/packet-out, ofctl/barrier, ofctl/set-output-file, and
// ofctl/block and ofctl/unblock, which stop and resume reading.
#pragma once

#include "cli/ofctl/connection.h"

namespace sluice::cli::ofctl {

/// What to do with messages beside printing them.
struct Listening {
  bool answers_echoes = false, resumes = false;
};

/// Prints messages until the command `exit`, a signal, or the end of the connection, which is an error.
Result<int> listen(Run& run, Connection connection, Listening listening);

}  // namespace sluice::cli::ofctl
