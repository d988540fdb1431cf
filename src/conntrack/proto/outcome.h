// What a protocol's state machine says of a packet that belongs to a connection.
#pragma once

#include "conntrack/reason.h"

namespace sluice::conntrack {

enum class Outcome : std::uint8_t {
  Established,  ///< valid: +est
  New,          ///< valid, and the connection has not been answered yet: +new
  Reopen,   ///< opens a new connection in place of this one, which is closed: +new, the old one forgotten on
            ///< commit
  Invalid,  ///< +inv; the connection is as it was
};

struct Verdict {
  Outcome outcome;
  Reason reason = Reason::None;
};

}  // namespace sluice::conntrack
