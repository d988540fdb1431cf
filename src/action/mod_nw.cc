#include "action/mod_nw.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

constexpr std::uint16_t kSrc10 = 6, kDst10 = 7, kTos10 = 8, kSrc11 = 5, kDst11 = 6, kTos11 = 7, kEcn11 = 8;

template <typename T>
Status decode_address(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(T{be32{body.u32()}});
  return {};
}
Status decode_tos(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint8_t tos = body.u8();
  if ((tos & 3) != 0)
    return fail("set_nw_tos " + hex(tos) + ": expected a multiple of 4 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetIpDscp{tos});
  return {};
}
Status decode_ecn(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint8_t ecn = body.u8();
  if (ecn > 3)
    return fail("set_nw_ecn " + hex(ecn) + ": expected at most 3 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetIpEcn{ecn});
  return {};
}

constexpr WireForm kSrcForms[] = {
    {0, kSrc10, OfVersion::k10, OfVersion::k10, 8, true, decode_address<SetIpv4Src>},
    {0, kSrc11, OfVersion::k11, OfVersion::k15, 8, true, decode_address<SetIpv4Src>},
};
constexpr WireForm kDstForms[] = {
    {0, kDst10, OfVersion::k10, OfVersion::k10, 8, true, decode_address<SetIpv4Dst>},
    {0, kDst11, OfVersion::k11, OfVersion::k15, 8, true, decode_address<SetIpv4Dst>},
};
constexpr WireForm kTosForms[] = {
    {0, kTos10, OfVersion::k10, OfVersion::k10, 8, true, decode_tos},
    {0, kTos11, OfVersion::k11, OfVersion::k15, 8, true, decode_tos},
};
constexpr WireForm kEcnForms[] = {{0, kEcn11, OfVersion::k11, OfVersion::k15, 8, true, decode_ecn}};

Result<be32> parse_address(std::string_view text) {
  if (const auto address = net::parse_ipv4(text)) return *address;
  return fail(std::string(text) + ": could not convert to IP address");
}

void encode_address(Encoder& out, FieldId id, std::uint16_t type10, std::uint16_t type11, be32 address) {
  if (out.version() >= OfVersion::k12)
    SetField{.field = id, .value = address.host(), .mask = field::ones(32)}.encode(out);
  else
    out.simple(out.version() == OfVersion::k10 ? type10 : type11, address.host(), 4);
}

bool is_ipv4(const flow::Match& match) {
  return known_eth_type(match) == net::ethertype::kIpv4;
}
bool is_ip(const flow::Match& match) {
  return is_ipv4(match) || known_eth_type(match) == net::ethertype::kIpv6;
}

}  // namespace

std::span<const WireForm> SetIpv4Src::wire_forms() {
  return kSrcForms;
}
Status SetIpv4Src::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const be32 address, parse_address(word.argument));
  out.push_back(SetIpv4Src{address});
  return {};
}
void SetIpv4Src::format(std::string& out, const Names&) const {
  out += "mod_nw_src:" + net::format_ipv4(address);
}
void SetIpv4Src::encode(Encoder& out) const {
  encode_address(out, FieldId::Ipv4Src, kSrc10, kSrc11, address);
}
Status SetIpv4Src::check(CheckContext& context) const {
  return require_softly(context, is_ipv4(context.match), "mod_nw_src", "ip");
}
void SetIpv4Src::translate(Translation& translation) const {
  translation.write({FieldId::Ipv4Src, 0, 32}, address.host());
}

std::span<const WireForm> SetIpv4Dst::wire_forms() {
  return kDstForms;
}
Status SetIpv4Dst::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const be32 address, parse_address(word.argument));
  out.push_back(SetIpv4Dst{address});
  return {};
}
void SetIpv4Dst::format(std::string& out, const Names&) const {
  out += "mod_nw_dst:" + net::format_ipv4(address);
}
void SetIpv4Dst::encode(Encoder& out) const {
  encode_address(out, FieldId::Ipv4Dst, kDst10, kDst11, address);
}
Status SetIpv4Dst::check(CheckContext& context) const {
  return require_softly(context, is_ipv4(context.match), "mod_nw_dst", "ip");
}
void SetIpv4Dst::translate(Translation& translation) const {
  translation.write({FieldId::Ipv4Dst, 0, 32}, address.host());
}

std::span<const WireForm> SetIpDscp::wire_forms() {
  return kTosForms;
}
Status SetIpDscp::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t tos, parse_number(word.argument, 0xff, "TOS"));
  if ((tos & 3) != 0) return fail(std::string(word.argument) + ": not a valid TOS: expected a multiple of 4");
  out.push_back(SetIpDscp{static_cast<std::uint8_t>(tos)});
  return {};
}
void SetIpDscp::format(std::string& out, const Names&) const {
  out += "mod_nw_tos:" + std::to_string(tos);
}
void SetIpDscp::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k12)
    SetField{
        .field = FieldId::IpDscpShifted, .value = static_cast<unsigned>(tos) >> 2, .mask = field::ones(6)}
        .encode(out);
  else
    out.simple(out.version() == OfVersion::k10 ? kTos10 : kTos11, tos, 1);
}
Status SetIpDscp::check(CheckContext& context) const {
  return require_softly(context, is_ip(context.match), "mod_nw_tos", "ip or ipv6");
}
void SetIpDscp::translate(Translation& translation) const {
  translation.write({FieldId::IpDscpShifted, 0, 6}, static_cast<unsigned>(tos) >> 2);
}

std::span<const WireForm> SetIpEcn::wire_forms() {
  return kEcnForms;
}
Status SetIpEcn::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t ecn, parse_number(word.argument, 0xff, "ECN"));
  if (ecn > 3) return fail(std::string(word.argument) + ": not a valid ECN: expected at most 3");
  out.push_back(SetIpEcn{static_cast<std::uint8_t>(ecn)});
  return {};
}
void SetIpEcn::format(std::string& out, const Names&) const {
  out += "mod_nw_ecn:" + std::to_string(ecn);
}
void SetIpEcn::encode(Encoder& out) const {
  if (out.version() == OfVersion::k11)
    out.simple(kEcn11, ecn, 1);
  else if (out.version() == OfVersion::k10)
    Load{.destination = {FieldId::IpEcn, 0, 2}, .value = ecn}.encode(out);
  else
    SetField{.field = FieldId::IpEcn, .value = ecn, .mask = 3}.encode(out);
}
Status SetIpEcn::check(CheckContext& context) const {
  return require_softly(context, is_ip(context.match), "mod_nw_ecn", "ip or ipv6");
}
void SetIpEcn::translate(Translation& translation) const {
  translation.write({FieldId::IpEcn, 0, 2}, ecn);
}

}  // namespace sluice::action
