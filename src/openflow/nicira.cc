#include "openflow/nicira.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kFlowFormat[] = {
    {"NXT_SET_FLOW_FORMAT", Frame::Vendor, kNiciraVendor, 12, k10, k10, 20, 0}};
constexpr WireForm kTableId[] = {
    {"NXT_FLOW_MOD_TABLE_ID", Frame::Vendor, kNiciraVendor, 15, k10, k15, 24, 0}};
constexpr WireForm kPacketInFormat[] = {
    {"NXT_SET_PACKET_IN_FORMAT", Frame::Vendor, kNiciraVendor, 16, k10, k15, 20, 0}};
constexpr WireForm kControllerId[] = {
    {"NXT_SET_CONTROLLER_ID", Frame::Vendor, kNiciraVendor, 20, k10, k15, 24, 0}};
constexpr WireForm kFlowAge[] = {{"NXT_FLOW_AGE", Frame::Vendor, kNiciraVendor, 18, k10, k15, 16, 0}};

/// In the order of their numbers on the wire.
constexpr std::pair<Style, std::string_view> kPacketInFormats[] = {
    {Style::Standard, "standard"}, {Style::Nicira, "nxt_packet_in"}, {Style::Nicira2, "nxt_packet_in2"}};

}  // namespace

std::span<const WireForm> SetFlowFormat::wire_forms() {
  return kFlowFormat;
}
std::span<const WireForm> SetFlowModTableId::wire_forms() {
  return kTableId;
}
std::span<const WireForm> SetPacketInFormat::wire_forms() {
  return kPacketInFormat;
}
std::span<const WireForm> SetControllerId::wire_forms() {
  return kControllerId;
}
std::span<const WireForm> FlowAge::wire_forms() {
  return kFlowAge;
}

Status SetFlowFormat::decode(ByteReader& body, const DecodeContext&, SetFlowFormat& out) {
  out.format_code = body.u32();
  return finished(body, "NXT_SET_FLOW_FORMAT");
}
void SetFlowFormat::encode(Encoder& out) const {
  out.out().u32(format_code);
}
void SetFlowFormat::format(Printer& out) const {
  const std::string_view name = format_code == static_cast<std::uint32_t>(FlowFormat::OpenFlow10)
                                    ? "openflow10"
                                : format_code == static_cast<std::uint32_t>(FlowFormat::Nxm) ? "nxm"
                                                                                             : "(unknown)";
  out.put(" format={}\n", name);
}

Status SetFlowModTableId::decode(ByteReader& body, const DecodeContext&, SetFlowModTableId& out) {
  out.enable = body.u8() != 0;
  return finished(body, "NXT_FLOW_MOD_TABLE_ID");
}
void SetFlowModTableId::encode(Encoder& out) const {
  out.out().u8(enable ? 1 : 0);
  out.out().zeros(7);
}
void SetFlowModTableId::format(Printer& out) const {
  out.put(" {}\n", enable ? "enable" : "disable");
}

Status SetPacketInFormat::decode(ByteReader& body, const DecodeContext&, SetPacketInFormat& out) {
  const std::uint32_t format = body.u32();
  if (format >= std::size(kPacketInFormats))
    return fail(fmt::format("packet-in format {} (OFPBRC_EPERM)", format), OfError::BrcEperm);
  out.style = kPacketInFormats[format].first;
  return {};
}
void SetPacketInFormat::encode(Encoder& out) const {
  std::uint32_t number = 0;
  while (number + 1 < std::size(kPacketInFormats) && kPacketInFormats[number].first != style) ++number;
  out.out().u32(number);
}
void SetPacketInFormat::format(Printer& out) const {
  for (const auto& [known, name] : kPacketInFormats)
    if (known == style) out.put(" format={}\n", name);
}

Status SetControllerId::decode(ByteReader& body, const DecodeContext&, SetControllerId& out) {
  if (!body.skip_zeros(6))
    return fail("padding before a controller's id is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  out.id = body.u16();
  return finished(body, "NXT_SET_CONTROLLER_ID");
}
void SetControllerId::encode(Encoder& out) const {
  out.out().zeros(6);
  out.out().u16(id);
}
void SetControllerId::format(Printer& out) const {
  out.put(" id={}\n", id);
}

}  // namespace sluice::openflow
