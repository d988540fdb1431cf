#pragma once
#include <cstdint>
#include <optional>

#include "conntrack/tuple.h"
#include "net/endian.h"

namespace sluice::conntrack {

/// State of one end of a TCP connection. The order is that of the display: the greater of both ends is shown.
enum class TcpState : std::uint8_t {
  Closed,
  Listen,
  SynSent,
  SynRecv,
  Established,
  CloseWait,
  FinWait1,
  Closing,
  LastAck,
  FinWait2,
  TimeWait,
};
inline constexpr unsigned kTcpStateCount = static_cast<unsigned>(TcpState::TimeWait) + 1;

/// State of an SCTP association, named as conntrack-tools name them.
enum class SctpState : std::uint8_t {
  Closed,
  CookieWait,
  CookieEchoed,
  Established,
  ShutdownSent,      ///< by the opener
  ShutdownReceived,  ///< by the opener
  ShutdownAckSent,
  HeartbeatSent,  ///< a further path, or picked up in mid-stream; not answered
};
inline constexpr unsigned kSctpStateCount = static_cast<unsigned>(SctpState::HeartbeatSent) + 1;

/// State of a connection of any other protocol; both directions hold the same.
enum class SimpleState : std::uint8_t { First, Single, Multiple };

/// A copy of a connection for dumps, trace and events: nothing in it points into the table.
struct ConnectionSnapshot {
  /// Bits of tcp_flags, as dumps name them.
  static constexpr std::uint8_t kWindowScale = 0x01, kLiberal = 0x08;

  Tuple original, reply;
  std::uint64_t id = 0;      ///< never given twice by a tracker
  std::uint64_t cookie = 0;  ///< of the rule that committed it
  std::uint16_t zone = 0;
  std::uint32_t mark = 0;
  be128 label;
  std::uint8_t state[2] = {0, 0};         ///< per Direction: TcpState, SctpState or SimpleState
  std::uint32_t sctp_tag[2] = {0, 0};     ///< the verification tag that packets of this Direction carry
  std::uint8_t window_scale[2] = {0, 0};  ///< 0 where none was offered
  std::uint8_t tcp_flags[2] = {0, 0};
  std::uint64_t packets[2] = {0, 0}, bytes[2] = {0, 0};  ///< per Direction; bytes of the IP datagram
  std::int64_t start_ns = 0;                             ///< on the tracker's time line, to 65 us
  std::int64_t last_seen_ns = 0;                         ///< to 4.2 ms
  std::int64_t expires_in_ns = 0;
  std::uint32_t index = 0, generation = 0;  ///< as CtMetadata names the connection
  std::uint8_t helper = 0;
  std::optional<Tuple> parent;  ///< of a connection that a helper had expected
  bool seen_reply = false;
  bool assured = false;  ///< not to be dropped early
};

}  // namespace sluice::conntrack
