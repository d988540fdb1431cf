#include "action/mod_tp.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::FieldId;

namespace {

constexpr std::uint16_t kSrc10 = 9, kDst10 = 10, kSrc11 = 9, kDst11 = 10;

template <typename T>
Status decode_port(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(T{.port = body.u16()});
  return {};
}

constexpr WireForm kSrcForms[] = {
    {0, kSrc10, OfVersion::k10, OfVersion::k10, 8, true, decode_port<SetL4Src>},
    {0, kSrc11, OfVersion::k11, OfVersion::k15, 8, true, decode_port<SetL4Src>},
};
constexpr WireForm kDstForms[] = {
    {0, kDst10, OfVersion::k10, OfVersion::k10, 8, true, decode_port<SetL4Dst>},
    {0, kDst11, OfVersion::k11, OfVersion::k15, 8, true, decode_port<SetL4Dst>},
};

struct Ids {
  FieldId tcp, udp, sctp;
};
constexpr Ids kSrc{FieldId::TcpSrc, FieldId::UdpSrc, FieldId::SctpSrc},
    kDst{FieldId::TcpDst, FieldId::UdpDst, FieldId::SctpDst};

std::optional<FieldId> field_of(std::uint8_t protocol, const Ids& ids) {
  switch (protocol) {
    case net::ip_proto::kTcp:
      return ids.tcp;
    case net::ip_proto::kUdp:
      return ids.udp;
    case net::ip_proto::kSctp:
      return ids.sctp;
    default:
      return std::nullopt;
  }
}

/// From 1.2 on the action has to say whose port it is; without a protocol in the match there is nothing to
/// say.
void encode_port(Encoder& out, std::uint16_t type10, std::uint16_t type11, std::uint16_t port,
                 std::uint8_t protocol, const Ids& ids) {
  if (out.version() <= OfVersion::k11)
    out.simple(out.version() == OfVersion::k10 ? type10 : type11, port, 2);
  else if (const auto id = field_of(protocol, ids))
    SetField{.field = *id, .value = port, .mask = 0xffff}.encode(out);
}

Status check_port(CheckContext& context, std::string_view action) {
  const bool met = field_of(known_ip_proto(context.match).value_or(0), kSrc).has_value();
  return require_softly(context, met, action, "tcp, udp or sctp");
}

/// Whichever of the three the packet has: write() leaves a packet without the header alone.
void write_port(Translation& translation, const Ids& ids, std::uint16_t port) {
  for (const FieldId id : {ids.tcp, ids.udp, ids.sctp}) translation.write({id, 0, 16}, port);
}

}  // namespace

std::span<const WireForm> SetL4Src::wire_forms() {
  return kSrcForms;
}
Status SetL4Src::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t port, parse_number(word.argument, 0xffff, "source port"));
  out.push_back(SetL4Src{.port = static_cast<std::uint16_t>(port)});
  return {};
}
void SetL4Src::format(std::string& out, const Names&) const {
  out += "mod_tp_src:" + std::to_string(port);
}
void SetL4Src::encode(Encoder& out) const {
  encode_port(out, kSrc10, kSrc11, port, protocol, kSrc);
}
Status SetL4Src::check(CheckContext& context) const {
  return check_port(context, "mod_tp_src");
}
void SetL4Src::translate(Translation& translation) const {
  write_port(translation, kSrc, port);
}

std::span<const WireForm> SetL4Dst::wire_forms() {
  return kDstForms;
}
Status SetL4Dst::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t port, parse_number(word.argument, 0xffff, "destination port"));
  out.push_back(SetL4Dst{.port = static_cast<std::uint16_t>(port)});
  return {};
}
void SetL4Dst::format(std::string& out, const Names&) const {
  out += "mod_tp_dst:" + std::to_string(port);
}
void SetL4Dst::encode(Encoder& out) const {
  encode_port(out, kDst10, kDst11, port, protocol, kDst);
}
Status SetL4Dst::check(CheckContext& context) const {
  return check_port(context, "mod_tp_dst");
}
void SetL4Dst::translate(Translation& translation) const {
  write_port(translation, kDst, port);
}

}  // namespace sluice::action
