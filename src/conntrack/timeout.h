// How long a connection lives after its last packet, by protocol state. The names are those of
// CT_Timeout_Policy in the database, the defaults those of the OVS userspace tracker. It has none for SCTP's
// states: their names are those of Linux (net.netfilter.nf_conntrack_sctp_timeout_*), and so is the life of
// an established association (some heartbeat intervals, RFC 9260 section 8.3); setup and end have the 30 s
// that TCP's have, which is several retransmissions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace sluice::conntrack {

enum class Timeout : std::uint8_t {
  TcpSynSent,
  TcpSynRecv,
  TcpEstablished,
  TcpFinWait,
  TcpTimeWait,
  TcpClose,
  UdpFirst,  ///< UDP and every protocol without a row of its own
  UdpSingle,
  UdpMultiple,
  IcmpFirst,
  IcmpReply,
  SctpClosed,
  SctpCookieWait,
  SctpCookieEchoed,
  SctpEstablished,
  SctpShutdownSent,
  SctpShutdownReceived,
  SctpShutdownAckSent,
  SctpHeartbeatSent,
};
inline constexpr unsigned kTimeoutCount = static_cast<unsigned>(Timeout::SctpHeartbeatSent) + 1;
std::string_view timeout_name(Timeout timeout);  ///< "tcp_syn_sent"
std::optional<Timeout> find_timeout(std::string_view name);
/// Keys of CT_Timeout_Policy that only the kernel's tracker knows: accepted, and without effect.
inline constexpr std::array<std::string_view, 5> kKernelTimeouts = {
    "tcp_close_wait", "tcp_last_ack", "tcp_syn_sent2", "tcp_retransmit", "tcp_unack"};

struct TimeoutPolicy {
  std::array<std::uint32_t, kTimeoutCount> seconds = {30, 30, 86400, 900, 45,  30, 60, 60, 30, 60,
                                                      30, 10, 30,    30,  210, 30, 30, 30, 30};

  std::uint32_t& operator[](Timeout t) { return seconds[static_cast<unsigned>(t)]; }
  std::uint32_t operator[](Timeout t) const { return seconds[static_cast<unsigned>(t)]; }
  bool operator==(const TimeoutPolicy&) const = default;
};

/// The tracker's coarse time: 2^22 ns = 4.2 ms, modulo 2^32 (208 days); only differences mean anything.
struct CoarseTime {
  static constexpr unsigned kShift = 22;
  std::uint32_t ticks = 0;

  static CoarseTime of(Instant t) {
    return {static_cast<std::uint32_t>(static_cast<std::uint64_t>(t.ns) >> kShift)};
  }
  /// Ticks from `earlier` to this; negative if it is later after all (another worker's batch was newer).
  std::int32_t since(CoarseTime earlier) const { return static_cast<std::int32_t>(ticks - earlier.ticks); }
};

/// A policy in coarse ticks, rounded up; capped at 100 days, within which coarse differences are unambiguous.
struct TimeoutTicks {
  explicit TimeoutTicks(const TimeoutPolicy& policy);
  std::array<std::int32_t, kTimeoutCount> ticks;
  std::int32_t operator[](Timeout t) const { return ticks[static_cast<unsigned>(t)]; }
};

}  // namespace sluice::conntrack
