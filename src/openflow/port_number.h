// Port numbers on the wire. OpenFlow 1.0 has 16 bits for them; later versions 32, of which those between the
// physical ports and the reserved ones mean nothing to who knows 16.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

/// Refuses numbers that mean nothing.
Status check_port(std::uint32_t port, OfError code = OfError::BacBadOutPort);
/// take_port() of a number that means something.
Result<std::uint32_t> take_valid_port(ByteReader& in, OfVersion version);

}  // namespace sluice::openflow
