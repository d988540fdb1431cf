#include "openflow/features.h"

#include "openflow/group_stats.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {{"OFPT_FEATURES_REQUEST", Frame::Plain, 0, 5, k10, k15, 8, 0}};
constexpr WireForm kReply[] = {{"OFPT_FEATURES_REPLY", Frame::Plain, 0, 6, k10, k10, 32, 48},
                               {"OFPT_FEATURES_REPLY", Frame::Plain, 0, 6, k11, k12, 32, 64},
                               {"OFPT_FEATURES_REPLY", Frame::Plain, 0, 6, k13, k15, 32, 0}};

constexpr BitName kCapabilities[] = {
    {capability::kFlowStats, "FLOW_STATS"},           {capability::kTableStats, "TABLE_STATS"},
    {capability::kPortStats, "PORT_STATS"},           {capability::kStp, "STP"},
    {capability::kGroupStats, "GROUP_STATS"},         {capability::kIpReassembly, "IP_REASM"},
    {capability::kQueueStats, "QUEUE_STATS"},         {capability::kArpMatchIp, "ARP_MATCH_IP"},
    {capability::kPortBlocked, "PORT_BLOCKED"},       {capability::kBundles, "BUNDLES"},
    {capability::kFlowMonitoring, "FLOW_MONITORING"},
};
/// 1.0 has STP in bit 3, where later versions have group statistics.
constexpr std::uint32_t kStp10 = 1 << 3;
constexpr std::uint32_t kCommon = capability::kFlowStats | capability::kTableStats | capability::kPortStats |
                                  capability::kIpReassembly | capability::kQueueStats;

std::uint32_t known_capabilities(OfVersion version) {
  switch (version) {
    case k10:
      return kCommon | capability::kArpMatchIp;
    case k11:
      return kCommon | capability::kGroupStats | capability::kArpMatchIp;
    case k12:
    case k13:
      return kCommon | capability::kGroupStats | capability::kPortBlocked;
    default:
      return kCommon | capability::kGroupStats | capability::kPortBlocked | capability::kBundles |
             capability::kFlowMonitoring;
  }
}

}  // namespace

std::span<const WireForm> FeaturesRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> FeaturesReply::wire_forms() {
  return kReply;
}

Status FeaturesReply::decode(ByteReader& body, const DecodeContext& context, FeaturesReply& out) {
  out.datapath_id = body.u64();
  out.buffers = body.u32();
  out.tables = body.u8();
  out.auxiliary_id = body.u8();
  if (context.version < k13) out.auxiliary_id = 0;
  body.skip(2);
  const std::uint32_t capabilities = body.u32();
  out.capabilities = capabilities & known_capabilities(context.version);
  if (context.version == k10 && (capabilities & kStp10) != 0) out.capabilities |= capability::kStp;
  out.actions = body.u32();
  if (context.version != k10) out.actions = 0;
  while (body.ok() && body.remaining() > 0)
    SLUICE_TRY(decode_port(body, context.version, out.ports.emplace_back()));
  return finished(body, "features reply");
}

void FeaturesReply::encode(Encoder& out) const {
  const OfVersion version = out.version();
  out.out().u64(datapath_id);
  out.out().u32(buffers);
  out.out().u8(tables);
  out.out().u8(version >= k13 ? auxiliary_id : 0);
  out.out().zeros(2);
  std::uint32_t bits = capabilities & known_capabilities(version);
  if (version == k10 && (capabilities & capability::kStp) != 0) bits |= kStp10;
  out.out().u32(bits);
  out.out().u32(version == k10 ? actions : 0);
  if (version >= k13) return;
  for (const PortDescription& port : ports) {
    out.entry();
    encode_port(port, out);
  }
}

void FeaturesReply::format(Printer& out) const {
  out.put(" dpid:{:016x}\nn_tables:{}, n_buffers:{}", datapath_id, tables, buffers);
  if (auxiliary_id != 0) out.put(", auxiliary_id:{}", auxiliary_id);
  out.put("\ncapabilities: {}\n", bit_names(capabilities, kCapabilities));
  if (out.version() == k10 && actions != 0) out.put("actions: {}\n", format_action_bits(actions, k10));
  format_ports(ports, out);
}

}  // namespace sluice::openflow
