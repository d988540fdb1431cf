// FEATURES_REQUEST and FEATURES_REPLY: what the switch is. Before 1.3 the reply also lists the ports.
#pragma once

#include "openflow/port.h"

namespace sluice::openflow {

struct FeaturesRequest : Bodiless<FeaturesRequest> {
  static std::span<const WireForm> wire_forms();
};

/// Bits of FeaturesReply::capabilities in the numbering of 1.1+; kStp and kArpMatchIp are where 1.0 has them.
namespace capability {
inline constexpr std::uint32_t kFlowStats = 1 << 0, kTableStats = 1 << 1, kPortStats = 1 << 2,
                               kGroupStats = 1 << 3, kIpReassembly = 1 << 5, kQueueStats = 1 << 6,
                               kArpMatchIp = 1 << 7, kPortBlocked = 1 << 8, kBundles = 1 << 9,
                               kFlowMonitoring = 1 << 10, kStp = 1u << 31;
}  // namespace capability

struct FeaturesReply {
  std::uint64_t datapath_id = 0;
  std::uint32_t buffers = 0;
  std::uint8_t tables = 0;
  std::uint8_t auxiliary_id = 0;  ///< 1.3+
  std::uint32_t capabilities = 0;
  std::uint32_t actions = 0;  ///< 1.0: bit n is OpenFlow 1.0's action n
  std::vector<PortDescription> ports;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FeaturesReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
