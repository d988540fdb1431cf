#include "conntrack/dump.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "conntrack/request.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

namespace ip_proto = net::ip_proto;

struct NamedProtocol {
  std::uint8_t number;
  std::string_view name, upper;
};
/// In the order of ct-stats-show.
constexpr NamedProtocol kProtocols[] = {
    {ip_proto::kTcp, "tcp", "TCP"},
    {ip_proto::kUdp, "udp", "UDP"},
    {ip_proto::kUdpLite, "udplite", "UDPLITE"},
    {ip_proto::kSctp, "sctp", "SCTP"},
    {ip_proto::kIcmp, "icmp", "ICMP"},
    {ip_proto::kIcmpv6, "icmpv6", "ICMPV6"},
    {ip_proto::kDccp, "dccp", "DCCP"},
    {ip_proto::kIgmp, "igmp", "IGMP"},
};

constexpr std::array<std::string_view, kTcpStateCount> kTcpStates = {
    "CLOSED",     "LISTEN",  "SYN_SENT", "SYN_RECV",   "ESTABLISHED", "CLOSE_WAIT",
    "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2", "TIME_WAIT"};

constexpr std::array<std::string_view, kSctpStateCount> kSctpStates = {
    "CLOSED",        "COOKIE_WAIT",   "COOKIE_ECHOED",     "ESTABLISHED",
    "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT"};

bool is_icmp(const Tuple& tuple) {
  return tuple.proto == (tuple.is_ipv6 ? ip_proto::kIcmpv6 : ip_proto::kIcmp);
}

std::string format_address(const be128& address, bool is_ipv6) {
  return is_ipv6 ? net::format_ipv6(address) : net::format_ipv4(net::v4_of(address));
}

void append(std::string& out, std::string_view key, std::uint64_t value) {
  out += key;
  out += std::to_string(value);
}

void append(std::string& out, std::string_view key, std::string_view value) {
  out += key;
  out += value;
}

void append_tuple(std::string& out, const Tuple& tuple, const std::uint64_t* packets,
                  const std::uint64_t* bytes) {
  append(out, "src=", format_address(tuple.src, tuple.is_ipv6));
  append(out, ",dst=", format_address(tuple.dst, tuple.is_ipv6));
  if (is_icmp(tuple)) {
    append(out, ",id=", tuple.src_port.host());
    append(out, ",type=", tuple.icmp_type);
    append(out, ",code=", tuple.icmp_code);
  } else {
    append(out, ",sport=", tuple.src_port.host());
    append(out, ",dport=", tuple.dst_port.host());
  }
  if (packets == nullptr) return;
  append(out, ",packets=", *packets);
  append(out, ",bytes=", *bytes);
}

std::string format_label(const be128& label) {
  char text[40];
  const auto hi = static_cast<unsigned long long>(label.hi.host()),
             lo = static_cast<unsigned long long>(label.lo.host());
  if (hi != 0)
    std::snprintf(text, sizeof text, "0x%llx%016llx", hi, lo);
  else
    std::snprintf(text, sizeof text, "0x%llx", lo);
  return text;
}

/// The flags of the kernel's conntrack status that apply, in the order of its bits.
std::string status_of(const ConnectionSnapshot& c) {
  // An echo's id, which both ports hold, is its source's.
  const bool is_icmp = c.original.proto == ip_proto::kIcmp || c.original.proto == ip_proto::kIcmpv6;
  const bool source_nat = c.reply.dst != c.original.src || c.reply.dst_port != c.original.src_port;
  const bool destination_nat =
      c.reply.src != c.original.dst || (!is_icmp && c.reply.src_port != c.original.dst_port);
  std::string status = c.parent ? "EXPECTED|" : "";
  if (c.seen_reply) status += "SEEN_REPLY|";
  if (c.assured) status += "ASSURED|";
  status += "CONFIRMED";
  if (source_nat) status += "|SRC_NAT";
  if (destination_nat) status += "|DST_NAT";
  if (source_nat) status += "|SRC_NAT_DONE";
  if (destination_nat) status += "|DST_NAT_DONE";
  return status;
}

std::string tcp_flags(std::uint8_t flags) {
  std::string text;
  if ((flags & ConnectionSnapshot::kWindowScale) != 0) text = "WINDOW_SCALE";
  if ((flags & ConnectionSnapshot::kLiberal) != 0) text += text.empty() ? "BE_LIBERAL" : "|BE_LIBERAL";
  return text.empty() ? "0" : text;
}

/// The one state shown for both ends of a TCP connection, with those that differ only in detail merged.
TcpState merged_state(const ConnectionSnapshot& c) {
  const auto state = static_cast<TcpState>(std::max(c.state[0], c.state[1]));
  if (state == TcpState::FinWait2) return TcpState::TimeWait;
  if (state == TcpState::SynRecv) return TcpState::Established;
  return state;
}

void append_protoinfo(std::string& out, const ConnectionSnapshot& c, bool verbose) {
  if (c.original.proto == ip_proto::kSctp) {
    append(out, ",protoinfo=(state=", sctp_state_name(static_cast<SctpState>(c.state[0])));
    if (verbose) {
      append(out, ",vtag_orig=", c.sctp_tag[0]);
      append(out, ",vtag_reply=", c.sctp_tag[1]);
    }
    out += ")";
    return;
  }
  if (c.original.proto != ip_proto::kTcp) return;
  out += ",protoinfo=(state";
  if (!verbose) {
    append(out, "=", tcp_state_name(merged_state(c)));
    out += ")";
    return;
  }
  append(out, "_orig=", tcp_state_name(static_cast<TcpState>(c.state[0])));
  append(out, ",state_reply=", tcp_state_name(static_cast<TcpState>(c.state[1])));
  if (c.window_scale[0] != 0 || c.window_scale[1] != 0) {
    append(out, ",wscale_orig=", c.window_scale[0]);
    append(out, ",wscale_reply=", c.window_scale[1]);
  }
  append(out, ",flags_orig=", tcp_flags(c.tcp_flags[0]));
  append(out, ",flags_reply=", tcp_flags(c.tcp_flags[1]));
  out += ")";
}

template <typename T>
bool agrees(const std::optional<T>& wanted, const T& have) {
  return !wanted || *wanted == have;
}

}  // namespace

bool PartialTuple::matches(const Tuple& t) const {
  if (!agrees(src, t.src) || !agrees(dst, t.dst) || !agrees(proto, t.proto)) return false;
  if (is_icmp(t))
    return !src_port && !dst_port && agrees(icmp_id, t.src_port) && agrees(icmp_type, t.icmp_type) &&
           agrees(icmp_code, t.icmp_code);
  return !icmp_id && !icmp_type && !icmp_code && agrees(src_port, t.src_port) && agrees(dst_port, t.dst_port);
}

bool Filter::matches(const ConnectionSnapshot& c) const {
  return (!zone || *zone == c.zone) && ((c.mark ^ mark) & mark_mask) == 0 &&
         ((c.label ^ label) & label_mask).is_zero() && ((c.cookie ^ cookie) & cookie_mask) == 0 &&
         original.matches(c.original) && reply.matches(c.reply);
}

std::string format_tuple(const Tuple& tuple) {
  std::string out;
  append_tuple(out, tuple, nullptr, nullptr);
  return out;
}

std::string format_connection(const ConnectionSnapshot& c, DumpFormat format) {
  std::string out = protocol_name(c.original.proto);
  const bool counted = format.statistics;
  out += ",orig=(";
  append_tuple(out, c.original, counted ? &c.packets[0] : nullptr, counted ? &c.bytes[0] : nullptr);
  out += "),reply=(";
  append_tuple(out, c.reply, counted ? &c.packets[1] : nullptr, counted ? &c.bytes[1] : nullptr);
  out += ")";
  if (format.statistics && format.wall_ahead_ns)
    append(out, ",start=", format_time(c.start_ns + *format.wall_ahead_ns));
  if (format.verbose) append(out, ",id=", c.id);
  if (c.zone != 0) append(out, ",zone=", c.zone);
  if (format.verbose) append(out, ",status=", status_of(c));
  if (format.statistics)
    append(out, ",timeout=",
           static_cast<std::uint64_t>(std::max<std::int64_t>(c.expires_in_ns, 0) / 1'000'000'000));
  if (c.mark != 0) append(out, ",mark=", c.mark);
  if (!c.label.is_zero()) append(out, ",labels=", format_label(c.label));
  append_protoinfo(out, c, format.verbose);
  if (c.helper != 0) append(out, ",helper=", helper_name(c.helper));
  if (format.verbose && c.parent) {
    out += ",parent=(";
    append_tuple(out, *c.parent, nullptr, nullptr);
    out += ")";
  }
  return out;
}

std::string format_expectation(const ExpectationSnapshot& e) {
  std::string out = protocol_name(e.expected.proto);
  out += ",orig=(";
  append_tuple(out, e.expected, nullptr, nullptr);
  out += ")";
  if (e.zone != 0) append(out, ",zone=", e.zone);
  if (e.mark != 0) append(out, ",mark=", e.mark);
  if (!e.label.is_zero()) append(out, ",labels=", format_label(e.label));
  out += ",parent=(";
  append_tuple(out, e.parent, nullptr, nullptr);
  out += ")";
  return out;
}

std::string_view helper_name(std::uint8_t port) {
  return port == static_cast<std::uint8_t>(Helper::Ftp) ? "ftp" : "tftp";
}

std::string protocol_name(std::uint8_t proto) {
  for (const NamedProtocol& p : kProtocols)
    if (p.number == proto) return std::string(p.name);
  return std::to_string(proto);
}

std::string tcp_state_name(TcpState state) {
  return std::string(kTcpStates[static_cast<unsigned>(state)]);
}

std::string sctp_state_name(SctpState state) {
  return std::string(kSctpStates[static_cast<unsigned>(state)]);
}

std::string state_name(const ConnectionSnapshot& c) {
  if (c.original.proto == ip_proto::kTcp)
    return tcp_state_name(static_cast<TcpState>(std::max(c.state[0], c.state[1])));
  if (c.original.proto == ip_proto::kSctp) return sctp_state_name(static_cast<SctpState>(c.state[0]));
  return {};
}

std::string format_time(std::int64_t ns) {
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[40];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local);
  std::snprintf(text + n, sizeof text - n, ".%03d", static_cast<int>(ns / 1'000'000 % 1000));
  return text;
}

void ConnectionStats::add(const ConnectionSnapshot& connection) {
  ++total;
  ++by_protocol[connection.original.proto];
  if (connection.original.proto == ip_proto::kTcp)
    ++by_tcp_state[static_cast<unsigned>(merged_state(connection))];
}

std::string ConnectionStats::format(bool verbose) const {
  std::string out = "Connections Stats:\n";
  append(out, "    Total: ", total);
  out += "\n";
  std::uint64_t named = 0;
  for (const NamedProtocol& p : kProtocols) {
    const std::uint64_t n = by_protocol[p.number];
    named += n;
    if (n == 0) continue;
    out += "  ";
    out += p.upper;
    append(out, ": ", n);
    out += "\n";
    if (p.number != ip_proto::kTcp || !verbose) continue;
    out += "    Conn per TCP states:\n";
    for (unsigned s = 0; s < kTcpStateCount; ++s) {
      if (by_tcp_state[s] == 0) continue;
      out += "\t  [";
      out += kTcpStates[s];
      append(out, "]=", by_tcp_state[s]);
      out += "\n";
    }
  }
  if (total > named) {
    append(out, "  Other: ", total - named);
    out += "\n";
  }
  return out;
}

}  // namespace sluice::conntrack
