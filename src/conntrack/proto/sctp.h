// The SCTP state machine (RFC 9260): which chunks a packet carries, whether its verification tag is the one
// that its direction has to carry, and what that makes of the association.
//
// An association here is a pair of addresses and ports; that of a further address of a multi-homed end begins
// with a HEARTBEAT, one that is picked up in mid-stream with whatever chunk. Such learn their tags from the
// first packets. Otherwise tags come from INIT and INIT ACK and hold from COOKIE ECHO on (section 5.2: until
// then a restart or a collision of two INITs has not replaced anything, and a forged INIT changes nothing).
//
// Sources: RFC 9260 sections 5 (setup), 6.10 (bundling), 8.3 (heartbeat), 8.5 (tags), 9 (end).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"
#include "conntrack/reason.h"

namespace sluice::conntrack::sctp {

enum class Chunk : std::uint8_t {
  Data = 0,
  Init = 1,
  InitAck = 2,
  Sack = 3,
  Heartbeat = 4,
  HeartbeatAck = 5,
  Abort = 6,
  Shutdown = 7,
  ShutdownAck = 8,
  Error = 9,
  CookieEcho = 10,
  CookieAck = 11,
  ShutdownComplete = 14,
  IData = 64,  // RFC 8260
};

/// Control chunks looked at in one packet; no end sends so many (they come before all DATA, section 6.10).
inline constexpr unsigned kMaxChunks = 32;

/// Why a packet can't begin an association here, None if it can: an answer to what was never sent, or
/// malformed. @param packet  common header and chunks, at least one chunk header
Reason may_open(Bytes packet);

/// The association after its first packet, one that may open.
void open(Entry& entry, Bytes packet);

/// Advances the association by a packet of its direction.
Verdict update(Entry& entry, Direction from, Bytes packet);

constexpr Timeout timeout_of(SctpState state) {
  switch (state) {
    case SctpState::CookieWait:
      return Timeout::SctpCookieWait;
    case SctpState::CookieEchoed:
      return Timeout::SctpCookieEchoed;
    case SctpState::Established:
      return Timeout::SctpEstablished;
    case SctpState::ShutdownSent:
      return Timeout::SctpShutdownSent;
    case SctpState::ShutdownReceived:
      return Timeout::SctpShutdownReceived;
    case SctpState::ShutdownAckSent:
      return Timeout::SctpShutdownAckSent;
    case SctpState::HeartbeatSent:
      return Timeout::SctpHeartbeatSent;
    case SctpState::Closed:
      break;
  }
  return Timeout::SctpClosed;
}

}  // namespace sluice::conntrack::sctp
