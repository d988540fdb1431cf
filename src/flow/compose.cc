#include "flow/compose.h"

#include <span>

#include "net/protocol.h"
#include "wire/checksum_verify.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/nd.h"
#include "wire/tcp.h"
#include "wire/walk.h"

namespace sluice::flow {
namespace {

namespace ip_proto = net::ip_proto;
namespace ethertype = net::ethertype;

/// Offset of a composed later fragment: any multiple of eight but 0.
constexpr std::uint16_t kLaterOffset = 64;

void put(ByteWriter& out, const Mac& mac) {
  out.append(Bytes{mac.bytes.data(), mac.bytes.size()});
}
void put(ByteWriter& out, const be128& address) {
  out.u64(address.hi.host());
  out.u64(address.lo.host());
}

void compose_transport(const FlowKey& key, bool is_ipv6, Bytes payload, ByteWriter& out) {
  const std::uint16_t src = key.tp_src.host(), dst = key.tp_dst.host();
  if ((key.nw_frag & kFragLater) != 0) return out.append(payload);
  switch (key.nw_proto) {
    case ip_proto::kTcp:
      out.u16(src);
      out.u16(dst);
      out.zeros(8);  // sequence and acknowledgement numbers
      out.u16(static_cast<std::uint16_t>(0x5000 | (key.tcp_flags.host() & 0x0fff)));
      out.zeros(6);  // window, checksum, urgent pointer
      break;
    case ip_proto::kUdp:
      out.u16(src);
      out.u16(dst);
      out.u16(static_cast<std::uint16_t>(8 + payload.size()));
      out.u16(0);
      break;
    case ip_proto::kSctp:
      out.u16(src);
      out.u16(dst);
      out.zeros(8);  // verification tag, CRC32c
      break;
    case ip_proto::kUdpLite:
      out.zeros(8);
      break;
    case ip_proto::kDccp:
      out.zeros(12);
      break;
    case ip_proto::kIcmp:
    case ip_proto::kIgmp:
      if (is_ipv6) break;
      out.u8(static_cast<std::uint8_t>(src));
      out.u8(static_cast<std::uint8_t>(dst));
      out.zeros(6);
      break;
    case ip_proto::kIcmpv6:
      if (!is_ipv6) break;
      out.u8(static_cast<std::uint8_t>(src));
      out.u8(static_cast<std::uint8_t>(dst));
      out.u16(0);
      if (!wire::is_nd(static_cast<std::uint8_t>(src), static_cast<std::uint8_t>(dst))) {
        out.u32(0);
        break;
      }
      out.u32(key.nd_reserved.host());
      put(out, key.nd_target);
      if (!key.arp_sha.is_zero()) {
        out.u16(wire::nd_option::kSourceLinkAddress << 8 | 1);
        put(out, key.arp_sha);
      }
      if (!key.arp_tha.is_zero()) {
        out.u16(wire::nd_option::kTargetLinkAddress << 8 | 1);
        put(out, key.arp_tha);
      }
      break;
    default:
      break;
  }
  out.append(payload);
}

void compose_ipv4(const FlowKey& key, Bytes payload, ByteWriter& out) {
  const std::size_t start = out.size();
  out.u8(0x45);
  out.u8(key.nw_tos);
  out.u16(0);
  out.u16(0);
  const bool later = (key.nw_frag & kFragLater) != 0;
  out.u16(later                           ? kLaterOffset / 8
          : (key.nw_frag & kFragAny) != 0 ? wire::Ipv4Header<std::uint8_t>::kMoreFragments
                                          : 0);
  out.u8(key.nw_ttl);
  out.u8(key.nw_proto);
  out.u16(0);
  out.u32(key.nw_src.host());
  out.u32(key.nw_dst.host());
  compose_transport(key, false, payload, out);
  out.patch_u16(start + 2, static_cast<std::uint16_t>(out.size() - start));
}

void compose_ipv6(const FlowKey& key, Bytes payload, ByteWriter& out) {
  const std::size_t start = out.size();
  const bool later = (key.nw_frag & kFragLater) != 0, fragment = (key.nw_frag & kFragAny) != 0;
  const std::uint8_t proto =
      wire::ipv6_extension::is_extension(key.nw_proto) ? ip_proto::kNoNext : key.nw_proto;
  out.u32(0x60000000u | static_cast<std::uint32_t>(key.nw_tos) << 20 | (key.ipv6_label.host() & 0xfffff));
  out.u16(0);
  out.u8(fragment ? ip_proto::kFragment : proto);
  out.u8(key.nw_ttl);
  put(out, key.ipv6_src);
  put(out, key.ipv6_dst);
  if (fragment) {
    out.u8(proto);
    out.u8(0);
    out.u16(later ? kLaterOffset : wire::Ipv6FragmentHeader<std::uint8_t>::kMoreFragments);
    out.u32(0);
  }
  compose_transport(key, true, payload, out);
  out.patch_u16(start + 4, static_cast<std::uint16_t>(out.size() - start - 40));
}

void compose_arp(const FlowKey& key, ByteWriter& out) {
  out.u64(std::uint64_t{0x000108000604} << 16 | key.nw_proto);
  put(out, key.arp_sha);
  out.u32(key.nw_src.host());
  put(out, key.arp_tha);
  out.u32(key.nw_dst.host());
}

void compose_mpls(const FlowKey& key, Bytes payload, ByteWriter& out) {
  unsigned labels = 1;
  for (unsigned i = 0; i < kMaxMplsLabels; ++i) {
    if (key.mpls[i] != be32{}) labels = i + 1;
    if ((key.mpls[i].host() & wire::MplsHeader<std::uint8_t>::kBottom) != 0) break;
  }
  for (unsigned i = 0; i < labels; ++i) out.u32(key.mpls[i].host());
  const bool bottom = (key.mpls[labels - 1].host() & wire::MplsHeader<std::uint8_t>::kBottom) != 0;
  if (!bottom && labels == kMaxMplsLabels) out.u32(wire::MplsHeader<std::uint8_t>::kBottom);
  if (bottom || labels == kMaxMplsLabels) out.append(payload);
}

}  // namespace

std::vector<std::uint8_t> compose(const FlowKey& key, Bytes payload) {
  ByteWriter out;
  put(out, key.eth_dst);
  put(out, key.eth_src);
  for (const VlanTag& tag : key.vlan) {
    if ((tag.tci.host() & kVlanPresent) == 0) break;
    out.u16(tag.tpid == be16{} ? ethertype::kVlan : tag.tpid.host());
    out.u16(tag.tci.host() & static_cast<std::uint16_t>(~kVlanPresent));
  }
  const std::uint16_t type = key.eth_type.host();
  const std::size_t type_at = out.size();
  if (type == ethertype::kNone || type == 0) {
    out.u16(0);  // the 802.3 length, below
    out.u8(0x42);
    out.u8(0x42);
    out.u8(3);
    out.append(payload);
    out.patch_u16(type_at, static_cast<std::uint16_t>(out.size() - type_at - 2));
    return out.take();
  }
  out.u16(type);
  switch (type) {
    case ethertype::kIpv4:
      compose_ipv4(key, payload, out);
      break;
    case ethertype::kIpv6:
      compose_ipv6(key, payload, out);
      break;
    case ethertype::kArp:
    case ethertype::kRarp:
      compose_arp(key, out);
      break;
    case ethertype::kMpls:
    case ethertype::kMplsMulticast:
      compose_mpls(key, payload, out);
      break;
    default:
      out.append(payload);
      break;
  }
  std::vector<std::uint8_t> frame = out.take();
  wire::fill_checksums(frame, wire::walk(frame));
  return frame;
}

}  // namespace sluice::flow
