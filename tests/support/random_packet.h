// Random packets for property tests: well-formed ones of every protocol, and damaged ones.
#pragma once

#include "base/rng.h"
#include "tests/support/packet_dsl.h"

namespace sluice::testing {

/// Any well-formed packet the switch knows headers of, with random addresses, ports, flags, tags, options,
/// extension headers, fragments and payload.
Layers random_packet(Rng& rng);

/// Flips bytes, cuts or grows the frame, or does nothing; never makes it empty.
void damage(Rng& rng, Frame& frame);

}  // namespace sluice::testing
