#include "openflow/ct_flush.h"

#include "net/address.h"
#include "net/protocol.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kZoneForms[] = {{"NXT_CT_FLUSH_ZONE", Frame::Vendor, kNiciraVendor, 29, k10, k15, 24, 0}};
constexpr WireForm kForms[] = {{"NXT_CT_FLUSH", Frame::Vendor, kNiciraVendor, 32, k10, k15, 24, 8}};

enum : std::uint16_t { kOriginal, kReply, kZone };
enum : std::uint16_t { kSrc, kDst, kSrcPort, kDstPort, kIcmpId, kIcmpType, kIcmpCode };

bool is_icmp(std::uint8_t protocol) {
  return protocol == net::ip_proto::kIcmp || protocol == net::ip_proto::kIcmpv6;
}

Status must_be_zero(std::string_view what) {
  return fail(fmt::format("{} is not zero (NXBRC_MUST_BE_ZERO)", what), OfError::BrcMustBeZero);
}

Status decode_tuple(Bytes body, std::uint8_t protocol, CtFlushTuple& tuple) {
  ByteReader in(body);
  if (in.remaining() < 4) return bad_length("tuple of a connection", OfError::BpcBadLen);
  if (!in.skip_zeros(4)) return must_be_zero("padding of a tuple");
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    const bool fits = !property.experimenter && property.type <= kIcmpCode &&
                      (property.type <= kDst || (property.type >= kIcmpId) == is_icmp(protocol));
    if (!fits) return unknown_property(property, "tuple of a connection");
    ByteReader value(property.body);
    switch (property.type) {
      case kSrc:
      case kDst: {
        be128& address = property.type == kSrc ? tuple.src : tuple.dst;
        address.hi = be64{value.u64()};
        address.lo = be64{value.u64()};
        break;
      }
      case kSrcPort:
        tuple.src_port = value.u16();
        break;
      case kDstPort:
        tuple.dst_port = value.u16();
        break;
      case kIcmpId:
        tuple.icmp_id = value.u16();
        break;
      case kIcmpType:
        tuple.icmp_type = value.u8();
        break;
      default:
        tuple.icmp_code = value.u8();
    }
    if (!value.ok()) return bad_length("tuple of a connection", OfError::BpcBadLen);
  }
  const bool both = !tuple.src.is_zero() && !tuple.dst.is_zero();
  if (both && net::is_v4_mapped(tuple.src) != net::is_v4_mapped(tuple.dst))
    return fail("tuple of an IPv4 and an IPv6 address (OFPBPC_BAD_VALUE)", OfError::BpcBadValue);
  return {};
}

void encode_tuple(std::uint16_t type, const CtFlushTuple& tuple, std::uint8_t protocol, ByteWriter& out) {
  if (tuple == CtFlushTuple{}) return;
  const PropertyWriter whole(out, type);
  out.zeros(4);
  const auto address = [&](std::uint16_t which, const be128& value) {
    if (value.is_zero()) return;
    const PropertyWriter property(out, which);
    out.u64(value.hi.host());
    out.u64(value.lo.host());
  };
  const auto half = [&](std::uint16_t which, std::uint16_t value) {
    const PropertyWriter property(out, which);
    out.u16(value);
    out.zeros(2);
  };
  const auto byte = [&](std::uint16_t which, std::uint8_t value) {
    const PropertyWriter property(out, which);
    out.u8(value);
  };
  address(kSrc, tuple.src);
  address(kDst, tuple.dst);
  if (is_icmp(protocol)) {
    half(kIcmpId, tuple.icmp_id);
    byte(kIcmpType, tuple.icmp_type);
    byte(kIcmpCode, tuple.icmp_code);
  } else {
    if (tuple.src_port != 0) half(kSrcPort, tuple.src_port);
    if (tuple.dst_port != 0) half(kDstPort, tuple.dst_port);
  }
}

std::string format_address(const be128& address) {
  return net::is_v4_mapped(address) ? net::format_ipv4(net::v4_of(address)) : net::format_ipv6(address);
}

bool is_ipv4(const CtFlushTuple& tuple) {
  return net::is_v4_mapped(tuple.src) || net::is_v4_mapped(tuple.dst);
}

std::string format_tuple(const CtFlushTuple& tuple, bool ipv4, std::uint8_t protocol) {
  const std::string_view family = ipv4 ? "nw" : "ipv6";
  std::string text = fmt::format("ct_{}_src={},ct_{}_dst={},", family, format_address(tuple.src), family,
                                 format_address(tuple.dst));
  if (is_icmp(protocol))
    return text + fmt::format("icmp_id={},icmp_type={},icmp_code={}", tuple.icmp_id, tuple.icmp_type,
                              tuple.icmp_code);
  return text + fmt::format("ct_tp_src={},ct_tp_dst={}", tuple.src_port, tuple.dst_port);
}

}  // namespace

std::span<const WireForm> CtFlushZone::wire_forms() {
  return kZoneForms;
}
std::span<const WireForm> CtFlush::wire_forms() {
  return kForms;
}

Status CtFlushZone::decode(ByteReader& body, const DecodeContext&, CtFlushZone& out) {
  if (!body.skip_zeros(6)) return must_be_zero("padding before a zone");
  out.zone = body.u16();
  return finished(body, "NXT_CT_FLUSH_ZONE");
}
void CtFlushZone::encode(Encoder& out) const {
  out.out().zeros(6);
  out.out().u16(zone);
}
void CtFlushZone::format(Printer& out) const {
  out.put(" zone_id={}\n", zone);
}

Status CtFlush::decode(ByteReader& body, const DecodeContext&, CtFlush& out) {
  out.protocol = body.u8();
  body.skip(1);
  if (!body.skip_zeros(6)) return must_be_zero("padding of NXT_CT_FLUSH");
  while (body.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(body));
    if (property.experimenter || property.type > kZone) return unknown_property(property, "NXT_CT_FLUSH");
    if (property.type == kZone) {
      ByteReader value(property.body);
      out.zone = value.u16();
      if (!value.ok()) return bad_length("zone of NXT_CT_FLUSH", OfError::BpcBadLen);
    } else {
      SLUICE_TRY(
          decode_tuple(property.body, out.protocol, property.type == kOriginal ? out.original : out.reply));
    }
  }
  return {};
}
void CtFlush::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  out.u8(protocol);
  out.zeros(7);
  encode_tuple(kOriginal, original, protocol, out);
  encode_tuple(kReply, reply, protocol, out);
  if (zone) {
    const PropertyWriter property(out, kZone);
    out.u16(*zone);
    out.zeros(2);
  }
}
void CtFlush::format(Printer& out) const {
  const bool ipv4 = is_ipv4(original) || is_ipv4(reply);
  out.put(" zone={} '{},ct_nw_proto={}' '{}'\n", zone.value_or(0), format_tuple(original, ipv4, protocol),
          protocol, format_tuple(reply, ipv4, protocol));
}

}  // namespace sluice::openflow
