#include "action/mpls.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

constexpr std::uint16_t kLabel = 13, kTc = 14, kTtl = 15, kDecTtl = 16, kPush = 19, kPop = 20;
constexpr std::uint16_t kNxPush = 23, kNxPop = 24, kNxTtl = 25, kNxDecTtl = 26, kNxLabel = 30, kNxTc = 31;

bool is_mpls_type(std::uint16_t type) {
  return type == net::ethertype::kMpls || type == net::ethertype::kMplsMulticast;
}
bool is_mpls(const flow::Match& match) {
  return is_mpls_type(known_eth_type(match).value_or(0));
}

Status decode_push(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t type = body.u16();
  if (!is_mpls_type(type))
    return fail("push_mpls " + hex(type) + ": expected 0x8847 or 0x8848 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(PushMpls{be16{type}});
  return {};
}
Status decode_pop(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(PopMpls{be16{body.u16()}});
  return {};
}
Status decode_label_value(std::uint32_t label, ActionList& out) {
  if (label > field::ones(20))
    return fail("set_mpls_label " + hex(label) + ": expected at most 20 bits (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetMplsLabel{label});
  return {};
}
Status decode_label(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_label_value(body.u32(), out);
}
Status decode_nx_label(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(2);
  return decode_label_value(body.u32(), out);
}
Status decode_tc(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint8_t tc = body.u8();
  if (tc > 7)
    return fail("set_mpls_tc " + hex(tc) + ": expected at most 7 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetMplsTc{tc});
  return {};
}
Status decode_ttl(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(SetMplsTtl{body.u8()});
  return {};
}
Status decode_dec_ttl(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(DecMplsTtl{});
  return {};
}

constexpr auto k10 = OfVersion::k10, k11 = OfVersion::k11, k15 = OfVersion::k15;
constexpr WireForm kPushMplsForms[] = {{0, kPush, k11, k15, 8, true, decode_push},
                                       {kNiciraVendor, kNxPush, k10, k10, 16, true, decode_push}};
constexpr WireForm kPopMplsForms[] = {{0, kPop, k11, k15, 8, true, decode_pop},
                                      {kNiciraVendor, kNxPop, k10, k10, 16, true, decode_pop}};
constexpr WireForm kSetMplsLabelForms[] = {{0, kLabel, k11, k15, 8, true, decode_label},
                                           {kNiciraVendor, kNxLabel, k10, k10, 16, true, decode_nx_label}};
constexpr WireForm kSetMplsTcForms[] = {{0, kTc, k11, k15, 8, true, decode_tc},
                                        {kNiciraVendor, kNxTc, k10, k10, 16, true, decode_tc}};
constexpr WireForm kSetMplsTtlForms[] = {{0, kTtl, k11, k15, 8, true, decode_ttl},
                                         {kNiciraVendor, kNxTtl, k10, k10, 16, true, decode_ttl}};
constexpr WireForm kDecMplsTtlForms[] = {{0, kDecTtl, k11, k15, 8, true, decode_dec_ttl},
                                         {kNiciraVendor, kNxDecTtl, k10, k10, 16, true, decode_dec_ttl}};

void encode_integer(Encoder& out, std::uint16_t type, std::uint16_t subtype, std::uint32_t value,
                    unsigned bytes) {
  if (out.version() == OfVersion::k10)
    out.nicira_simple(subtype, value, bytes);
  else
    out.simple(type, value, bytes);
}

}  // namespace

std::span<const WireForm> PushMpls::wire_forms() {
  return kPushMplsForms;
}
Status PushMpls::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t type, parse_number(word.argument, 0xffff, "push_mpls"));
  if (!is_mpls_type(static_cast<std::uint16_t>(type)))
    return fail(std::string(word.argument) + ": not an MPLS ethertype: expected 0x8847 or 0x8848",
                OfError::BacBadArgument);
  out.push_back(PushMpls{be16{static_cast<std::uint16_t>(type)}});
  return {};
}
void PushMpls::format(std::string& out, const Names&) const {
  out += "push_mpls:0x" + hex(0x10000u | eth_type.host()).substr(3);
}
void PushMpls::encode(Encoder& out) const {
  encode_integer(out, kPush, kNxPush, eth_type.host(), 2);
}
Status PushMpls::check(CheckContext& context) const {
  set_known(context.match, FieldId::EthType, eth_type.host());
  set_known(context.match, FieldId::IpProto, 0);
  return {};
}
void PushMpls::translate(Translation& translation) const {
  translation.push_mpls(eth_type);
}

std::span<const WireForm> PopMpls::wire_forms() {
  return kPopMplsForms;
}
Status PopMpls::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t type, parse_number(word.argument, 0xffff, "pop_mpls"));
  out.push_back(PopMpls{be16{static_cast<std::uint16_t>(type)}});
  return {};
}
void PopMpls::format(std::string& out, const Names&) const {
  out += "pop_mpls:0x" + hex(0x10000u | eth_type.host()).substr(3);
}
void PopMpls::encode(Encoder& out) const {
  encode_integer(out, kPop, kNxPop, eth_type.host(), 2);
}
Status PopMpls::check(CheckContext& context) const {
  const Status status = require_softly(context, is_mpls(context.match), "pop_mpls", "mpls");
  set_known(context.match, FieldId::EthType, eth_type.host());
  return status;
}
void PopMpls::translate(Translation& translation) const {
  translation.pop_mpls(eth_type);
}

std::span<const WireForm> SetMplsLabel::wire_forms() {
  return kSetMplsLabelForms;
}
Status SetMplsLabel::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto value = field::parse_integer(word.argument);
  if (!value || *value > field::ones(20))
    return fail(std::string(word.argument) + ": not a valid MPLS label: expected 0 to " +
                std::to_string((1u << 20) - 1));
  out.push_back(SetMplsLabel{static_cast<std::uint32_t>(*value)});
  return {};
}
void SetMplsLabel::format(std::string& out, const Names&) const {
  out += "set_mpls_label(" + std::to_string(label) + ")";
}
void SetMplsLabel::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k12) {
    SetField{.field = FieldId::MplsLabel, .value = label, .mask = field::ones(20)}.encode(out);
  } else if (out.version() == OfVersion::k11) {
    out.simple(kLabel, label, 4);
  } else {
    out.begin_nicira(kNxLabel);
    out.out().zeros(2);
    out.out().u32(label);
    out.end();
  }
}
Status SetMplsLabel::check(CheckContext& context) const {
  return require_softly(context, is_mpls(context.match), "set_mpls_label", "mpls");
}
void SetMplsLabel::translate(Translation& translation) const {
  translation.write({FieldId::MplsLabel, 0, 20}, label);
}

std::span<const WireForm> SetMplsTc::wire_forms() {
  return kSetMplsTcForms;
}
Status SetMplsTc::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto value = field::parse_integer(word.argument);
  if (!value || *value > field::ones(3))
    return fail(std::string(word.argument) + ": not a valid MPLS TC: expected 0 to " +
                std::to_string((1u << 3) - 1));
  out.push_back(SetMplsTc{static_cast<std::uint8_t>(*value)});
  return {};
}
void SetMplsTc::format(std::string& out, const Names&) const {
  out += "set_mpls_tc(" + std::to_string(tc) + ")";
}
void SetMplsTc::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k12)
    SetField{.field = FieldId::MplsTc, .value = tc, .mask = 7}.encode(out);
  else
    encode_integer(out, kTc, kNxTc, tc, 1);
}
Status SetMplsTc::check(CheckContext& context) const {
  return require_softly(context, is_mpls(context.match), "set_mpls_tc", "mpls");
}
void SetMplsTc::translate(Translation& translation) const {
  translation.write({FieldId::MplsTc, 0, 3}, tc);
}

std::span<const WireForm> SetMplsTtl::wire_forms() {
  return kSetMplsTtlForms;
}
Status SetMplsTtl::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto value = field::parse_integer(word.argument);
  if (!value || *value > field::ones(8))
    return fail(std::string(word.argument) + ": not a valid MPLS TTL: expected 0 to " +
                std::to_string((1u << 8) - 1));
  out.push_back(SetMplsTtl{static_cast<std::uint8_t>(*value)});
  return {};
}
void SetMplsTtl::format(std::string& out, const Names&) const {
  out += "set_mpls_ttl(" + std::to_string(ttl) + ")";
}
void SetMplsTtl::encode(Encoder& out) const {
  encode_integer(out, kTtl, kNxTtl, ttl, 1);
}
Status SetMplsTtl::check(CheckContext& context) const {
  return require_softly(context, is_mpls(context.match), "set_mpls_ttl", "mpls");
}
void SetMplsTtl::translate(Translation& translation) const {
  translation.write({FieldId::MplsTtl, 0, 8}, ttl);
}

std::span<const WireForm> DecMplsTtl::wire_forms() {
  return kDecMplsTtlForms;
}
Status DecMplsTtl::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(DecMplsTtl{});
  return {};
}
void DecMplsTtl::format(std::string& out, const Names&) const {
  out += "dec_mpls_ttl";
}
void DecMplsTtl::encode(Encoder& out) const {
  encode_integer(out, kDecTtl, kNxDecTtl, 0, 1);
}
Status DecMplsTtl::check(CheckContext& context) const {
  return require_softly(context, is_mpls(context.match), "dec_mpls_ttl", "mpls");
}
bool DecMplsTtl::translate(Translation& translation) const {
  return translation.decrement_mpls_ttl();
}

}  // namespace sluice::action
