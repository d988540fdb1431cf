#include "action/vlan.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

/// What is known of the tags behind a push, and behind a pop.
void push_known_tag(flow::Match& match) {
  for (unsigned i = flow::kMaxVlans - 1; i > 0; --i) {
    match.value.vlan[i] = match.value.vlan[i - 1];
    match.mask.bits.vlan[i] = match.mask.bits.vlan[i - 1];
  }
  set_known(match, FieldId::VlanTci, flow::kVlanPresent);
}
void pop_known_tag(flow::Match& match) {
  for (unsigned i = 0; i + 1 < flow::kMaxVlans; ++i) {
    match.value.vlan[i] = match.value.vlan[i + 1];
    match.mask.bits.vlan[i] = match.mask.bits.vlan[i + 1];
  }
  match.value.vlan[flow::kMaxVlans - 1] = match.mask.bits.vlan[flow::kMaxVlans - 1] = {};
}

constexpr std::uint16_t kSetVid = 1, kSetPcp = 2, kStrip10 = 3, kPush = 17, kPop = 18;

Status decode_vid(ByteReader& body, const DecodeContext& context, ActionList& out) {
  const std::uint16_t vid = body.u16();
  if (vid > 0xfff)
    return fail("set_vlan_vid " + std::to_string(vid) + ": expected at most 4095 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetVlanVid{.vid = vid, .push_if_needed = context.version == OfVersion::k10});
  return {};
}
Status decode_pcp(ByteReader& body, const DecodeContext& context, ActionList& out) {
  const std::uint8_t pcp = body.u8();
  if (pcp > 7)
    return fail("set_vlan_pcp " + std::to_string(pcp) + ": expected at most 7 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(SetVlanPcp{.pcp = pcp, .push_if_needed = context.version == OfVersion::k10});
  return {};
}
Status decode_strip(ByteReader&, const DecodeContext& context, ActionList& out) {
  out.push_back(StripVlan{.pop = context.version >= OfVersion::k11});
  return {};
}
Status decode_push(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t tpid = body.u16();
  if (tpid != net::ethertype::kVlan && tpid != net::ethertype::kQinQ)
    return fail("push_vlan " + hex(tpid) + ": expected 0x8100 or 0x88a8 (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  out.push_back(PushVlan{be16{tpid}});
  return {};
}

constexpr WireForm kStripForms[] = {
    {0, kStrip10, OfVersion::k10, OfVersion::k10, 8, true, decode_strip},
    {0, kPop, OfVersion::k11, OfVersion::k15, 8, true, decode_strip},
};
constexpr WireForm kPushForms[] = {{0, kPush, OfVersion::k11, OfVersion::k15, 8, true, decode_push}};
constexpr WireForm kVidForms[] = {{0, kSetVid, OfVersion::k10, OfVersion::k15, 8, true, decode_vid}};
constexpr WireForm kPcpForms[] = {{0, kSetPcp, OfVersion::k10, OfVersion::k15, 8, true, decode_pcp}};

bool pushes(std::string_view name) {
  return !name.empty() && (name[0] == 'm' || name[0] == 'M');
}

/// The packet gets a tag if it has none and the action brings one; false if it stays without.
bool ensure_tag(Translation& translation, bool push_if_needed) {
  translation.unwildcard(FieldId::VlanTci);
  if ((translation.key().vlan[0].tci.host() & flow::kVlanPresent) != 0) return true;
  if (push_if_needed) translation.push_vlan(be16{net::ethertype::kVlan});
  return push_if_needed;
}

/// From 1.1 on a tag has to be pushed by its own action.
void encode_push(Encoder& out, bool push_if_needed, bool flow_has_vlan) {
  if (out.version() >= OfVersion::k11 && push_if_needed && !flow_has_vlan) PushVlan{}.encode(out);
}

}  // namespace

std::span<const WireForm> StripVlan::wire_forms() {
  return kStripForms;
}
Status StripVlan::parse(const Word& word, const ParseContext&, ActionList& out) {
  out.push_back(StripVlan{.pop = !word.name.empty() && (word.name[0] == 'p' || word.name[0] == 'P')});
  return {};
}
void StripVlan::format(std::string& out, const Names&) const {
  out += pop ? "pop_vlan" : "strip_vlan";
}
void StripVlan::encode(Encoder& out) const {
  out.simple(out.version() == OfVersion::k10 ? kStrip10 : kPop, 0, 1);
}
Status StripVlan::check(CheckContext& context) const {
  const Status status = require_softly(context, matches_vlan(context.match), "strip_vlan", "a VLAN tag");
  pop_known_tag(context.match);
  return status;
}
void StripVlan::translate(Translation& translation) const {
  translation.pop_vlan();
}

std::span<const WireForm> PushVlan::wire_forms() {
  return kPushForms;
}
Status PushVlan::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto tpid = field::parse_integer(word.argument);
  if (tpid != net::ethertype::kVlan && tpid != net::ethertype::kQinQ)
    return fail(std::string(word.argument) + ": not a valid VLAN ethertype: expected 0x8100 or 0x88a8");
  out.push_back(PushVlan{be16{static_cast<std::uint16_t>(*tpid)}});
  return {};
}
void PushVlan::format(std::string& out, const Names&) const {
  out += "push_vlan:" + hex(tpid.host());
}
void PushVlan::encode(Encoder& out) const {
  // 1.0 has no such action.
  if (out.version() >= OfVersion::k11) out.simple(kPush, tpid.host(), 2);
}
Status PushVlan::check(CheckContext& context) const {
  push_known_tag(context.match);
  return {};
}
void PushVlan::translate(Translation& translation) const {
  translation.push_vlan(tpid);
}

std::span<const WireForm> SetVlanVid::wire_forms() {
  return kVidForms;
}
Status SetVlanVid::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto vid = field::parse_integer(word.argument);
  if (!vid || *vid > 0xfff)
    return fail(std::string(word.argument) + ": not a valid VLAN VID: expected 0 to 4095");
  out.push_back(SetVlanVid{.vid = static_cast<std::uint16_t>(*vid), .push_if_needed = pushes(word.name)});
  return {};
}
void SetVlanVid::format(std::string& out, const Names&) const {
  out += (push_if_needed ? "mod_vlan_vid:" : "set_vlan_vid:") + std::to_string(vid);
}
void SetVlanVid::encode(Encoder& out) const {
  encode_push(out, push_if_needed, flow_has_vlan);
  if (out.version() <= OfVersion::k11)
    out.simple(kSetVid, vid, 2);
  else
    SetField{.field = FieldId::VlanVid,
             .value = static_cast<unsigned>(vid) | flow::kVlanPresent,
             .mask = field::ones(13)}
        .encode(out);
}
Status SetVlanVid::check(CheckContext& context) const {
  SLUICE_TRY(
      require_softly(context, push_if_needed || matches_vlan(context.match), "set_vlan_vid", "a VLAN tag"));
  set_known(context.match, FieldId::VlanTci, flow::kVlanPresent | vid);
  return {};
}
void SetVlanVid::translate(Translation& translation) const {
  if (ensure_tag(translation, push_if_needed)) translation.write({FieldId::VlanTci, 0, 12}, vid);
}

std::span<const WireForm> SetVlanPcp::wire_forms() {
  return kPcpForms;
}
Status SetVlanPcp::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto pcp = field::parse_integer(word.argument);
  if (!pcp || *pcp > 7) return fail(std::string(word.argument) + ": not a valid VLAN PCP: expected 0 to 7");
  out.push_back(SetVlanPcp{.pcp = static_cast<std::uint8_t>(*pcp), .push_if_needed = pushes(word.name)});
  return {};
}
void SetVlanPcp::format(std::string& out, const Names&) const {
  out += (push_if_needed ? "mod_vlan_pcp:" : "set_vlan_pcp:") + std::to_string(pcp);
}
void SetVlanPcp::encode(Encoder& out) const {
  encode_push(out, push_if_needed, flow_has_vlan);
  if (out.version() <= OfVersion::k11)
    out.simple(kSetPcp, pcp, 1);
  else
    SetField{.field = FieldId::VlanPcp, .value = pcp, .mask = 7}.encode(out);
}
Status SetVlanPcp::check(CheckContext& context) const {
  SLUICE_TRY(
      require_softly(context, push_if_needed || matches_vlan(context.match), "set_vlan_pcp", "a VLAN tag"));
  set_known(context.match, FieldId::VlanTci, flow::kVlanPresent | pcp << 13);
  return {};
}
void SetVlanPcp::translate(Translation& translation) const {
  if (ensure_tag(translation, push_if_needed)) translation.write({FieldId::VlanTci, 13, 3}, pcp);
}

}  // namespace sluice::action
