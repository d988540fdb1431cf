#include "conntrack/timeout.h"

#include <algorithm>

namespace sluice::conntrack {

std::string_view timeout_name(Timeout timeout) {
  static constexpr std::array<std::string_view, kTimeoutCount> kNames = {
      "tcp_syn_sent",       "tcp_syn_recv",       "tcp_established",
      "tcp_fin_wait",       "tcp_time_wait",      "tcp_close",
      "udp_first",          "udp_single",         "udp_multiple",
      "icmp_first",         "icmp_reply",         "sctp_closed",
      "sctp_cookie_wait",   "sctp_cookie_echoed", "sctp_established",
      "sctp_shutdown_sent", "sctp_shutdown_recd", "sctp_shutdown_ack_sent",
      "sctp_heartbeat_sent"};
  return kNames[static_cast<unsigned>(timeout)];
}

std::optional<Timeout> find_timeout(std::string_view name) {
  for (unsigned i = 0; i < kTimeoutCount; ++i)
    if (timeout_name(static_cast<Timeout>(i)) == name) return static_cast<Timeout>(i);
  return std::nullopt;
}

TimeoutTicks::TimeoutTicks(const TimeoutPolicy& policy) {
  constexpr std::int64_t kMaxSeconds = 100 * 86400;
  constexpr std::int64_t kTickNs = std::int64_t{1} << CoarseTime::kShift;
  for (unsigned i = 0; i < kTimeoutCount; ++i) {
    const std::int64_t seconds = std::min<std::int64_t>(policy.seconds[i], kMaxSeconds);
    ticks[i] = static_cast<std::int32_t>((Duration::seconds(seconds).ns + kTickNs - 1) / kTickNs);
  }
}

}  // namespace sluice::conntrack
