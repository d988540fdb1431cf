#include "openflow/packet_out.h"

#include "field/match_text.h"
#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kForms[] = {{"OFPT_PACKET_OUT", Frame::Plain, 0, 13, k10, k10, 16, 1},
                               {"OFPT_PACKET_OUT", Frame::Plain, 0, 13, k11, k14, 24, 1},
                               {"OFPT_PACKET_OUT", Frame::Plain, 0, 13, k15, k15, 16, 1}};
constexpr std::uint32_t kNoBuffer = 0xffffffff;

/// Ports that a packet can have come from.
bool is_source(std::uint32_t port) {
  using namespace action::of_port;
  return port < 0xff00 || port == kLocal || port == kNone || port == kController;
}

}  // namespace

std::span<const WireForm> PacketOut::wire_forms() {
  return kForms;
}

Status PacketOut::decode(ByteReader& body, const DecodeContext& context, PacketOut& out) {
  const std::uint32_t id = body.u32();
  if (id != kNoBuffer) out.buffer = id;
  std::uint16_t actions_length = 0;
  if (context.version < k15) {
    SLUICE_ASSIGN(const std::uint32_t in_port, take_valid_port(body, context.version));
    field::set_match(out.metadata, field::FieldId::InPortOxm, in_port, 0xffffffff);
    actions_length = body.u16();
    if (context.version >= k11) body.skip(6);
  } else {
    actions_length = body.u16();
    body.skip(2);
    SLUICE_ASSIGN(out.metadata, take_match(body, context.version, false));
    if (out.metadata.mask.bits.in_port.raw() == 0)
      return fail("packet-out without in_port (OFPBRC_BAD_PORT)", OfError::BrcBadPort);
  }
  if (!is_source(out.in_port()))
    return fail(fmt::format("packet-out from port {:#x} (OFPBRC_BAD_PORT)", out.in_port()),
                OfError::BrcBadPort);
  const Bytes list = body.take(actions_length);
  SLUICE_TRY(finished(body, "packet-out"));
  SLUICE_ASSIGN(out.actions, action::decode_actions(list, context.version));
  out.packet = take_rest(body);
  return {};
}

void PacketOut::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  out.u32(buffer.value_or(kNoBuffer));
  std::size_t length_at = 0;
  if (encoder.version() < k15) {
    encoder.port(in_port());
    length_at = out.size();
    out.u16(0);
    if (encoder.version() >= k11) out.zeros(6);
  } else {
    length_at = out.size();
    out.zeros(4);
    put_match(metadata, encoder.version(), out);
  }
  const std::size_t start = out.size();
  action::encode_actions(actions, encoder.version(), out);
  patch_length(out, start, length_at);
  if (!buffer) out.append(packet);
}

void PacketOut::format(Printer& out) const {
  out.put(" {} actions={}", field::format_match(metadata, out.names().ports),
          action::format_actions(actions, out.names()));
  if (buffer) {
    out.put(" buffer={:#010x}\n", *buffer);
    return;
  }
  out.put(" data_len={}\n", packet.size());
  if (!packet.empty()) format_packet(packet, out);
}

}  // namespace sluice::openflow
