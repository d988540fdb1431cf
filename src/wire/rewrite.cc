#include "wire/rewrite.h"

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/protocol.h"
#include "wire/arp.h"
#include "wire/checksum_verify.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/nd.h"
#include "wire/sctp.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice::wire {
namespace {

namespace ip_proto = net::ip_proto;
namespace ethertype = net::ethertype;

bool is_ipv4(const MutableFrame& f) {
  return f.layout.eth_type == be16{ethertype::kIpv4} && f.layout.has_l3();
}
bool is_ipv6(const MutableFrame& f) {
  return f.layout.eth_type == be16{ethertype::kIpv6} && f.layout.has_l3();
}
bool is_arp(const MutableFrame& f) {
  return is_arp_type(f.layout.eth_type) && f.layout.has_l3() &&
         ArpHeader(f.data + f.layout.l3).is_ethernet_ipv4();
}
Bytes bytes_of(const MutableFrame& f) {
  return {f.data, f.size};
}

be16 updated(be16 sum, be16 from, be16 to) {
  return net::checksum_update16(sum, from, to);
}
be16 updated(be16 sum, be32 from, be32 to) {
  return net::checksum_update32(sum, from, to);
}
be16 updated(be16 sum, const be128& from, const be128& to) {
  return net::checksum_update128(sum, from, to);
}

/// Which of the checksum's two parts a changed word belongs to.
enum class Part { PseudoHeader, Transport };

/// Where the 16-bit checksum of the transport header lies that covers words of this part; nullptr if there is
/// none.
std::uint8_t* transport_checksum(const MutableFrame& f, Part part) {
  using Byte = std::uint8_t;
  if (!f.layout.has_l4()) return nullptr;
  std::uint8_t* const l4 = f.data + f.layout.l4;
  switch (f.layout.ip_proto) {
    case ip_proto::kTcp:
      return l4 + TcpHeader<Byte>::kChecksumAt;
    case ip_proto::kUdp:
    case ip_proto::kUdpLite:
      return l4 + UdpHeader<Byte>::kChecksumAt;
    case ip_proto::kIcmpv6:
      return is_ipv6(f) ? l4 + IcmpHeader<Byte>::kChecksumAt : nullptr;
    case ip_proto::kIcmp:
      return is_ipv4(f) && part == Part::Transport ? l4 + IcmpHeader<Byte>::kChecksumAt : nullptr;
    case ip_proto::kDccp: {
      constexpr std::size_t kDccpChecksumAt = 6;
      return l4 + kDccpChecksumAt;
    }
    default:
      return nullptr;
  }
}

template <typename Word>
void mend_transport(const MutableFrame& f, Part part, const Word& from, const Word& to) {
  std::uint8_t* const at = transport_checksum(f, part);
  if (at == nullptr) return;
  const be16 sum = be16::load(at);
  if (f.checksum_partial) {
    if (part == Part::PseudoHeader) (~updated(~sum, from, to)).store(at);
    return;
  }
  const bool zero_means_none = f.layout.ip_proto == ip_proto::kUdp || f.layout.ip_proto == ip_proto::kUdpLite;
  if (zero_means_none && sum == be16{}) return;
  const be16 result = updated(sum, from, to);
  (zero_means_none && result == be16{} ? be16{0xffff} : result).store(at);
}

/// Replaces a word of the transport header or of what follows it.
template <typename Word>
void replace_in_transport(const MutableFrame& f, std::uint8_t* at, const Word& to) {
  Word from;
  std::memcpy(&from, at, sizeof from);
  std::memcpy(at, &to, sizeof to);
  mend_transport(f, Part::Transport, from, to);
}

void mend_ipv4_header(Ipv4Header<std::uint8_t> ip, be16 from, be16 to) {
  ip.set_checksum(updated(ip.checksum(), from, to));
}

void replace_ipv4_address(const MutableFrame& f, std::size_t offset, be32 to) {
  if (!is_ipv4(f)) return;
  const Ipv4Header ip(f.data + f.layout.l3);
  const be32 from = be32::load(ip.at() + offset);
  to.store(ip.at() + offset);
  ip.set_checksum(updated(ip.checksum(), from, to));
  mend_transport(f, Part::PseudoHeader, from, to);
}

/// A 16-bit word of the IPv4 header that holds the byte at `offset`, which becomes `value`.
void replace_ipv4_byte(const MutableFrame& f, std::size_t offset, std::uint8_t value) {
  if (!is_ipv4(f)) return;
  const Ipv4Header ip(f.data + f.layout.l3);
  std::uint8_t* const word = ip.at() + offset / 2 * 2;
  const be16 from = be16::load(word);
  ip.at()[offset] = value;
  mend_ipv4_header(ip, from, be16::load(word));
}

void replace_port(const MutableFrame& f, std::size_t offset, be16 port) {
  if (!f.layout.has_l4()) return;
  std::uint8_t* const l4 = f.data + f.layout.l4;
  switch (f.layout.ip_proto) {
    case ip_proto::kTcp:
    case ip_proto::kUdp:
    case ip_proto::kUdpLite:
      return replace_in_transport(f, l4 + offset, port);
    case ip_proto::kSctp: {
      const Bytes packet{l4, f.layout.l3_end - f.layout.l4};
      const SctpHeader sctp(l4);
      const std::uint32_t stored = sctp.crc();
      const std::uint32_t before = net::crc32c(packet);
      port.store(l4 + offset);
      // CRCs are linear: equal changes of the data change them by the same bits, whatever the field itself
      // held.
      if (f.layout.fragment == 0) sctp.set_crc(stored ^ before ^ net::crc32c(packet));
      return;
    }
    default:
      return;
  }
}

bool has_icmp(const MutableFrame& f) {
  return f.layout.has_l4() && ((f.layout.ip_proto == ip_proto::kIcmp && is_ipv4(f)) ||
                               (f.layout.ip_proto == ip_proto::kIcmpv6 && is_ipv6(f)));
}

void replace_icmp_byte(const MutableFrame& f, std::size_t offset, std::uint8_t value) {
  if (!has_icmp(f)) return;
  std::uint8_t word[2] = {f.data[f.layout.l4], f.data[f.layout.l4 + 1]};
  word[offset] = value;
  replace_in_transport(f, f.data + f.layout.l4, be16::load(word));
}

bool has_nd(const MutableFrame& f) {
  if (!is_ipv6(f) || !f.layout.has_l4() || f.layout.ip_proto != ip_proto::kIcmpv6) return false;
  const IcmpHeader icmp(f.data + f.layout.l4);
  return is_nd(icmp.type(), icmp.code()) && f.layout.l3_end - f.layout.l4 >= NdHeader<std::uint8_t>::kBytes;
}

/// The first link-layer address option of this type, or of either with type 0; nullptr if there is none.
std::uint8_t* find_link_address(const MutableFrame& f, std::uint8_t wanted) {
  if (!has_nd(f)) return nullptr;
  std::uint8_t* const options = f.data + f.layout.l4 + NdHeader<std::uint8_t>::kBytes;
  std::uint8_t* found = nullptr;
  const Bytes rest{options, f.layout.l3_end - f.layout.l4 - NdHeader<std::uint8_t>::kBytes};
  nd_option::for_each(rest, [&](std::uint8_t type, std::size_t at, std::size_t bytes) {
    const bool link = type == nd_option::kSourceLinkAddress || type == nd_option::kTargetLinkAddress;
    if (found == nullptr && link && bytes == nd_option::kLinkAddressBytes && (wanted == 0 || wanted == type))
      found = options + at;
  });
  return found;
}

void replace_link_address(const MutableFrame& f, std::uint8_t type, const net::Mac& mac) {
  std::uint8_t* const option = find_link_address(f, type);
  if (option == nullptr) return;
  for (std::size_t i = 0; i < 6; i += 2)
    replace_in_transport(f, option + 2 + i, be16::load(mac.bytes.data() + i));
}

}  // namespace

void set_eth_dst(const MutableFrame& f, const net::Mac& mac) {
  if (f.size >= EthernetHeader<std::uint8_t>::kBytes) EthernetHeader(f.data).set_dst(mac);
}
void set_eth_src(const MutableFrame& f, const net::Mac& mac) {
  if (f.size >= EthernetHeader<std::uint8_t>::kBytes) EthernetHeader(f.data).set_src(mac);
}
void set_vlan_tci(const MutableFrame& f, be16 tci, unsigned i) {
  if (i < f.layout.vlans) VlanHeader(f.data + EthernetHeader<std::uint8_t>::kTypeAt + i * 4).set_tci(tci);
}
void set_mpls_lse(const MutableFrame& f, be32 lse, unsigned i) {
  if (i < f.layout.mpls_labels) MplsHeader(f.data + f.layout.l2_5 + i * 4).set_lse(lse);
}

void set_arp_op(const MutableFrame& f, be16 op) {
  if (is_arp(f)) ArpHeader(f.data + f.layout.l3).set_operation(op);
}
void set_arp_sha(const MutableFrame& f, const net::Mac& mac) {
  if (is_arp(f)) ArpHeader(f.data + f.layout.l3).set_sha(mac);
}
void set_arp_tha(const MutableFrame& f, const net::Mac& mac) {
  if (is_arp(f)) ArpHeader(f.data + f.layout.l3).set_tha(mac);
}
void set_arp_spa(const MutableFrame& f, be32 address) {
  if (is_arp(f)) ArpHeader(f.data + f.layout.l3).set_spa(address);
}
void set_arp_tpa(const MutableFrame& f, be32 address) {
  if (is_arp(f)) ArpHeader(f.data + f.layout.l3).set_tpa(address);
}

void set_ipv4_src(const MutableFrame& f, be32 address) {
  replace_ipv4_address(f, 12, address);
}
void set_ipv4_dst(const MutableFrame& f, be32 address) {
  replace_ipv4_address(f, 16, address);
}
void set_ipv4_tos(const MutableFrame& f, std::uint8_t tos) {
  replace_ipv4_byte(f, 1, tos);
}
void set_ipv4_ttl(const MutableFrame& f, std::uint8_t ttl) {
  replace_ipv4_byte(f, 8, ttl);
}

void set_ipv6_src(const MutableFrame& f, const be128& address) {
  if (!is_ipv6(f)) return;
  const Ipv6Header ip(f.data + f.layout.l3);
  const be128 from = ip.src();
  ip.set_src(address);
  mend_transport(f, Part::PseudoHeader, from, address);
}
void set_ipv6_dst(const MutableFrame& f, const be128& address) {
  if (!is_ipv6(f)) return;
  const Ipv6Header ip(f.data + f.layout.l3);
  const be128 from = ip.dst();
  ip.set_dst(address);
  if (ipv6_dst_is_final(bytes_of(f), f.layout)) mend_transport(f, Part::PseudoHeader, from, address);
}
void set_ipv6_label(const MutableFrame& f, be32 label) {
  if (is_ipv6(f)) Ipv6Header(f.data + f.layout.l3).set_label(label);
}
void set_ipv6_traffic_class(const MutableFrame& f, std::uint8_t traffic_class) {
  if (is_ipv6(f)) Ipv6Header(f.data + f.layout.l3).set_traffic_class(traffic_class);
}
void set_ipv6_hop_limit(const MutableFrame& f, std::uint8_t hop_limit) {
  if (is_ipv6(f)) Ipv6Header(f.data + f.layout.l3).set_hop_limit(hop_limit);
}

void set_src_port(const MutableFrame& f, be16 port) {
  replace_port(f, 0, port);
}
void set_dst_port(const MutableFrame& f, be16 port) {
  replace_port(f, 2, port);
}

void set_icmp_type(const MutableFrame& f, std::uint8_t type) {
  replace_icmp_byte(f, 0, type);
}
void set_icmp_code(const MutableFrame& f, std::uint8_t code) {
  replace_icmp_byte(f, 1, code);
}
void set_icmp_id(const MutableFrame& f, be16 id) {
  if (has_icmp(f)) replace_in_transport(f, f.data + f.layout.l4 + 4, id);
}

void set_nd_target(const MutableFrame& f, const be128& target) {
  if (has_nd(f)) replace_in_transport(f, f.data + f.layout.l4 + 8, target);
}
void set_nd_sll(const MutableFrame& f, const net::Mac& mac) {
  replace_link_address(f, nd_option::kSourceLinkAddress, mac);
}
void set_nd_tll(const MutableFrame& f, const net::Mac& mac) {
  replace_link_address(f, nd_option::kTargetLinkAddress, mac);
}
void set_nd_reserved(const MutableFrame& f, be32 reserved) {
  if (has_nd(f)) replace_in_transport(f, f.data + f.layout.l4 + 4, reserved);
}
void set_nd_options_type(const MutableFrame& f, std::uint8_t type) {
  std::uint8_t* const option = find_link_address(f, 0);
  if (option != nullptr)
    replace_in_transport(f, option, be16{static_cast<std::uint16_t>(type << 8 | option[1])});
}

}  // namespace sluice::wire
