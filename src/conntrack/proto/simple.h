// The state machine of every protocol without one of its own: has the connection been answered, and what was
// seen of it?
#pragma once

#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"

namespace sluice::conntrack::simple {

inline void open(Entry& entry) {
  entry.set_simple_state(SimpleState::First);
}

/// First -> Single on a second packet of the opener, -> Multiple for good on the first reply.
inline Verdict update(Entry& entry, Direction from) {
  if (entry.simple_state() != SimpleState::Multiple)
    entry.set_simple_state(from == Direction::Reply ? SimpleState::Multiple : SimpleState::Single);
  return {entry.simple_state() == SimpleState::Multiple ? Outcome::Established : Outcome::New};
}

}  // namespace sluice::conntrack::simple
