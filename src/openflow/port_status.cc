#include "openflow/port_status.h"

#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kStatus[] = {{"OFPT_PORT_STATUS", Frame::Plain, 0, 12, k10, k10, 64, 0},
                                {"OFPT_PORT_STATUS", Frame::Plain, 0, 12, k11, k13, 80, 0},
                                {"OFPT_PORT_STATUS", Frame::Plain, 0, 12, k14, k15, 56, 8}};
constexpr WireForm kMod[] = {{"OFPT_PORT_MOD", Frame::Plain, 0, 15, k10, k10, 32, 0},
                             {"OFPT_PORT_MOD", Frame::Plain, 0, 16, k11, k13, 40, 0},
                             {"OFPT_PORT_MOD", Frame::Plain, 0, 16, k14, k15, 32, 8}};
constexpr std::uint16_t kEthernetProperty = 0;

std::uint32_t known_config(OfVersion version) {
  return version == k10 ? port_config::kOf10 : port_config::kOf11;
}

}  // namespace

std::span<const WireForm> PortStatus::wire_forms() {
  return kStatus;
}
std::span<const WireForm> PortMod::wire_forms() {
  return kMod;
}

Status PortStatus::decode(ByteReader& body, const DecodeContext& context, PortStatus& out) {
  const std::uint8_t reason = body.u8();
  if (reason > static_cast<std::uint8_t>(PortReason::Modify))
    return fail(fmt::format("port status of reason {} (NXBRC_BAD_REASON)", reason), OfError::BrcBadReason);
  out.reason = static_cast<PortReason>(reason);
  body.skip(7);
  return decode_port(body, context.version, out.port);
}

void PortStatus::encode(Encoder& out) const {
  out.out().u8(static_cast<std::uint8_t>(reason));
  out.out().zeros(7);
  encode_port(port, out);
}

void PortStatus::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"ADD", "DEL", "MOD"};
  out.put(" {}:", kNames[static_cast<std::size_t>(reason)]);
  format_port(port, out);
}

Status PortMod::decode(ByteReader& body, const DecodeContext& context, PortMod& out) {
  const OfVersion version = context.version;
  SLUICE_ASSIGN(out.number, take_valid_port(body, version));
  if (version >= k11) body.skip(4);
  for (std::uint8_t& byte : out.address.bytes) byte = body.u8();
  if (version >= k11) body.skip(2);
  const std::uint32_t config = body.u32();
  out.mask = body.u32() & known_config(version);
  out.config = config & out.mask;
  if (version <= k13) out.advertise = features_from_wire(body.u32(), version);
  SLUICE_TRY(finished(body, "port_mod"));
  while (version >= k14 && body.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(body));
    if (property.experimenter || property.type != kEthernetProperty)
      return unknown_property(property, "port_mod");
    ByteReader value(property.body);
    if (value.remaining() != 4) return bad_length("Ethernet property of a port_mod", OfError::BpcBadLen);
    out.advertise = features_from_wire(value.u32(), version);
  }
  return {};
}

void PortMod::encode(Encoder& out) const {
  const OfVersion version = out.version();
  out.port(number);
  if (version >= k11) out.out().zeros(4);
  out.out().append(Bytes(address.bytes));
  if (version >= k11) out.out().zeros(2);
  out.out().u32(config & mask & known_config(version));
  out.out().u32(mask & known_config(version));
  if (version <= k13) {
    out.out().u32(features_to_wire(advertise, version));
    out.out().zeros(4);
  } else if (advertise != 0) {
    const PropertyWriter ethernet(out.out(), kEthernetProperty);
    out.out().u32(features_to_wire(advertise, version));
  }
}

void PortMod::format(Printer& out) const {
  out.put(" port: ");
  out.port(number);
  out.put(": addr:{}\n     config: {}\n     mask:   {}\n     advertise: {}\n", net::format_mac(address),
          format_port_config(config), format_port_config(mask),
          advertise == 0 ? "UNCHANGED" : format_features(advertise));
}

}  // namespace sluice::openflow
