#include "dp_action/odp_fields.h"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

#include "net/protocol.h"

namespace sluice::dp_action {

using net::Mac;

namespace {

constexpr std::uint16_t kFullPort = 0xffff;

/// C's "%#x": no prefix before zero.
std::string hex_text(std::uint64_t value) {
  return value == 0 ? "0" : fmt::format("{:#x}", value);
}

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 8> kCtStates = {{{0x01, "new"},
                                                                                  {0x02, "est"},
                                                                                  {0x04, "rel"},
                                                                                  {0x08, "rpl"},
                                                                                  {0x10, "inv"},
                                                                                  {0x20, "trk"},
                                                                                  {0x40, "snat"},
                                                                                  {0x80, "dnat"}}};
constexpr std::uint32_t kAllCtStates = 0xff;
constexpr std::array<std::pair<std::uint32_t, std::string_view>, 9> kTcpFlags = {{{0x001, "fin"},
                                                                                  {0x002, "syn"},
                                                                                  {0x004, "rst"},
                                                                                  {0x008, "psh"},
                                                                                  {0x010, "ack"},
                                                                                  {0x020, "urg"},
                                                                                  {0x040, "ece"},
                                                                                  {0x080, "cwr"},
                                                                                  {0x100, "ns"}}};
constexpr std::uint32_t kAllTcpFlags = 0xfff;

/// "+new-est" for some of the flags, "new|trk" (or "0") for all of them.
template <std::size_t N>
std::string flags_text(const std::array<std::pair<std::uint32_t, std::string_view>, N>& names,
                       std::uint32_t value, std::uint32_t mask, std::uint32_t all) {
  std::string text;
  if ((mask & all) == all) {
    for (const auto& [bit, name] : names)
      if ((value & bit) != 0) text.append(text.empty() ? "" : "|").append(name);
    return text.empty() ? "0" : text;
  }
  for (const auto& [bit, name] : names)
    if ((mask & bit) != 0) text.append((value & bit) != 0 ? "+" : "-").append(name);
  return text;
}

}  // namespace

std::string hex128(const be128& value) {
  if (value.hi.host() == 0) return hex_text(value.lo.host());
  return fmt::format("{:#x}{:016x}", value.hi.host(), value.lo.host());
}

void OdpWriter::word(const std::string& text) {
  if (!out_.empty() && out_.back() != '(') out_ += ',';
  out_ += text;
}

void OdpWriter::open(const char* group) {
  word(group);
  out_ += '(';
  first_in_group_ = true;
}
void OdpWriter::close() {
  out_ += ')';
}

std::string& OdpWriter::member(const char* name) {
  if (!std::exchange(first_in_group_, false)) out_ += ',';
  out_ += name;
  out_ += '=';
  return out_;
}

template <typename T>
void OdpWriter::decimal_hex_mask(const char* name, T value, T mask, T full) {
  if (mask == 0) return;
  member(name) += std::to_string(value);
  if (mask != full) out_ += '/' + hex_text(mask);
}

void OdpWriter::hex(const char* name, std::uint64_t value, std::uint64_t mask, std::uint64_t full) {
  if (mask == 0) return;
  member(name) += hex_text(value);
  if (mask != full) out_ += '/' + hex_text(mask);
}

void OdpWriter::address(const char* name, be32 value, be32 mask) {
  if (mask.raw() == 0) return;
  member(name) += net::format_ipv4(value);
  if (mask.host() != 0xffffffff) out_ += '/' + net::format_ipv4(mask);
}

void OdpWriter::address(const char* name, const be128& value, const be128& mask) {
  if (mask.is_zero()) return;
  member(name) += net::format_ipv6(value);
  if (!(~mask).is_zero()) out_ += '/' + net::format_ipv6(mask);
}

void OdpWriter::address(const char* name, const Mac& value, const Mac& mask) {
  if (mask.is_zero()) return;
  member(name) += net::format_mac(value);
  if (!mask.is_broadcast()) out_ += '/' + net::format_mac(mask);
}

void OdpWriter::scalar(const char* group, std::uint64_t value, std::uint64_t mask, std::uint64_t full) {
  if (mask == 0) return;
  open(group);
  out_ += hex_text(value);
  if (mask != full) out_ += '/' + hex_text(mask);
  close();
}

void OdpWriter::skb_priority() {
  scalar("skb_priority", value_.skb_priority.host(), mask_.skb_priority.host(), 0xffffffff);
}
void OdpWriter::skb_mark() {
  scalar("skb_mark", value_.pkt_mark.host(), mask_.pkt_mark.host(), 0xffffffff);
}
void OdpWriter::dp_hash() {
  scalar("dp_hash", value_.dp_hash.host(), mask_.dp_hash.host(), 0xffffffff);
}
void OdpWriter::ct_zone() {
  scalar("ct_zone", value_.ct_zone.host(), mask_.ct_zone.host(), 0xffff);
}
void OdpWriter::ct_mark() {
  scalar("ct_mark", value_.ct_mark.host(), mask_.ct_mark.host(), 0xffffffff);
}

void OdpWriter::ct_label() {
  if (mask_.ct_label.is_zero()) return;
  open("ct_label");
  out_ += hex128(value_.ct_label);
  if (!(~mask_.ct_label).is_zero()) out_ += '/' + hex128(mask_.ct_label);
  close();
}

void OdpWriter::ct_state() {
  if (mask_.ct_state.raw() == 0) return;
  open("ct_state");
  out_ += flags_text(kCtStates, value_.ct_state.host(), mask_.ct_state.host(), kAllCtStates);
  close();
}

void OdpWriter::tcp_flags() {
  if (mask_.tcp_flags.raw() == 0) return;
  open("tcp_flags");
  out_ += flags_text(kTcpFlags, value_.tcp_flags.host(), mask_.tcp_flags.host(), kAllTcpFlags);
  close();
}

void OdpWriter::ct_tuple() {
  const bool v4 = (mask_.ct_nw_src.raw() | mask_.ct_nw_dst.raw()) != 0;
  const bool v6 = !mask_.ct_ipv6_src.is_zero() || !mask_.ct_ipv6_dst.is_zero();
  const bool rest = mask_.ct_nw_proto != 0 || (mask_.ct_tp_src.raw() | mask_.ct_tp_dst.raw()) != 0;
  if (!v4 && !v6 && !rest) return;
  const bool ipv6 = v6 || (!v4 && value_.eth_type.host() == net::ethertype::kIpv6);
  open(ipv6 ? "ct_tuple6" : "ct_tuple4");
  if (ipv6) {
    address("src", value_.ct_ipv6_src, mask_.ct_ipv6_src);
    address("dst", value_.ct_ipv6_dst, mask_.ct_ipv6_dst);
  } else {
    address("src", value_.ct_nw_src, mask_.ct_nw_src);
    address("dst", value_.ct_nw_dst, mask_.ct_nw_dst);
  }
  decimal_hex_mask<std::uint32_t>("proto", value_.ct_nw_proto, mask_.ct_nw_proto, 0xff);
  decimal_hex_mask<std::uint32_t>("tp_src", value_.ct_tp_src.host(), mask_.ct_tp_src.host(), kFullPort);
  decimal_hex_mask<std::uint32_t>("tp_dst", value_.ct_tp_dst.host(), mask_.ct_tp_dst.host(), kFullPort);
  close();
}

void OdpWriter::tunnel() {
  const bool v6 = !mask_.tun_ipv6_src.is_zero() || !mask_.tun_ipv6_dst.is_zero();
  if (mask_.tun_id.raw() == 0 && (mask_.tun_src.raw() | mask_.tun_dst.raw()) == 0 && !v6 &&
      mask_.tun_tos == 0 && mask_.tun_ttl == 0 && mask_.tun_flags.raw() == 0)
    return;
  open("tunnel");
  hex("tun_id", value_.tun_id.host(), mask_.tun_id.host(), ~std::uint64_t{0});
  address("src", value_.tun_src, mask_.tun_src);
  address("dst", value_.tun_dst, mask_.tun_dst);
  address("ipv6_src", value_.tun_ipv6_src, mask_.tun_ipv6_src);
  address("ipv6_dst", value_.tun_ipv6_dst, mask_.tun_ipv6_dst);
  hex("tos", value_.tun_tos, mask_.tun_tos, 0xff);
  decimal_hex_mask<std::uint32_t>("ttl", value_.tun_ttl, mask_.tun_ttl, 0xff);
  hex("flags", value_.tun_flags.host(), mask_.tun_flags.host(), 0xffff);
  close();
}

void OdpWriter::ethernet() {
  if (mask_.eth_src.is_zero() && mask_.eth_dst.is_zero()) return;
  open("eth");
  address("src", value_.eth_src, mask_.eth_src);
  address("dst", value_.eth_dst, mask_.eth_dst);
  close();
}

void OdpWriter::eth_type() {
  if (mask_.eth_type.raw() == 0) return;
  if (value_.eth_type.host() == net::ethertype::kNone) return word("eth_type(0/0xffff)");
  word(mask_.eth_type.host() == 0xffff
           ? fmt::format("eth_type({:#06x})", value_.eth_type.host())
           : fmt::format("eth_type({:#06x}/{:#06x})", value_.eth_type.host(), mask_.eth_type.host()));
}

void OdpWriter::vlan(unsigned i) {
  const flow::VlanTag &value = value_.vlan[i], &mask = mask_.vlan[i];
  const std::uint16_t tpid = value.tpid.raw() != 0 ? value.tpid.host() : net::ethertype::kVlan;
  word(fmt::format("eth_type({:#06x})", tpid));
  const auto vid = [](be16 tci) { return static_cast<unsigned>(tci.host() & flow::kVlanVidMask); };
  const auto pcp = [](be16 tci) { return static_cast<unsigned>(tci.host() >> 13); };
  open("vlan");
  if (vid(mask.tci) == flow::kVlanVidMask && pcp(mask.tci) == 7) {
    out_ += fmt::format("vid={},pcp={}", vid(value.tci), pcp(value.tci));
  } else {
    out_ += fmt::format("vid={}", vid(value.tci));
    if (vid(mask.tci) != flow::kVlanVidMask) out_ += fmt::format("/{:#x}", vid(mask.tci));
    out_ += fmt::format(",pcp={}", pcp(value.tci));
    if (pcp(mask.tci) != 7) out_ += fmt::format("/{:#x}", pcp(mask.tci));
  }
  close();
}

void OdpWriter::lse(be32 value, be32 mask) {
  const std::uint32_t v = value.host(), m = mask.host();
  if (m == 0xffffffff) {
    out_ += fmt::format("label={},tc={},ttl={},bos={}", v >> 12, v >> 9 & 7, v & 0xff, v >> 8 & 1);
    return;
  }
  out_ += fmt::format("label={}/{:#x},tc={}/{:x},ttl={}/{:#x},bos={}/{:x}", v >> 12, m >> 12, v >> 9 & 7,
                      m >> 9 & 7, v & 0xff, m & 0xff, v >> 8 & 1, m >> 8 & 1);
}

void OdpWriter::mpls() {
  unsigned n = 0;
  for (unsigned i = 0; i < flow::kMaxMplsLabels; ++i)
    if (mask_.mpls[i].raw() != 0) n = i + 1;
  if (n == 0) return;
  open("mpls");
  if (n == 1) {
    lse(value_.mpls[0], mask_.mpls[0]);
  } else {
    for (unsigned i = 0; i < n; ++i) {
      if (i != 0) out_ += ',';
      out_ += fmt::format("lse{}={}", i, hex_text(value_.mpls[i].host()));
      if (mask_.mpls[i].host() != 0xffffffff) out_ += '/' + hex_text(mask_.mpls[i].host());
    }
  }
  close();
}

void OdpWriter::frag() {
  const unsigned value = value_.nw_frag & (flow::kFragAny | flow::kFragLater);
  member("frag") += (value & flow::kFragLater) != 0 ? "later"
                    : (value & flow::kFragAny) != 0 ? "first"
                                                    : "no";
}

void OdpWriter::ipv4(bool with_frag) {
  const bool fragments = with_frag && mask_.nw_frag != 0;
  if ((mask_.nw_src.raw() | mask_.nw_dst.raw()) == 0 && (mask_.nw_proto | mask_.nw_tos | mask_.nw_ttl) == 0 &&
      !fragments)
    return;
  open("ipv4");
  address("src", value_.nw_src, mask_.nw_src);
  address("dst", value_.nw_dst, mask_.nw_dst);
  decimal_hex_mask<std::uint32_t>("proto", value_.nw_proto, mask_.nw_proto, 0xff);
  hex("tos", value_.nw_tos, mask_.nw_tos, 0xff);
  decimal_hex_mask<std::uint32_t>("ttl", value_.nw_ttl, mask_.nw_ttl, 0xff);
  if (fragments) frag();
  close();
}

void OdpWriter::ipv6(bool with_frag) {
  const bool fragments = with_frag && mask_.nw_frag != 0;
  if (mask_.ipv6_src.is_zero() && mask_.ipv6_dst.is_zero() && mask_.ipv6_label.raw() == 0 &&
      (mask_.nw_proto | mask_.nw_tos | mask_.nw_ttl) == 0 && !fragments)
    return;
  open("ipv6");
  address("src", value_.ipv6_src, mask_.ipv6_src);
  address("dst", value_.ipv6_dst, mask_.ipv6_dst);
  hex("label", value_.ipv6_label.host(), mask_.ipv6_label.host() & 0xfffff, 0xfffff);
  decimal_hex_mask<std::uint32_t>("proto", value_.nw_proto, mask_.nw_proto, 0xff);
  hex("tclass", value_.nw_tos, mask_.nw_tos, 0xff);
  decimal_hex_mask<std::uint32_t>("hlimit", value_.nw_ttl, mask_.nw_ttl, 0xff);
  if (fragments) frag();
  close();
}

void OdpWriter::ports(const char* group) {
  if ((mask_.tp_src.raw() | mask_.tp_dst.raw()) == 0) return;
  open(group);
  decimal_hex_mask<std::uint32_t>("src", value_.tp_src.host(), mask_.tp_src.host(), kFullPort);
  decimal_hex_mask<std::uint32_t>("dst", value_.tp_dst.host(), mask_.tp_dst.host(), kFullPort);
  close();
}

void OdpWriter::icmp(const char* group) {
  if ((mask_.tp_src.host() & 0xff) == 0 && (mask_.tp_dst.host() & 0xff) == 0) return;
  open(group);
  decimal_hex_mask<std::uint32_t>("type", value_.tp_src.host() & 0xff, mask_.tp_src.host() & 0xff, 0xff);
  decimal_hex_mask<std::uint32_t>("code", value_.tp_dst.host() & 0xff, mask_.tp_dst.host() & 0xff, 0xff);
  close();
}

void OdpWriter::arp() {
  if ((mask_.nw_src.raw() | mask_.nw_dst.raw()) == 0 && mask_.nw_proto == 0 && mask_.arp_sha.is_zero() &&
      mask_.arp_tha.is_zero())
    return;
  open("arp");
  address("sip", value_.nw_src, mask_.nw_src);
  address("tip", value_.nw_dst, mask_.nw_dst);
  decimal_hex_mask<std::uint32_t>("op", value_.nw_proto, mask_.nw_proto, 0xff);
  address("sha", value_.arp_sha, mask_.arp_sha);
  address("tha", value_.arp_tha, mask_.arp_tha);
  close();
}

void OdpWriter::nd() {
  if (mask_.nd_target.is_zero() && mask_.arp_sha.is_zero() && mask_.arp_tha.is_zero()) return;
  open("nd");
  address("target", value_.nd_target, mask_.nd_target);
  address("sll", value_.arp_sha, mask_.arp_sha);
  address("tll", value_.arp_tha, mask_.arp_tha);
  close();
}

}  // namespace sluice::dp_action
