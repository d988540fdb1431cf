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

#include <array>
#include <cstdint>

#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"
#include "net/protocol.h"
#include "wire/tcp.h"

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

/// Whether a segment may begin a connection: SYN, or anything in mid-stream except SYN|ACK and RST. (A
/// connection made of a stranger's reset would know wrong numbers and refuse what follows.)
constexpr Reason may_open(std::uint16_t flags) {
  using namespace net::tcp_flag;
  if (!flags_possible(flags)) return Reason::TcpBadFlags;
  if ((flags & kRst) != 0) return Reason::TcpResetWithoutConnection;
  return (flags & (kSyn | kAck)) == (kSyn | kAck) ? Reason::TcpSynAckWithoutConnection : Reason::None;
}

/// The state after the first segment.
void open(Entry& entry, const Segment& segment);

/// What is asked of a segment (conntrack/strictness.h).
struct Rules {
  bool check_sequence = true;
  bool liberal = false;
};

/// Advances the connection by a segment of its direction.
Verdict update(Entry& entry, Direction direction, const Segment& segment, Rules rules);

/// The largest reordering or acknowledgement lag that is forgiven where windows are not known: a window
/// without scaling and a segment.
inline constexpr std::int32_t kMaxAckWindow = 0xffff + 1500;

/// By how much each end's windows are shifted, by the sender's Direction and Entry::scales: not at all unless
/// both offered a scale.
struct ShiftPair {
  std::uint8_t from, to;
};
inline constexpr auto kShifts = [] {
  std::array<std::array<ShiftPair, 256>, 2> table{};
  for (unsigned direction = 0; direction < 2; ++direction)
    for (unsigned scales = 0; scales < 256; ++scales) {
      const unsigned from = scales >> direction * 4 & 0xf, to = scales >> (direction ^ 1) * 4 & 0xf;
      if (from != Entry::kNoScale && to != Entry::kNoScale)
        table[direction][scales] = {static_cast<std::uint8_t>(from), static_cast<std::uint8_t>(to)};
    }
  return table;
}();

/// What update() does with a segment that carries ACK but no SYN, FIN or RST, is inside both windows and
/// belongs to a connection established at both ends: nearly every packet, without a branch on the direction.
/// @return false, with nothing changed, if the segment is not of this kind and update() has to judge it.
[[gnu::always_inline]] inline bool update_plain(Entry& entry, Direction direction, const std::uint8_t* header,
                                                std::uint32_t payload_bytes) {
  using namespace net::tcp_flag;
  constexpr auto kBothEstablished =
      static_cast<std::uint8_t>(static_cast<unsigned>(TcpState::Established) * 0x11);
  const wire::TcpHeader tcp(header);
  const bool plain = (tcp.offset_flags() & be16{kSyn | kFin | kRst | kAck}) == be16{kAck};
  if (!(plain & (entry.states == kBothEstablished))) [[unlikely]]
    return false;

  const auto from = static_cast<unsigned>(direction), to = from ^ 1;
  const ShiftPair shift = kShifts[from][entry.scales];
  const std::uint32_t low = entry.seq_low[from], ack = tcp.ack().host();
  const std::uint32_t seq = payload_bytes != 0 ? tcp.seq().host() : low;
  const std::uint32_t end = seq + payload_bytes;
  const std::uint32_t most_ack_lag = std::uint32_t{kMaxAckWindow} << shift.from;
  static_assert(std::int64_t{kMaxAckWindow} << Entry::kUnknownScale <= INT32_MAX);
  // How far each number lies inside its bound; the sign bits tell, all at once.
  const std::uint32_t room = entry.seq_high[from] - end;
  const std::uint32_t late = seq - low + (std::uint32_t{entry.max_window[to]} << shift.to);
  const std::uint32_t ack_lag = entry.seq_low[to] - ack;
  if (static_cast<std::int32_t>(room | late | ack_lag | (most_ack_lag - ack_lag)) < 0) [[unlikely]]
    return false;

  const std::uint16_t window = tcp.window().host();
  if (window > entry.max_window[from]) entry.max_window[from] = window;
  entry.seq_low[from] = static_cast<std::int32_t>(end - low) > 0 ? end : low;
  const std::uint32_t allowed = std::uint32_t{window} << shift.from;
  const std::uint32_t high = entry.seq_high[to];
  entry.seq_high[to] =
      static_cast<std::int32_t>(ack + allowed - high) >= 0 ? ack + (allowed | (allowed == 0)) : high;
  return true;
}

constexpr Timeout timeout_of(TcpState original, TcpState reply) {
  const TcpState low = original < reply ? original : reply, high = original < reply ? reply : original;
  if (low >= TcpState::FinWait2) return Timeout::TcpClose;
  if (low >= TcpState::Closing) return Timeout::TcpTimeWait;
  if (low == TcpState::Closed && high == TcpState::SynSent) return Timeout::TcpSynSent;
  if (low < TcpState::Established) return Timeout::TcpSynRecv;
  return high >= TcpState::Closing ? Timeout::TcpFinWait : Timeout::TcpEstablished;
}

}  // namespace sluice::conntrack::tcp
