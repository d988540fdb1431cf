// Connections as text, exactly as `ovs-appctl dpctl/dump-conntrack` and ct-stats-show print them, and the
// filter that chooses some of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conntrack/connection.h"
#include "conntrack/expectation.h"

namespace sluice::conntrack {

/// A tuple of which only what was given must agree.
struct PartialTuple {
  std::optional<be128> src, dst;  ///< IPv4 v4-mapped
  std::optional<std::uint8_t> proto;
  std::optional<be16> src_port, dst_port;
  std::optional<be16> icmp_id;
  std::optional<std::uint8_t> icmp_type, icmp_code;

  bool matches(const Tuple& tuple) const;
  bool is_empty() const { return *this == PartialTuple{}; }
  bool operator==(const PartialTuple&) const = default;
};

/// What dump and flush commands choose by. An empty filter takes everything.
struct Filter {
  std::optional<std::uint16_t> zone;
  std::uint32_t mark = 0, mark_mask = 0;
  be128 label, label_mask;
  PartialTuple original, reply;
  std::uint64_t cookie = 0, cookie_mask = 0;  ///< of the rule that committed the connection

  bool matches(const ConnectionSnapshot& connection) const;
};

struct DumpFormat {
  bool verbose = false;     ///< -m: id, status, both TCP states, window scale, flags
  bool statistics = false;  ///< -s: packets and bytes of each direction, start, timeout
  /// What the wall clock (UTC, since 1970) is ahead of the tracker's time; without it no start is shown.
  std::optional<std::int64_t> wall_ahead_ns;
};

/// One line without line feed.
/// "src=10.0.0.1,dst=10.0.0.2,sport=1,dport=2": the protocol is left out.
std::string format_tuple(const Tuple& tuple);
std::string format_connection(const ConnectionSnapshot& connection, DumpFormat format = {});

/// The same for what a helper expects; the source port, which may be any, is 0.
std::string format_expectation(const ExpectationSnapshot& expectation);

std::string_view helper_name(std::uint8_t port);  ///< "ftp"

/// "tcp", "icmpv6", … or the number.
std::string protocol_name(std::uint8_t proto);
std::string tcp_state_name(TcpState state);    ///< "SYN_SENT"
std::string sctp_state_name(SctpState state);  ///< "COOKIE_WAIT"
/// Of the connection as a whole; empty for protocols that have none but "answered".
std::string state_name(const ConnectionSnapshot& connection);
/// "2026-11-22T16:05:09.123", local time, as ovs-vswitchd prints times. @param ns  since 1970
std::string format_time(std::int64_t ns);

/// What ct-stats-show counts. Filled one connection at a time.
struct ConnectionStats {
  std::uint64_t total = 0;
  std::array<std::uint64_t, 256> by_protocol{};
  std::array<std::uint64_t, kTcpStateCount> by_tcp_state{};

  void add(const ConnectionSnapshot& connection);
  /// The whole answer of ct-stats-show; with -m also the TCP states.
  std::string format(bool verbose) const;
};

}  // namespace sluice::conntrack
