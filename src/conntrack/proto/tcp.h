// The TCP state machine and sequence window tracking.
//
// Each end has a state, the highest sequence number it sent, the highest it may send, and its largest window
// (Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter", 2000, as pf does it). A segment
// belongs to the connection if
//   its last octet is inside what the other end's window allowed,
//   its first is not more than one window back (a retransmission),
//   and it acknowledges neither unsent data nor data from more than a window ago.
// Connections picked up in mid-stream start with no knowledge and learn both windows from the first segments.
//
// Sources: RFC 9293 (states, window), RFC 7323 section 2 (scaling), RFC 5961 sections 3 to 5 (RST, SYN, ACK
// validation).
#pragma once

#include <cstdint>

#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"
#include "net/protocol.h"

namespace sluice::conntrack::tcp {

struct Segment {
  std::uint32_t seq = 0, ack = 0;
  std::uint32_t payload = 0;             ///< bytes
  std::uint16_t window = 0;              ///< as in the header
  std::uint16_t flags = 0;               ///< net::tcp_flag
  std::uint8_t scale = Entry::kNoScale;  ///< of a SYN's window scale option
};

/// @param header    a TCP header that walk() found, options included
Segment read(const std::uint8_t* header, std::uint32_t payload_bytes);

/// False for combinations that no TCP sends: none of SYN, ACK and RST; SYN with RST or FIN; FIN, PSH or URG
/// without ACK.
constexpr bool flags_possible(std::uint16_t flags) {
  using namespace net::tcp_flag;
  if ((flags & kSyn) != 0) {
    if ((flags & (kRst | kFin)) != 0) return false;
  } else if ((flags & (kAck | kRst)) == 0) {
    return false;
  }
  return (flags & kAck) != 0 || (flags & (kFin | kPsh | kUrg)) == 0;
}

/// Whether a segment may begin a connection: SYN, or anything in mid-stream except SYN|ACK.
constexpr Reason may_open(std::uint16_t flags) {
  using namespace net::tcp_flag;
  if (!flags_possible(flags)) return Reason::TcpBadFlags;
  return (flags & (kSyn | kAck)) == (kSyn | kAck) ? Reason::TcpSynAckWithoutConnection : Reason::None;
}

/// The state after the first segment.
void open(Entry& entry, const Segment& segment);

/// Advances the connection by a segment of its direction. With `check_sequence` off every segment is in the
/// window.
Verdict update(Entry& entry, Direction direction, const Segment& segment, bool check_sequence);

constexpr Timeout timeout_of(TcpState original, TcpState reply) {
  const TcpState low = original < reply ? original : reply, high = original < reply ? reply : original;
  if (low >= TcpState::FinWait2) return Timeout::TcpClose;
  if (low >= TcpState::Closing) return Timeout::TcpTimeWait;
  if (low == TcpState::Closed && high == TcpState::SynSent) return Timeout::TcpSynSent;
  if (low < TcpState::Established) return Timeout::TcpSynRecv;
  return high >= TcpState::Closing ? Timeout::TcpFinWait : Timeout::TcpEstablished;
}

}  // namespace sluice::conntrack::tcp
