#include "wire/print.h"

#include <fmt/core.h>

#include "net/protocol.h"
#include "wire/arp.h"
#include "wire/dccp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/nd.h"
#include "wire/sctp.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/walk.h"

namespace sluice::wire {
namespace {

namespace ip_proto = net::ip_proto;

/// How many quoted packets are shown inside each other.
constexpr unsigned kMaxQuotes = 1;

template <typename... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  out += fmt::vformat(format, fmt::make_format_args(args...));
}

std::string address(Bytes frame, const Layout& layout, bool is_src) {
  const std::uint8_t* const l3 = frame.data() + layout.l3;
  if (layout.eth_type == be16{net::ethertype::kIpv4}) {
    const Ipv4Header ip(l3);
    return net::format_ipv4(is_src ? ip.src() : ip.dst());
  }
  const Ipv6Header ip(l3);
  return net::format_ipv6(is_src ? ip.src() : ip.dst());
}

bool has_ports(const Layout& layout) {
  switch (layout.ip_proto) {
    case ip_proto::kTcp:
    case ip_proto::kUdp:
    case ip_proto::kUdpLite:
    case ip_proto::kSctp:
    case ip_proto::kDccp:
      return layout.has_l4();
    default:
      return false;
  }
}

std::string endpoint(Bytes frame, const Layout& layout, bool is_src) {
  std::string text = address(frame, layout, is_src);
  if (!has_ports(layout)) return text;
  const std::uint16_t port = be16::load(frame.data() + layout.l4 + (is_src ? 0 : 2)).host();
  const bool is_ipv6 = layout.eth_type == be16{net::ethertype::kIpv6};
  return is_ipv6 ? fmt::format("[{}]:{}", text, port) : fmt::format("{}:{}", text, port);
}

std::string tcp_flags(std::uint16_t flags) {
  constexpr std::string_view kLetters = "FSRPAUECN";
  std::string text;
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    if ((flags >> i & 1) != 0) text += kLetters[i];
  return text.empty() ? "none" : text;
}

std::string_view icmp_name(std::uint8_t type, std::uint8_t code) {
  using namespace net::icmp;
  switch (type) {
    case kEchoReply:
      return "echo reply";
    case kEcho:
      return "echo request";
    case kUnreachable: {
      constexpr std::string_view kCodes[] = {"net unreachable", "host unreachable", "protocol unreachable",
                                             "port unreachable", "fragmentation needed"};
      return code < std::size(kCodes) ? kCodes[code] : "unreachable";
    }
    case kRedirect:
      return "redirect";
    case kTimeExceeded:
      return "time exceeded";
    case kParameterProblem:
      return "parameter problem";
    case kTimestamp:
      return "timestamp request";
    case kTimestampReply:
      return "timestamp reply";
    default:
      return {};
  }
}

std::string_view icmpv6_name(std::uint8_t type) {
  using namespace net::icmpv6;
  switch (type) {
    case kUnreachable:
      return "unreachable";
    case kPacketTooBig:
      return "packet too big";
    case kTimeExceeded:
      return "time exceeded";
    case kParameterProblem:
      return "parameter problem";
    case kEcho:
      return "echo request";
    case kEchoReply:
      return "echo reply";
    case kMldQuery:
      return "multicast listener query";
    case kMldReport:
    case kMldV2Report:
      return "multicast listener report";
    case kMldDone:
      return "multicast listener done";
    case kRouterSolicit:
      return "router solicitation";
    case kRouterAdvert:
      return "router advertisement";
    case kNeighborSolicit:
      return "neighbor solicitation";
    case kNeighborAdvert:
      return "neighbor advertisement";
    case kRedirect:
      return "redirect";
    default:
      return {};
  }
}

void print_ip(std::string& out, Bytes frame, const Layout& layout, unsigned quotes);

void print_icmp(std::string& out, Bytes frame, const Layout& layout, unsigned quotes) {
  const bool v6 = layout.ip_proto == ip_proto::kIcmpv6;
  const IcmpHeader icmp(frame.data() + layout.l4);
  const std::string_view name = v6 ? icmpv6_name(icmp.type()) : icmp_name(icmp.type(), icmp.code());
  out += v6 ? " icmp6 " : " icmp ";
  if (name.empty())
    add(out, "type {} code {}", icmp.type(), icmp.code());
  else
    out += name;
  if (v6 && is_nd(icmp.type(), icmp.code()) &&
      layout.l3_end - layout.l4 >= NdHeader<const std::uint8_t>::kBytes) {
    out += ' ';
    out += net::format_ipv6(NdHeader(frame.data() + layout.l4).target());
    return;
  }
  if (v6 ? is_icmpv6_error(icmp.type()) : is_icmp_error(icmp.type())) {
    const Bytes quoted = frame.subspan(layout.payload, layout.l3_end - layout.payload);
    const Layout inner = walk_ip(quoted, layout.eth_type, true);
    if (quotes < kMaxQuotes && inner.has_l3()) {
      out += ", about ";
      print_ip(out, quoted, inner, quotes + 1);
    }
    return;
  }
  add(out, " id {} seq {} len {}", icmp.id().host(), icmp.sequence().host(), layout.l3_end - layout.payload);
}

void print_ip(std::string& out, Bytes frame, const Layout& layout, unsigned quotes) {
  add(out, "{} > {}", endpoint(frame, layout, true), endpoint(frame, layout, false));
  const std::uint32_t start = layout.payload == Layout::kNone ? layout.l3_end : layout.payload;
  const std::uint32_t length = layout.l3_end - start;
  if (layout.has_l4()) {
    const bool whole_tcp = layout.l3_end - layout.l4 >= TcpHeader<const std::uint8_t>::kBytes;
    switch (layout.ip_proto) {
      case ip_proto::kTcp:
        if (whole_tcp) {
          const TcpHeader tcp(frame.data() + layout.l4);
          add(out, " tcp [{}] seq {}", tcp_flags(tcp.flags().host()), tcp.seq().host());
          if ((tcp.flags().host() & net::tcp_flag::kAck) != 0) add(out, " ack {}", tcp.ack().host());
          add(out, " win {} len {}", tcp.window().host(), length);
        } else {
          out += " tcp";
        }
        break;
      case ip_proto::kUdp:
        add(out, " udp len {}", length);
        break;
      case ip_proto::kUdpLite:
        add(out, " udp-lite len {}", length);
        break;
      case ip_proto::kSctp:
        add(out, " sctp len {}", length);
        break;
      case ip_proto::kDccp:
        add(out, " dccp len {}", length);
        break;
      case ip_proto::kIcmp:
      case ip_proto::kIcmpv6:
        if ((layout.ip_proto == ip_proto::kIcmp) == (layout.eth_type == be16{net::ethertype::kIpv4})) {
          print_icmp(out, frame, layout, quotes);
          break;
        }
        [[fallthrough]];
      default:
        add(out, " proto {} len {}", layout.ip_proto, length);
    }
  } else {
    add(out, " proto {} len {}", layout.ip_proto, length);
  }
  if (layout.fragment != 0)
    out += (layout.fragment & Layout::kLaterFragment) != 0 ? ", later fragment" : ", first fragment";
}

void print_arp(std::string& out, Bytes frame, const Layout& layout) {
  const ArpHeader arp(frame.data() + layout.l3);
  out += layout.eth_type == be16{net::ethertype::kRarp} ? "rarp" : "arp";
  if (!arp.is_ethernet_ipv4()) return;
  const std::string spa = net::format_ipv4(arp.spa()), tpa = net::format_ipv4(arp.tpa());
  switch (arp.operation().host()) {
    case ArpHeader<const std::uint8_t>::kRequest:
      add(out, " who-has {} tell {}", tpa, spa);
      break;
    case ArpHeader<const std::uint8_t>::kReply:
      add(out, " reply {} is-at {}", spa, net::format_mac(arp.sha()));
      break;
    default:
      add(out, " op {} {} > {}", arp.operation().host(), spa, tpa);
      break;
  }
}

}  // namespace

std::string print(Bytes frame, const Layout& layout, const PrintOptions& options) {
  std::string out;
  const auto ethernet = view_at<EthernetHeader>(frame, 0);
  const bool is_ip =
      layout.eth_type == be16{net::ethertype::kIpv4} || layout.eth_type == be16{net::ethertype::kIpv6};
  const bool is_known = layout.has_l3() && (is_ip || is_arp_type(layout.eth_type));
  if (ethernet && (options.ethernet || !is_known))
    add(out, "{} > {}, ", net::format_mac(ethernet->src()), net::format_mac(ethernet->dst()));
  for (unsigned i = 0; i < layout.vlans; ++i)
    add(out, "vlan {}, ",
        VlanHeader(frame.data() + EthernetHeader<const std::uint8_t>::kTypeAt + i * 4).tci().host() & 0xfff);
  if (is_known && is_ip) {
    print_ip(out, frame, layout, 0);
  } else if (is_known) {
    print_arp(out, frame, layout);
  } else if (layout.mpls_labels != 0) {
    out += "mpls";
    for (unsigned i = 0; i < layout.mpls_labels; ++i)
      add(out, " {}", MplsHeader(frame.data() + layout.l2_5 + i * 4u).label());
    add(out, ", len {}", frame.size());
  } else if (!ethernet) {
    add(out, "{} bytes", frame.size());
  } else if (layout.eth_type == be16{net::ethertype::kNone}) {
    add(out, "802.2, len {}", frame.size());
  } else {
    add(out, "type 0x{:04x}, len {}", layout.eth_type.host(), frame.size());
  }
  if (layout.fault != ParseFault::None) add(out, " ({})", fault_name(layout.fault));
  return out;
}

std::string print(Bytes frame, const PrintOptions& options) {
  return print(frame, walk(frame), options);
}

}  // namespace sluice::wire
