// NXST_IPFIX_BRIDGE and NXST_IPFIX_FLOW: what the IPFIX exporters of a bridge have counted.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct IpfixCounters {
  std::uint64_t flows = 0, current_flows = 0, sampled_packets = 0, ipv4_ok = 0, ipv6_ok = 0,
                packet_errors = 0, ipv4_errors = 0, ipv6_errors = 0, tx_packets = 0, tx_errors = 0;
  std::uint32_t collector_set = 0;  ///< not for a bridge's own exporter
};

struct IpfixBridgeRequest : Bodiless<IpfixBridgeRequest> {
  static std::span<const WireForm> wire_forms();
};
struct IpfixBridgeReply {
  IpfixCounters counters;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, IpfixBridgeReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct IpfixFlowRequest : Bodiless<IpfixFlowRequest> {
  static std::span<const WireForm> wire_forms();
};
struct IpfixFlowReply {
  std::vector<IpfixCounters> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, IpfixFlowReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
