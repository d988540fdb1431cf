// What the checks of actions share (codec.h): prerequisites, and what a match promises about the packet.
#include "action/codec.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

std::string_view describe(field::Prereq needs) {
  using P = field::Prereq;
  switch (needs) {
    case P::None:
      return "nothing";
    case P::Ethernet:
      return "an Ethernet packet";
    case P::Arp:
      return "arp";
    case P::Vlan:
      return "a VLAN tag (vlan_tci=0x1000/0x1000)";
    case P::Ipv4:
      return "ip";
    case P::Ipv6:
      return "ipv6";
    case P::Ip:
      return "ip or ipv6";
    case P::Mpls:
      return "mpls";
    case P::Tcp:
      return "tcp or tcp6";
    case P::Udp:
      return "udp or udp6";
    case P::Sctp:
      return "sctp or sctp6";
    case P::Icmpv4:
      return "icmp";
    case P::Icmpv6:
      return "icmp6";
    case P::Nd:
      return "icmp6,icmp_type=135 or 136,icmp_code=0";
    case P::NdSolicit:
      return "icmp6,icmp_type=135,icmp_code=0";
    case P::NdAdvert:
      return "icmp6,icmp_type=136,icmp_code=0";
    case P::CtTracked:
      return "ct_state=+trk-inv or a state that implies it";
    case P::CtTrackedIpv4:
      return "ip,ct_state=+trk-inv";
    case P::CtTrackedIpv6:
      return "ipv6,ct_state=+trk-inv";
    case P::CtTrackedPorts:
      return "ct_state=+trk-inv and a ct_nw_proto that has ports";
  }
  return "";
}

Status check_prerequisite(const CheckContext& context, const field::FieldSpec& spec,
                          std::string_view action) {
  // What an action set meets is only known when it runs.
  if (context.place == Place::Set) return {};
  bool met = field::prerequisites_met(spec.needs, context.match);
  if (spec.id == FieldId::VlanVid || spec.id == FieldId::VlanPcp) met = met && matches_vlan(context.match);
  if (met) return {};
  const field::Prereq needs = spec.needs == field::Prereq::Ethernet ? field::Prereq::Vlan : spec.needs;
  return fail(std::string(action) + ": " + std::string(spec.name) +
                  " lacks its prerequisite: expected a match on " + std::string(describe(needs)) +
                  " (OFPBAC_MATCH_INCONSISTENT)",
              OfError::BacMatchInconsistent);
}

}  // namespace

bool matches_vlan(const flow::Match& match) {
  return (match.mask.bits.vlan[0].tci.host() & match.value.vlan[0].tci.host() & flow::kVlanPresent) != 0;
}

void set_known(flow::Match& match, FieldId id, field::FieldValue value) {
  field::set(match.value, id, value);
  field::unwildcard(match.mask, id);
}

std::optional<std::uint16_t> known_eth_type(const flow::Match& match) {
  const std::uint16_t type = field::fixed_eth_type(match);
  return type != 0 ? std::optional(type) : std::nullopt;
}

std::optional<std::uint8_t> known_ip_proto(const flow::Match& match) {
  const auto type = known_eth_type(match);
  const auto proto = field::get(match, FieldId::IpProto);
  if ((type != net::ethertype::kIpv4 && type != net::ethertype::kIpv6) || proto.mask != 0xff)
    return std::nullopt;
  return static_cast<std::uint8_t>(proto.value);
}

Status check_writable(const CheckContext& context, const field::Subfield& sub, std::string_view action) {
  const field::FieldSpec& spec = field::spec(sub.field);
  if (spec.access == field::Access::ReadOnly)
    return fail(
        std::string(action) + ": " + std::string(spec.name) + " is read-only (OFPBAC_BAD_SET_ARGUMENT)",
        OfError::BacBadSetArgument);
  const bool ct_field = sub.field == FieldId::CtMark || sub.field == FieldId::CtLabel;
  if (context.place == Place::CtExec && !ct_field)
    return fail("ct action doesn't support nested modification of " + std::string(spec.name) +
                    ": expected ct_mark or ct_label (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  if (context.place != Place::CtExec && ct_field)
    return fail("cannot set CT fields outside of ct action: " + std::string(action) + " writes " +
                    std::string(spec.name) + " (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  return check_prerequisite(context, spec, action);
}

Status check_readable(const CheckContext& context, const field::Subfield& sub, std::string_view action) {
  return check_prerequisite(context, field::spec(sub.field), action);
}

Status require_softly(CheckContext& context, bool met, std::string_view action, std::string_view needs) {
  if (met || context.place == Place::Set) return {};
  context.usable = context.usable & Protocols(Protocols::kAnyOf10 | Protocols::kAnyNxm);
  if (context.options.version == OfVersion::k10) return {};
  return fail(
      std::string(action) + " needs a match on " + std::string(needs) + " (OFPBAC_MATCH_INCONSISTENT)",
      OfError::BacMatchInconsistent);
}

}  // namespace sluice::action
