#include "openflow/ipfix.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kBridgeRequest[] = {
    {"NXST_IPFIX_BRIDGE request", Frame::VendorRequest, kNiciraVendor, 3, k10, k15, 24, 0}};
constexpr WireForm kBridgeReply[] = {
    {"NXST_IPFIX_BRIDGE reply", Frame::VendorReply, kNiciraVendor, 3, k10, k15, 112, 0}};
constexpr WireForm kFlowRequest[] = {
    {"NXST_IPFIX_FLOW request", Frame::VendorRequest, kNiciraVendor, 4, k10, k15, 24, 0}};
constexpr WireForm kFlowReply[] = {
    {"NXST_IPFIX_FLOW reply", Frame::VendorReply, kNiciraVendor, 4, k10, k15, 24, 88}};

constexpr std::uint64_t IpfixCounters::* const kCounters[] = {
    &IpfixCounters::flows,       &IpfixCounters::current_flows, &IpfixCounters::sampled_packets,
    &IpfixCounters::ipv4_ok,     &IpfixCounters::ipv6_ok,       &IpfixCounters::packet_errors,
    &IpfixCounters::ipv4_errors, &IpfixCounters::ipv6_errors,   &IpfixCounters::tx_packets,
    &IpfixCounters::tx_errors};

void take_counters(ByteReader& in, IpfixCounters& counters) {
  for (const auto counter : kCounters) counters.*counter = in.u64();
  counters.collector_set = in.u32();
  in.skip(4);
}
void put_counters(const IpfixCounters& counters, ByteWriter& out) {
  for (const auto counter : kCounters) out.u64(counters.*counter);
  out.u32(counters.collector_set);
  out.zeros(4);
}
void format_counters(const IpfixCounters& c, std::string_view indent, Printer& out) {
  out.put("flows={}, current flows={}, sampled pkts={}, ipv4 ok={}, ipv6 ok={}, tx pkts={}\n",
          format_count(c.flows), format_count(c.current_flows), format_count(c.sampled_packets),
          format_count(c.ipv4_ok), format_count(c.ipv6_ok), format_count(c.tx_packets));
  out.put("{}pkts errs={}, ipv4 errs={}, ipv6 errs={}, tx errs={}\n", indent, format_count(c.packet_errors),
          format_count(c.ipv4_errors), format_count(c.ipv6_errors), format_count(c.tx_errors));
}

}  // namespace

std::span<const WireForm> IpfixBridgeRequest::wire_forms() {
  return kBridgeRequest;
}
std::span<const WireForm> IpfixBridgeReply::wire_forms() {
  return kBridgeReply;
}
std::span<const WireForm> IpfixFlowRequest::wire_forms() {
  return kFlowRequest;
}
std::span<const WireForm> IpfixFlowReply::wire_forms() {
  return kFlowReply;
}

Status IpfixBridgeReply::decode(ByteReader& body, const DecodeContext&, IpfixBridgeReply& out) {
  take_counters(body, out.counters);
  return finished(body, "IPFIX statistics");
}
void IpfixBridgeReply::encode(Encoder& out) const {
  put_counters(counters, out.out());
}
void IpfixBridgeReply::format(Printer& out) const {
  out.put("\n  bridge ipfix: ");
  format_counters(counters, "                ", out);
}

Status IpfixFlowReply::decode(ByteReader& body, const DecodeContext&, IpfixFlowReply& out) {
  while (body.ok() && body.remaining() > 0) take_counters(body, out.entries.emplace_back());
  return finished(body, "IPFIX statistics");
}
void IpfixFlowReply::encode(Encoder& out) const {
  for (const IpfixCounters& counters : entries) {
    out.entry();
    put_counters(counters, out.out());
  }
}
void IpfixFlowReply::format(Printer& out) const {
  out.put(" {} ids\n", entries.size());
  for (const IpfixCounters& counters : entries) {
    out.put("  id {:>3}: ", counters.collector_set);
    format_counters(counters, "          ", out);
  }
}

}  // namespace sluice::openflow
