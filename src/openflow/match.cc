#include "openflow/match.h"

#include "action/codec.h"
#include "action/flow_spec.h"
#include "field/match_text.h"
#include "net/protocol.h"

namespace sluice::openflow {

namespace {

using field::FieldId;
using field::FieldValue;
using flow::Match;

// Wildcards of OpenFlow 1.0; the addresses have counts of wildcarded low bits.
namespace w10 {
constexpr std::uint32_t kInPort = 1 << 0, kVlan = 1 << 1, kEthSrc = 1 << 2, kEthDst = 1 << 3,
                        kEthType = 1 << 4, kProto = 1 << 5, kTpSrc = 1 << 6, kTpDst = 1 << 7, kPcp = 1 << 20,
                        kTos = 1 << 21, kAll = (1 << 22) - 1;
constexpr unsigned kSrcShift = 8, kDstShift = 14;
}  // namespace w10

// Wildcards of OpenFlow 1.1; the rest has masks, a one bit being one that does not matter.
namespace w11 {
constexpr std::uint32_t kInPort = 1 << 0, kVlan = 1 << 1, kPcp = 1 << 2, kEthType = 1 << 3, kTos = 1 << 4,
                        kProto = 1 << 5, kTpSrc = 1 << 6, kTpDst = 1 << 7, kMplsLabel = 1 << 8,
                        kMplsTc = 1 << 9, kAll = (1 << 10) - 1;
}  // namespace w11

constexpr std::uint16_t kVlanNone = 0xffff, kVlanAny = 0xfffe;
constexpr std::uint16_t kPcpMask = 0xe000;
constexpr std::uint8_t kDscpMask = 0xfc;

FieldValue take_value(ByteReader& in, unsigned bytes) {
  FieldValue value = 0;
  for (const std::uint8_t byte : in.take(bytes)) value = value << 8 | byte;
  return value;
}
void put_mac(const flow::Mac& mac, ByteWriter& out) {
  out.append(Bytes(mac.bytes));
}
void exact(Match& match, FieldId id, FieldValue value) {
  set_match(match, id, value, field::spec(id).valid_bits());
}
bool is_exact(be16 mask) {
  return mask.host() == 0xffff;
}

/// The tag as 1.0 and 1.1 see it: its number, kVlanNone, or with `any` kVlanAny for some tag.
struct VlanParts {
  std::uint16_t vid = 0;
  std::uint8_t pcp = 0;
  bool has_vid = false, has_pcp = false;
};
VlanParts vlan_parts(const Match& match, bool any) {
  const std::uint16_t tci = match.value.vlan[0].tci.host(), mask = match.mask.bits.vlan[0].tci.host();
  VlanParts parts;
  if (mask == 0) return parts;
  if ((mask & flow::kVlanPresent) != 0 && (tci & flow::kVlanPresent) == 0) {
    parts.vid = kVlanNone;
    parts.has_vid = true;
    parts.has_pcp = !any;
    return parts;
  }
  if ((mask & flow::kVlanVidMask) != 0) {
    parts.vid = tci & flow::kVlanVidMask;
    parts.has_vid = true;
  } else if (any) {
    parts.vid = kVlanAny;
    parts.has_vid = true;
  }
  if ((mask & kPcpMask) != 0) {
    parts.pcp = static_cast<std::uint8_t>(tci >> 13);
    parts.has_pcp = true;
  }
  return parts;
}

unsigned wildcarded_bits(be32 mask) {
  return 32 - net::ipv4_prefix_length(mask).value_or(0);
}

void set_addresses(Match& match, std::uint16_t eth_type, be32 src, be32 src_mask, be32 dst, be32 dst_mask) {
  const bool arp = eth_type == net::ethertype::kArp;
  if (src_mask.raw() != 0)
    set_match(match, arp ? FieldId::ArpSpa : FieldId::Ipv4Src, (src & src_mask).host(), src_mask.host());
  if (dst_mask.raw() != 0)
    set_match(match, arp ? FieldId::ArpTpa : FieldId::Ipv4Dst, (dst & dst_mask).host(), dst_mask.host());
}

/// Ports, or ICMP's type and code: they lie in the same place whatever the protocol.
void set_ports(Match& match, bool has_src, std::uint16_t src, bool has_dst, std::uint16_t dst) {
  if (has_src) {
    match.value.tp_src = be16{src};
    match.mask.bits.tp_src = be16{0xffff};
  }
  if (has_dst) {
    match.value.tp_dst = be16{dst};
    match.mask.bits.tp_dst = be16{0xffff};
  }
}

/// What lacks its prerequisite matches nothing and is dropped, as ovs-vswitchd does.
Match settled(Match match) {
  (void)field::settle_match(match);
  return match;
}

}  // namespace

void encode_match10(const Match& match, ByteWriter& out) {
  const flow::FlowKey &value = match.value, &mask = match.mask.bits;
  std::uint32_t wildcards = 0;
  const auto wild = [&](bool is_wild, std::uint32_t bit) { wildcards |= is_wild ? bit : 0; };
  const VlanParts vlan = vlan_parts(match, false);
  const bool tos = (mask.nw_tos & kDscpMask) == kDscpMask, proto = mask.nw_proto == 0xff;
  wild(mask.in_port.raw() == 0, w10::kInPort);
  wild(mask.eth_src.is_zero(), w10::kEthSrc);
  wild(mask.eth_dst.is_zero(), w10::kEthDst);
  wild(!is_exact(mask.eth_type), w10::kEthType);
  wild(!vlan.has_vid, w10::kVlan);
  wild(!vlan.has_pcp, w10::kPcp);
  wild(!tos, w10::kTos);
  wild(!proto, w10::kProto);
  wild(!is_exact(mask.tp_src), w10::kTpSrc);
  wild(!is_exact(mask.tp_dst), w10::kTpDst);
  wildcards |= wildcarded_bits(mask.nw_src) << w10::kSrcShift | wildcarded_bits(mask.nw_dst)
                                                                    << w10::kDstShift;

  out.u32(wildcards);
  out.u16(action::port_to_16(value.in_port.host()));
  put_mac(value.eth_src, out);
  put_mac(value.eth_dst, out);
  out.u16(vlan.vid);
  out.u8(vlan.pcp);
  out.u8(0);
  out.u16(value.eth_type.host());
  out.u8(tos ? value.nw_tos & kDscpMask : 0);
  out.u8(proto ? value.nw_proto : 0);
  out.zeros(2);
  out.u32(value.nw_src.host());
  out.u32(value.nw_dst.host());
  out.u16(is_exact(mask.tp_src) ? value.tp_src.host() : 0);
  out.u16(is_exact(mask.tp_dst) ? value.tp_dst.host() : 0);
}

Match decode_match10(ByteReader& in) {
  const std::uint32_t wildcards = in.u32() & w10::kAll;
  const auto given = [&](std::uint32_t bit) { return (wildcards & bit) == 0; };
  Match match;
  const std::uint32_t in_port = action::port_from_16(in.u16());
  const FieldValue eth_src = take_value(in, 6), eth_dst = take_value(in, 6);
  const std::uint16_t vlan = in.u16();
  const std::uint8_t pcp = in.u8();
  in.skip(1);
  const std::uint16_t eth_type = in.u16();
  const std::uint8_t tos = in.u8(), proto = in.u8();
  in.skip(2);
  const be32 src{in.u32()}, dst{in.u32()};
  const std::uint16_t tp_src = in.u16(), tp_dst = in.u16();

  if (given(w10::kInPort)) exact(match, FieldId::InPortOxm, in_port);
  if (given(w10::kEthSrc)) exact(match, FieldId::EthSrc, eth_src);
  if (given(w10::kEthDst)) exact(match, FieldId::EthDst, eth_dst);
  if (given(w10::kEthType)) exact(match, FieldId::EthType, eth_type);
  if (given(w10::kVlan) && vlan == kVlanNone) {
    set_match(match, FieldId::VlanTci, 0, 0xffff);
  } else if (given(w10::kVlan) || given(w10::kPcp)) {
    const std::uint16_t mask =
        static_cast<std::uint16_t>(flow::kVlanPresent | (given(w10::kVlan) ? flow::kVlanVidMask : 0) |
                                   (given(w10::kPcp) ? kPcpMask : 0));
    const auto tci = static_cast<std::uint16_t>(flow::kVlanPresent | (vlan & flow::kVlanVidMask) | pcp << 13);
    set_match(match, FieldId::VlanTci, tci & mask, mask);
  }
  if (given(w10::kTos)) {
    match.value.nw_tos = tos & kDscpMask;
    match.mask.bits.nw_tos = kDscpMask;
  }
  if (given(w10::kProto)) {
    match.value.nw_proto = proto;
    match.mask.bits.nw_proto = 0xff;
  }
  const auto prefix = [&](unsigned shift) {
    const unsigned wild = (wildcards >> shift) & 0x3f;
    return net::ipv4_prefix_mask(wild >= 32 ? 0 : 32 - wild);
  };
  set_addresses(match, given(w10::kEthType) ? eth_type : 0, src, prefix(w10::kSrcShift), dst,
                prefix(w10::kDstShift));
  set_ports(match, given(w10::kTpSrc), tp_src, given(w10::kTpDst), tp_dst);
  return settled(match);
}

void encode_match11(const Match& match, ByteWriter& out) {
  const flow::FlowKey &value = match.value, &mask = match.mask.bits;
  std::uint32_t wildcards = 0;
  const auto wild = [&](bool is_wild, std::uint32_t bit) { wildcards |= is_wild ? bit : 0; };
  const VlanParts vlan = vlan_parts(match, true);
  const bool tos = (mask.nw_tos & kDscpMask) == kDscpMask, proto = mask.nw_proto == 0xff;
  const field::ValueMask label = field::get(match, FieldId::MplsLabel),
                         tc = field::get(match, FieldId::MplsTc);
  wild(mask.in_port.raw() == 0, w11::kInPort);
  wild(!is_exact(mask.eth_type), w11::kEthType);
  wild(!vlan.has_vid, w11::kVlan);
  wild(!vlan.has_pcp, w11::kPcp);
  wild(!tos, w11::kTos);
  wild(!proto, w11::kProto);
  wild(!is_exact(mask.tp_src), w11::kTpSrc);
  wild(!is_exact(mask.tp_dst), w11::kTpDst);
  wild(label.mask == 0, w11::kMplsLabel);
  wild(tc.mask == 0, w11::kMplsTc);
  const auto masked = [&](const flow::Mac& address, const flow::Mac& address_mask) {
    put_mac(address, out);
    put_mac(flow::Mac::from_value(~address_mask.value()), out);
  };

  out.u16(0);
  out.u16(kMatch11Bytes);
  out.u32(value.in_port.host());
  out.u32(wildcards);
  masked(value.eth_src, mask.eth_src);
  masked(value.eth_dst, mask.eth_dst);
  out.u16(vlan.vid);
  out.u8(vlan.pcp);
  out.u8(0);
  out.u16(value.eth_type.host());
  out.u8(tos ? value.nw_tos & kDscpMask : 0);
  out.u8(proto ? value.nw_proto : 0);
  out.u32(value.nw_src.host());
  out.u32(~mask.nw_src.host());
  out.u32(value.nw_dst.host());
  out.u32(~mask.nw_dst.host());
  out.u16(is_exact(mask.tp_src) ? value.tp_src.host() : 0);
  out.u16(is_exact(mask.tp_dst) ? value.tp_dst.host() : 0);
  out.u32(static_cast<std::uint32_t>(label.value));
  out.u8(static_cast<std::uint8_t>(tc.value));
  out.zeros(3);
  out.u64(value.metadata.host());
  out.u64(~mask.metadata.host());
}

Result<Match> decode_match11(ByteReader& in) {
  if (in.remaining() < kMatch11Bytes || in.u16() != 0 || in.u16() != kMatch11Bytes)
    return bad_length("match of OpenFlow 1.1", OfError::BmcBadLen);
  const std::uint32_t in_port = in.u32();
  const std::uint32_t wildcards = in.u32() & w11::kAll;
  const auto given = [&](std::uint32_t bit) { return (wildcards & bit) == 0; };
  const auto bad_value = [](std::string_view what) {
    return fail(fmt::format("{} (OFPBMC_BAD_VALUE)", what), OfError::BmcBadValue);
  };
  Match match;
  if (given(w11::kInPort)) {
    if (in_port >= 0xff00 && in_port < action::of_port::kUnset) return bad_value("in_port is not a port");
    exact(match, FieldId::InPortOxm, in_port);
  }
  for (const FieldId id : {FieldId::EthSrc, FieldId::EthDst}) {
    const FieldValue value = take_value(in, 6), mask = ~take_value(in, 6) & field::ones(48);
    if (mask != 0) set_match(match, id, value & mask, mask);
  }
  const std::uint16_t vlan = in.u16();
  const std::uint8_t pcp = in.u8();
  in.skip(1);
  const std::uint16_t eth_type = in.u16();
  const std::uint8_t tos = in.u8(), proto = in.u8();
  const be32 src{in.u32()}, src_mask{~in.u32()}, dst{in.u32()}, dst_mask{~in.u32()};
  const std::uint16_t tp_src = in.u16(), tp_dst = in.u16();
  const std::uint32_t label = in.u32();
  const std::uint8_t tc = in.u8();
  in.skip(3);
  const std::uint64_t metadata = in.u64(), metadata_mask = ~in.u64();

  if (given(w11::kVlan)) {
    if (vlan == kVlanNone) {
      set_match(match, FieldId::VlanTci, 0, 0xffff);
    } else if (vlan < 4096 || vlan == kVlanAny) {
      std::uint16_t mask = flow::kVlanPresent, tci = flow::kVlanPresent;
      if (vlan != kVlanAny) {
        mask |= flow::kVlanVidMask;
        tci |= vlan;
      }
      if (given(w11::kPcp)) {
        if (pcp > 7) return bad_value("VLAN priority above 7");
        mask |= kPcpMask;
        tci = static_cast<std::uint16_t>(tci | pcp << 13);
      }
      set_match(match, FieldId::VlanTci, tci, mask);
    } else {
      return bad_value("VLAN above 4095");
    }
  }
  const bool has_type = given(w11::kEthType);
  const bool ipv4 = has_type && eth_type == net::ethertype::kIpv4;
  // Behind IPv6 this structure cannot look.
  const bool arp = has_type && (eth_type == net::ethertype::kArp || eth_type == net::ethertype::kRarp);
  if (has_type) exact(match, FieldId::EthType, eth_type);
  if (ipv4 && given(w11::kTos)) {
    if ((tos & ~kDscpMask) != 0) return bad_value("nw_tos with ECN bits");
    match.value.nw_tos = tos;
    match.mask.bits.nw_tos = kDscpMask;
  }
  if ((ipv4 || arp) && given(w11::kProto)) {
    match.value.nw_proto = proto;
    match.mask.bits.nw_proto = 0xff;
  }
  if (ipv4 || arp) set_addresses(match, eth_type, src, src_mask, dst, dst_mask);
  if (ipv4 && given(w11::kProto)) {
    const bool icmp = proto == net::ip_proto::kIcmp;
    if (icmp && ((given(w11::kTpSrc) && tp_src > 255) || (given(w11::kTpDst) && tp_dst > 255)))
      return fail("ICMP type or code above 255 (OFPBMC_BAD_FIELD)", OfError::BmcBadField);
    set_ports(match, given(w11::kTpSrc), tp_src, given(w11::kTpDst), tp_dst);
  }
  if (has_type && (eth_type == net::ethertype::kMpls || eth_type == net::ethertype::kMplsMulticast)) {
    if (given(w11::kMplsLabel)) exact(match, FieldId::MplsLabel, label & 0xfffff);
    if (given(w11::kMplsTc)) exact(match, FieldId::MplsTc, tc & 7);
  }
  if (metadata_mask != 0) set_match(match, FieldId::Metadata, metadata & metadata_mask, metadata_mask);
  return settled(match);
}

void put_match(const Match& match, OfVersion version, ByteWriter& out) {
  if (version <= k11) return encode_match11(match, out);
  put_oxm_match(match, version, out);
}

void put_oxm_match(const Match& match, OfVersion version, ByteWriter& out) {
  const std::size_t start = out.size();
  out.u16(1);
  out.u16(0);
  field::encode_match(match, version, out);
  patch_length(out, start, start + 2);
  out.pad(start, 8);
}

Result<Match> take_match(ByteReader& in, OfVersion version, bool strict) {
  Match match;
  SLUICE_TRY(take_match(in, version, strict, match));
  return match;
}

Status take_match(ByteReader& in, OfVersion version, bool strict, Match& match) {
  ByteReader header = in;
  const std::uint16_t type = header.u16(), length = header.u16();
  if (!header.ok()) return bad_length("match", OfError::BmcBadLen);
  if (type == 0) {
    SLUICE_ASSIGN(match, decode_match11(in));
    return {};
  }
  if (type != 1) return fail(fmt::format("match of type {} (OFPBMC_BAD_TYPE)", type), OfError::BmcBadType);
  const std::size_t padded = (length + 7u) / 8 * 8;
  if (length < 4 || padded > in.remaining()) return bad_length("match", OfError::BmcBadLen);
  return field::decode_match(in.take(padded).subspan(4, length - 4u), version, strict, match);
}

namespace {

constexpr std::uint32_t kCookieHeader = 0x00013c08, kCookieMaskedHeader = 0x00013d10;

}  // namespace

std::uint16_t encode_nxm(const Match& match, const CookieMatch& cookie, ByteWriter& out) {
  const std::size_t start = out.size();
  field::encode_match(match, k10, out);
  if (cookie.mask == ~std::uint64_t{0}) {
    out.u32(kCookieHeader);
    out.u64(cookie.cookie);
  } else if (cookie.mask != 0) {
    out.u32(kCookieMaskedHeader);
    out.u64(cookie.cookie & cookie.mask);
    out.u64(cookie.mask);
  }
  const auto length = static_cast<std::uint16_t>(out.size() - start);
  out.pad(start, 8);
  return length;
}

Result<Match> decode_nxm(ByteReader& in, std::size_t length, bool strict, CookieMatch* cookie) {
  const std::size_t padded = (length + 7) / 8 * 8;
  if (padded > in.remaining()) return bad_length("NXM match", OfError::BmcBadLen);
  Bytes fields = in.take(padded).first(length);

  // The cookie is no field of a packet: taken out before the fields are read.
  std::vector<std::uint8_t> rest;
  for (ByteReader scan(fields); scan.remaining() >= 4;) {
    const std::size_t at = scan.offset();
    const std::uint32_t header = scan.u32();
    if (header == kCookieHeader || header == kCookieMaskedHeader) {
      const std::uint64_t value = scan.u64();
      const std::uint64_t mask = header == kCookieHeader ? ~std::uint64_t{0} : scan.u64();
      if (!scan.ok()) return bad_length("cookie in a match", OfError::BmcBadLen);
      if (cookie == nullptr)
        return fail("a cookie where none may be matched (OFPBMC_BAD_FIELD)", OfError::BmcBadField);
      if (cookie->mask != 0) return fail("two cookies in a match (OFPBMC_DUP_FIELD)", OfError::BmcDupField);
      *cookie = {value, mask};
      rest.assign(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(at));
      rest.insert(rest.end(), fields.begin() + static_cast<std::ptrdiff_t>(scan.offset()), fields.end());
      fields = rest;
      break;
    }
    scan.skip(header & 0xff);
  }
  return field::decode_match(fields, k10, strict);
}

std::string format_match(const Match& match, std::uint16_t priority, const Names& names) {
  std::string text = field::format_match(match, names.ports);
  if (priority == action::kDefaultPriority) return text;
  return fmt::format("priority={}{}{}", priority, text.empty() ? "" : ",", text);
}

}  // namespace sluice::openflow
