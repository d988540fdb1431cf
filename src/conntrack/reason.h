// Why a packet got +inv, or why no connection was created.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::conntrack {

/// Each has a sentence (reason_text) and a counter (TrackerCounters::by_reason).
enum class Reason : std::uint8_t {
  None,
  NotIp,        ///< neither IPv4 nor IPv6, or the network header could not be parsed
  NoTransport,  ///< transport header absent or truncated
  BadIpChecksum,
  BadTransportChecksum,
  BadTransportLength,
  ZeroPort,
  TcpBadFlags,
  TcpSynAckWithoutConnection,
  TcpResetWithoutConnection,
  TcpOutOfWindow,
  TcpBadAck,
  TcpRstOutOfWindow,
  IcmpUnsupportedType,
  IcmpBadCode,
  IcmpErrorTruncated,      ///< the quoted packet cannot be parsed
  IcmpErrorNoConnection,   ///< the quoted packet belongs to no connection
  NeighborDiscovery,       ///< ICMPv6 ND and MLD are never tracked
  Fragment,                ///< an unassembled fragment
  TableFull,               ///< not created: maximum of connections
  ZoneFull,                ///< not created: the zone's limit
  ReplyWithoutConnection,  ///< an echo reply or the like that can't open a connection
  SctpBadChunk,            ///< a chunk is absent, malformed, wrongly bundled or may not open a connection
  SctpBadTag,              ///< the verification tag is not the association's
  MidStream,               ///< no connection, and the zone wants to see their beginning
  NatExhausted,            ///< not created: every address and port that NAT may use is taken
  TupleTaken,              ///< not created: replies could not be told from those of a translated connection
  HelperGap,               ///< dropped: ahead of a gap in a control connection that is rewritten
};
inline constexpr unsigned kReasonCount = static_cast<unsigned>(Reason::HelperGap) + 1;

std::string_view reason_name(Reason reason);  ///< "tcp_out_of_window"
std::string_view reason_text(Reason reason);  ///< one sentence

}  // namespace sluice::conntrack
