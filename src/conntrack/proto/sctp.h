// SCTP (RFC 9260): ports and the first chunk are checked, state is that of simple.h. An association opens
// with INIT, or is picked up in mid-stream by whatever else except an answer to an INIT.
#pragma once

#include <cstdint>

#include "conntrack/proto/udp.h"
#include "conntrack/reason.h"

namespace sluice::conntrack::sctp {

inline constexpr std::uint8_t kInit = 1, kInitAck = 2, kShutdownComplete = 14;

using udp::timeout_of;

/// @param chunk      the first chunk's type
/// @param tag        the verification tag of the common header
inline Reason may_open(std::uint8_t chunk, std::uint32_t tag) {
  // Section 8.5.1: an INIT, and only an INIT, carries the tag 0.
  if ((chunk == kInit) != (tag == 0)) return Reason::SctpBadChunk;
  return chunk == kInitAck || chunk == kShutdownComplete ? Reason::SctpBadChunk : Reason::None;
}

}  // namespace sluice::conntrack::sctp
