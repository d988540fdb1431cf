#include "conntrack/timeout.h"

#include <algorithm>

namespace sluice::conntrack {

std::string_view timeout_name(Timeout timeout) {
  static constexpr std::array<std::string_view, kTimeoutCount> kNames = {
      "tcp_syn_sent", "tcp_syn_recv", "tcp_established", "tcp_fin_wait", "tcp_time_wait", "tcp_close",
      "udp_first",    "udp_single",   "udp_multiple",    "icmp_first",   "icmp_reply"};
  return kNames[static_cast<unsigned>(timeout)];
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
