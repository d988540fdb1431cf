// Headers are written front to back; lengths and checksums, which depend on what follows, are patched from
// the inside out. Layouts: wire/*.h.
#include "ofproto/compose.h"

#include "base/bytes.h"
#include "net/checksum.h"
#include "net/protocol.h"

namespace sluice::ofproto {

namespace {

namespace ethertype = net::ethertype;
namespace ip_proto = net::ip_proto;
using flow::FlowKey;

void put(ByteWriter& out, const net::Mac& mac) {
  out.append(mac.bytes);
}
void put(ByteWriter& out, const be128& address) {
  out.u64(address.hi.host());
  out.u64(address.lo.host());
}

void compose_arp(const FlowKey& key, ByteWriter& out) {
  out.u16(1);  // Ethernet
  out.u16(ethertype::kIpv4);
  out.u8(6);
  out.u8(4);
  out.u16(key.nw_proto);
  put(out, key.arp_sha);
  out.u32(key.nw_src.host());
  put(out, key.arp_tha);
  out.u32(key.nw_dst.host());
}

/// Neighbour solicitation and advertisement with the link-layer options that the key has (RFC 4861
/// section 4.3).
void compose_nd(const FlowKey& key, ByteWriter& out) {
  out.u32(key.nd_reserved.host());
  put(out, key.nd_target);
  const auto option = [&](std::uint8_t type, const net::Mac& mac) {
    if (mac.is_zero()) return;
    out.u8(type);
    out.u8(1);
    put(out, mac);
  };
  option(1, key.arp_sha);
  option(2, key.arp_tha);
}

/// The transport header with its checksum field zero. Returns the field's offset from the header, 0 if there
/// is none.
std::size_t compose_transport(const FlowKey& key, ByteWriter& out) {
  switch (key.nw_proto) {
    case ip_proto::kTcp:
      out.u16(key.tp_src.host());
      out.u16(key.tp_dst.host());
      out.zeros(8);
      out.u16(static_cast<std::uint16_t>(5 << 12 | (key.tcp_flags.host() & 0xfff)));
      out.u16(0xffff);
      out.zeros(4);
      return 16;
    case ip_proto::kUdp:
    case ip_proto::kUdpLite:
      out.u16(key.tp_src.host());
      out.u16(key.tp_dst.host());
      out.u16(8);
      out.u16(0);
      return 6;
    case ip_proto::kSctp: {
      const std::size_t start = out.size();
      out.u16(key.tp_src.host());
      out.u16(key.tp_dst.host());
      out.zeros(8);
      // The CRC travels least significant byte first (RFC 9260 appendix A).
      const std::uint32_t crc = net::crc32c(out.bytes().subspan(start));
      out.patch_u16(start + 8, static_cast<std::uint16_t>(__builtin_bswap32(crc) >> 16));
      out.patch_u16(start + 10, static_cast<std::uint16_t>(__builtin_bswap32(crc)));
      return 0;
    }
    case ip_proto::kIcmp:
      out.u8(static_cast<std::uint8_t>(key.tp_src.host()));
      out.u8(static_cast<std::uint8_t>(key.tp_dst.host()));
      out.zeros(6);
      return 2;
    case ip_proto::kIcmpv6: {
      const auto type = static_cast<std::uint8_t>(key.tp_src.host());
      out.u8(type);
      out.u8(static_cast<std::uint8_t>(key.tp_dst.host()));
      out.u16(0);
      if (type == net::icmpv6::kNeighborSolicit || type == net::icmpv6::kNeighborAdvert)
        compose_nd(key, out);
      else
        out.u32(0);
      return 2;
    }
    default:
      return 0;
  }
}

void patch_checksum(ByteWriter& out, std::size_t at, be16 sum, bool zero_means_none) {
  std::uint16_t value = sum.host();
  if (value == 0 && zero_means_none) value = 0xffff;
  out.patch_u16(at, value);
}

void compose_ipv4(const FlowKey& key, ByteWriter& out) {
  const std::size_t start = out.size();
  out.u8(0x45);
  out.u8(key.nw_tos);
  out.u16(0);
  out.u16(0);
  const bool later = key.nw_frag & flow::kFragLater;
  out.u16(later ? 0x0001 : key.nw_frag & flow::kFragAny ? 0x2000 : 0);
  out.u8(key.nw_ttl);
  out.u8(key.nw_proto);
  out.u16(0);
  out.u32(key.nw_src.host());
  out.u32(key.nw_dst.host());
  const std::size_t l4 = out.size();
  const std::size_t checksum_at = later ? 0 : compose_transport(key, out);
  out.patch_u16(start + 2, static_cast<std::uint16_t>(out.size() - start));
  out.patch_u16(start + 10, net::checksum(out.bytes().subspan(start, 20)).host());
  if (checksum_at == 0) return;
  net::ChecksumSum sum;
  if (key.nw_proto != ip_proto::kIcmp) {
    sum.add32(key.nw_src);
    sum.add32(key.nw_dst);
    sum.add16(be16{key.nw_proto});
    sum.add16(be16{static_cast<std::uint16_t>(out.size() - l4)});
  }
  sum.add(out.bytes().subspan(l4));
  patch_checksum(out, l4 + checksum_at, sum.finish(), key.nw_proto == ip_proto::kUdp);
}

void compose_ipv6(const FlowKey& key, ByteWriter& out) {
  const std::size_t start = out.size();
  out.u32(std::uint32_t{6} << 28 | std::uint32_t{key.nw_tos} << 20 | (key.ipv6_label.host() & 0xfffff));
  out.u16(0);
  const bool fragment = key.nw_frag & flow::kFragAny;
  const bool later = key.nw_frag & flow::kFragLater;
  out.u8(fragment ? ip_proto::kFragment : key.nw_proto);
  out.u8(key.nw_ttl);
  put(out, key.ipv6_src);
  put(out, key.ipv6_dst);
  if (fragment) {
    out.u8(later ? ip_proto::kNoNext : key.nw_proto);
    out.u8(0);
    out.u16(later ? 0x0008 : 0x0001);
    out.u32(0);
  }
  const std::size_t l4 = out.size();
  const std::size_t checksum_at = later ? 0 : compose_transport(key, out);
  out.patch_u16(start + 4, static_cast<std::uint16_t>(out.size() - start - 40));
  if (checksum_at == 0) return;
  net::ChecksumSum sum;
  sum.add128(key.ipv6_src);
  sum.add128(key.ipv6_dst);
  sum.add16(be16{static_cast<std::uint16_t>(out.size() - l4)});
  sum.add16(be16{key.nw_proto});
  sum.add(out.bytes().subspan(l4));
  patch_checksum(out, l4 + checksum_at, sum.finish(), key.nw_proto == ip_proto::kUdp);
}

}  // namespace

std::vector<std::uint8_t> compose_frame(const FlowKey& key) {
  ByteWriter out;
  put(out, key.eth_dst);
  put(out, key.eth_src);
  for (const auto& tag : key.vlan) {
    if ((tag.tci.host() & flow::kVlanPresent) == 0) break;
    out.u16(tag.tpid.raw() == 0 ? ethertype::kVlan : tag.tpid.host());
    out.u16(static_cast<std::uint16_t>(tag.tci.host() & ~flow::kVlanPresent));
  }
  const std::uint16_t type = key.eth_type.host();
  if (type < ethertype::kMinimum) {  // IEEE 802.3: a length instead of a type
    out.u16(0);
    return out.take();
  }
  out.u16(type);
  switch (type) {
    case ethertype::kIpv4:
      compose_ipv4(key, out);
      break;
    case ethertype::kIpv6:
      compose_ipv6(key, out);
      break;
    case ethertype::kArp:
    case ethertype::kRarp:
      compose_arp(key, out);
      break;
    case ethertype::kMpls:
    case ethertype::kMplsMulticast:
      for (const auto& label : key.mpls) {
        out.u32(label.host());
        if (label.host() & 0x100) break;  // bottom of stack
      }
      break;
    default:
      break;
  }
  return out.take();
}

}  // namespace sluice::ofproto
