// "usable protocols": which OpenFlow versions and flow formats can say what a flow says (ovs-ofctl
// parse-flows).
#include "action/protocols.h"

#include "action/all_actions.h"
#include "net/protocol.h"

namespace sluice::action {

using field::FieldId;

namespace {

struct Name {
  std::string_view name;
  std::uint16_t bits;
};
// Sets that have a name of their own, then each protocol, in the order in which they are printed.
constexpr Name kSets[] = {
    {"any", Protocols::kAll},
    {"OpenFlow10", Protocols::kAnyOf10},
    {"NXM", Protocols::kAnyNxm},
    {"OXM", Protocols::kAnyOxm},
};
constexpr Name kSingle[] = {
    {"OpenFlow10-table_id", Protocols::kOf10}, {"OpenFlow10+table_id", Protocols::kOf10TableId},
    {"NXM-table_id", Protocols::kNxm},         {"NXM+table_id", Protocols::kNxmTableId},
    {"OpenFlow11", Protocols::kOf11},          {"OXM-OpenFlow12", Protocols::kOf12},
    {"OXM-OpenFlow13", Protocols::kOf13},      {"OXM-OpenFlow14", Protocols::kOf14},
    {"OXM-OpenFlow15", Protocols::kOf15},
};
constexpr std::uint16_t kNxmOxmOf11 = Protocols::kNxmOrOxm | Protocols::kOf11;

/// Fields of OpenFlow 1.0's fixed match.
bool in_of10(FieldId id) {
  switch (id) {
    case FieldId::InPort:
    case FieldId::EthSrc:
    case FieldId::EthDst:
    case FieldId::EthType:
    case FieldId::VlanTci:
    case FieldId::DlVlan:
    case FieldId::VlanVid:
    case FieldId::DlVlanPcp:
    case FieldId::VlanPcp:
    case FieldId::Ipv4Src:
    case FieldId::Ipv4Dst:
    case FieldId::IpProto:
    case FieldId::IpDscp:
    case FieldId::IpDscpShifted:
    case FieldId::ArpOp:
    case FieldId::ArpSpa:
    case FieldId::ArpTpa:
    case FieldId::TcpSrc:
    case FieldId::TcpDst:
    case FieldId::UdpSrc:
    case FieldId::UdpDst:
    case FieldId::Icmpv4Type:
    case FieldId::Icmpv4Code:
      return true;
    default:
      return false;
  }
}
/// Fields that OpenFlow 1.1's fixed match added.
bool in_of11(FieldId id) {
  switch (id) {
    case FieldId::InPortOxm:
    case FieldId::Metadata:
    case FieldId::MplsLabel:
    case FieldId::MplsTc:
    case FieldId::IpEcn:
    case FieldId::SctpSrc:
    case FieldId::SctpDst:
      return true;
    default:
      return false;
  }
}

bool is_ipv4_address(FieldId id) {
  return id == FieldId::Ipv4Src || id == FieldId::Ipv4Dst || id == FieldId::ArpSpa || id == FieldId::ArpTpa;
}

}  // namespace

Protocols field_protocols(FieldId id, field::FieldValue mask) {
  const field::FieldSpec& spec = field::spec(id);
  const bool exact = (mask & spec.valid_bits()) == spec.valid_bits();
  if (exact) return in_of10(id) ? Protocols::kAll : in_of11(id) ? kNxmOxmOf11 : Protocols::kNxmOrOxm;
  if (id == FieldId::EthSrc || id == FieldId::EthDst || id == FieldId::Metadata) return kNxmOxmOf11;
  if (is_ipv4_address(id)) {
    const auto inverted = static_cast<std::uint32_t>(~mask);
    const bool prefix = (inverted & (inverted + 1)) == 0;
    return prefix ? Protocols::kAll : kNxmOxmOf11;
  }
  return Protocols::kNxmOrOxm;
}

std::string format_protocols(Protocols protocols) {
  if (protocols.empty()) return "none";
  std::string text;
  std::uint16_t rest = protocols.bits();
  const auto take = [&](const Name& name) {
    if ((rest & name.bits) != name.bits) return;
    text += (text.empty() ? "" : ",") + std::string(name.name);
    rest = static_cast<std::uint16_t>(rest & ~name.bits);
  };
  for (const Name& name : kSets) take(name);
  for (const Name& name : kSingle) take(name);
  return text;
}

std::optional<Protocols> find_protocols(std::string_view name) {
  for (const Name& known : kSets)
    if (known.name == name) return Protocols(known.bits);
  for (const Name& known : kSingle)
    if (known.name == name) return Protocols(known.bits);
  return std::nullopt;
}

std::string protocol_name(Protocols::Bit protocol) {
  for (const Name& name : kSingle)
    if (name.bits == protocol) return std::string(name.name);
  return "none";
}

std::optional<Protocols::Bit> choose_protocol(Protocols usable, Protocols allowed) {
  for (const Name& name : kSingle)
    if ((usable.bits() & allowed.bits() & name.bits) != 0) return static_cast<Protocols::Bit>(name.bits);
  return std::nullopt;
}

OfVersion version_of(Protocols::Bit protocol) {
  switch (protocol) {
    case Protocols::kOf11:
      return OfVersion::k11;
    case Protocols::kOf12:
      return OfVersion::k12;
    case Protocols::kOf13:
      return OfVersion::k13;
    case Protocols::kOf14:
      return OfVersion::k14;
    case Protocols::kOf15:
      return OfVersion::k15;
    default:
      return OfVersion::k10;
  }
}

namespace {

/// What the actions themselves need, whatever the match.
Protocols needed(const ActionList& actions) {
  Protocols usable;
  for (const Action& action : actions) {
    usable = usable & std::visit(
                          []<typename T>(const T& a) -> Protocols {
                            if constexpr (std::is_same_v<T, SetField>)
                              return field_protocols(a.field, field::ones(128));
                            else if constexpr (std::is_same_v<T, PushVlan>)
                              return Protocols::kOf11Up;
                            else if constexpr (std::is_same_v<T, Encap> || std::is_same_v<T, Decap> ||
                                               std::is_same_v<T, DecNshTtl> || std::is_same_v<T, Meter>)
                              return Protocols::kOf13Up;
                            else if constexpr (std::is_same_v<T, WriteMetadata>)
                              return kNxmOxmOf11;
                            else if constexpr (std::is_same_v<T, Clone> || std::is_same_v<T, WriteActions>)
                              return needed(a.actions);
                            else if constexpr (std::is_same_v<T, CtAction>)
                              return needed(a.nested);
                            else
                              return Protocols::kAll;
                          },
                          action.variant());
  }
  return usable;
}

}  // namespace

Protocols usable_protocols(const ActionList& actions, const flow::Match& match) {
  CheckContext context{.match = match, .options = {.table = kNoTable, .version = OfVersion::k10}};
  (void)check_list(actions, context);  // for what it says of 1.0's leniency
  return needed(actions) & context.usable;
}

}  // namespace sluice::action
