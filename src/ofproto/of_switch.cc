// What the switch is and how it is set: features, fragment handling, the table of Geneve options.
#include <fmt/core.h>

#include <algorithm>

#include "field/of_error.h"
#include "ofproto/of_actions.h"
#include "ofproto/openflow_agent.h"

namespace sluice::ofproto {

using field::OfError;
namespace capability = openflow::capability;

namespace {

/// Room for Geneve options in a packet's metadata, and fields that name them: Open vSwitch's.
constexpr std::uint32_t kTlvSpace = 256;
constexpr std::uint16_t kTlvFields = 64;

}  // namespace

openflow::FeaturesReply OpenFlowAgent::features(openflow::OfVersion version) const {
  openflow::FeaturesReply reply;
  reply.datapath_id = datapath_id_;
  reply.tables = kVisibleTables;
  reply.capabilities = capability::kFlowStats | capability::kTableStats | capability::kPortStats |
                       capability::kGroupStats | capability::kQueueStats | capability::kArpMatchIp |
                       capability::kBundles;
  reply.actions = action_bits(openflow::k10);
  if (version < openflow::k13) reply.ports = describe_ports(action::of_port::kNone).entries;
  return reply;
}

openflow::GetConfigReply OpenFlowAgent::config(const Session& session) const {
  openflow::GetConfigReply reply;
  reply.fragments = fragments_;
  reply.invalid_ttl_to_controller = session.invalid_ttl_to_controller();
  reply.miss_send_len = session.miss_send_len();
  return reply;
}

/// What concerns the session alone it has taken already.
Status OpenFlowAgent::set_config(const openflow::SetConfig& config) {
  // Reassembly by the switch is what ct() does, not what a flow table does: as Open vSwitch, ignored.
  if (config.fragments == openflow::FragmentHandling::Reassemble || config.fragments == fragments_) return {};
  fragments_ = config.fragments;
  pipeline::BridgeConfig bridge = pipeline().config();
  switch (fragments_) {
    case openflow::FragmentHandling::Drop:
      bridge.fragments = pipeline::FragmentMode::Drop;
      break;
    case openflow::FragmentHandling::NxMatch:
      bridge.fragments = pipeline::FragmentMode::Match;
      break;
    default:
      bridge.fragments = pipeline::FragmentMode::Normal;
      break;
  }
  pipeline().configure(std::move(bridge));
  return {};
}

Status OpenFlowAgent::change_tlv_table(const openflow::TlvTableMod& mod) {
  const auto refuse = [](const openflow::TlvMapping& mapping, OfError code) {
    return field::fail(
        fmt::format("Geneve option of class {:#x}, type {:#x} as tun_metadata{} ({})", mapping.option_class,
                    mapping.option_type, mapping.index, field::of_error_name(code)),
        code);
  };
  auto next = tlv_table_;
  std::uint32_t space = 0;
  for (const auto& [index, mapping] : next) space += mapping.option_length;
  switch (mod.command) {
    case openflow::TlvTableCommand::Add:
      for (const openflow::TlvMapping& mapping : mod.mappings) {
        if (next.contains(mapping.index)) return refuse(mapping, OfError::TtmfcAlreadyMapped);
        for (const auto& [index, other] : next)
          if (other.option_class == mapping.option_class && other.option_type == mapping.option_type)
            return refuse(mapping, OfError::TtmfcDupEntry);
        space += mapping.option_length;
        if (space > kTlvSpace) return refuse(mapping, OfError::TtmfcTableFull);
        next[mapping.index] = mapping;
      }
      break;
    case openflow::TlvTableCommand::Delete:
      for (const openflow::TlvMapping& mapping : mod.mappings) next.erase(mapping.index);
      break;
    case openflow::TlvTableCommand::Clear:
      next.clear();
      break;
  }
  tlv_table_ = std::move(next);
  return {};
}

openflow::TlvTableReply OpenFlowAgent::tlv_table() const {
  openflow::TlvTableReply reply;
  reply.max_option_space = kTlvSpace;
  reply.max_fields = kTlvFields;
  for (const auto& [index, mapping] : tlv_table_) reply.mappings.push_back(mapping);
  return reply;
}

}  // namespace sluice::ofproto
