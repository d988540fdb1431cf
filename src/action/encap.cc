#include "action/encap.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

constexpr std::uint16_t kEncap = 46, kDecap = 47;
constexpr std::uint32_t kEthernet = Encap::kEthernet, kNsh = 1u << 16 | net::ethertype::kNsh,
                        kMpls = 1u << 16 | net::ethertype::kMpls,
                        kMplsMulticast = 1u << 16 | net::ethertype::kMplsMulticast, kUseNext = 0xfffe;
constexpr std::uint16_t kNshProperty = 4;
constexpr std::uint8_t kMdType = 1, kMdTlv = 2;

struct Kind {
  std::string_view name;
  std::uint32_t packet_type;
};
constexpr Kind kKinds[] = {
    {"nsh", kNsh}, {"ethernet", kEthernet}, {"mpls", kMpls}, {"mpls_mc", kMplsMulticast}};

Status decode_encap(ByteReader& body, const DecodeContext&, ActionList& out) {
  Encap action;
  const std::uint16_t header_size = body.u16();
  action.packet_type = body.u32();
  bool known = false;
  for (const Kind& kind : kKinds) known = known || kind.packet_type == action.packet_type;
  if (!known || header_size != 0)
    return fail("encap of packet type " + hex(action.packet_type) + " (NXBAC_BAD_HEADER_TYPE)",
                OfError::BacBadHeaderType);
  while (body.remaining() > 0) {
    const std::size_t remaining = body.remaining();
    const std::uint16_t property_class = body.u16();
    const std::uint8_t type = body.u8();
    const std::uint8_t length = body.u8();
    const std::size_t padded = (length + 7u) / 8 * 8;
    if (!body.ok() || length < 4 || padded > remaining)
      return fail("encap: property of length " + std::to_string(length) + " (OFPBAC_BAD_LEN)",
                  OfError::BacBadLen);
    ByteReader property(body.take(padded - 4));
    if (property_class != kNshProperty || action.packet_type != kNsh)
      return fail(
          "encap: unknown property class " + std::to_string(property_class) + " (NXBAC_UNKNOWN_ED_PROP)",
          OfError::BacUnknownEdProp);
    if (type == kMdType) {
      action.nsh_md_type = property.u8();
      if (length != 5 || action.nsh_md_type < 1 || action.nsh_md_type > 2)
        return fail("encap: bad md_type (NXBAC_BAD_ED_PROP)", OfError::BacBadEdProp);
    } else if (type == kMdTlv) {
      Encap::NshTlv tlv;
      tlv.tlv_class = property.u16();
      tlv.type = property.u8();
      const std::uint8_t size = property.u8();
      const Bytes value = property.take(size);
      if (!property.ok()) return fail("encap: TLV ends early (OFPBAC_BAD_LEN)", OfError::BacBadLen);
      tlv.value.assign(value.begin(), value.end());
      action.nsh_tlvs.push_back(std::move(tlv));
    } else {
      return fail("encap: unknown property " + std::to_string(type) + " (NXBAC_UNKNOWN_ED_PROP)",
                  OfError::BacUnknownEdProp);
    }
  }
  out.push_back(std::move(action));
  return {};
}
Status decode_decap(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(2);
  out.push_back(Decap{body.u32()});
  if (body.remaining() == 0) return {};
  return fail("decap: unknown property (NXBAC_UNKNOWN_ED_PROP)", OfError::BacUnknownEdProp);
}

constexpr WireForm kEncapForms[] = {
    {kNiciraVendor, kEncap, OfVersion::k13, OfVersion::k15, 16, false, decode_encap}};
constexpr WireForm kDecapForms[] = {
    {kNiciraVendor, kDecap, OfVersion::k13, OfVersion::k15, 16, false, decode_decap}};

Status parse_tlv(std::string_view text, Encap& action) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = text; const auto item = next_item(rest);) parts.push_back(*item);
  Encap::NshTlv tlv;
  const auto bad = [&] {
    return fail("invalid tlv(" + std::string(text) + "): expected tlv(0xCLASS,TYPE,0xVALUE)");
  };
  if (parts.size() != 3 || !parts[2].starts_with("0x")) return bad();
  const auto tlv_class = parse_number(parts[0], 0xffff, "tlv class");
  const auto type = parse_number(parts[1], 0xff, "tlv type");
  auto value = parse_hex_bytes(parts[2].substr(2), "tlv");
  if (!tlv_class || !type || !value || value->empty() || value->size() > 240) return bad();
  action.nsh_tlvs.push_back(
      {static_cast<std::uint16_t>(*tlv_class), static_cast<std::uint8_t>(*type), std::move(*value)});
  return {};
}

Status parse_nsh(std::string_view text, Encap& action) {
  while (const auto option = next_word(text)) {
    if (option->name == "md_type") {
      const auto type = parse_number(option->argument, 2, "md_type");
      if (!type || *type < 1)
        return fail("invalid md_type \"" + std::string(option->argument) + "\": expected 1 or 2");
      action.nsh_md_type = static_cast<std::uint8_t>(*type);
    } else if (option->name == "tlv") {
      SLUICE_TRY(parse_tlv(option->argument, action));
    } else {
      return fail("unknown nsh property \"" + std::string(option->name) + "\": expected md_type or tlv");
    }
  }
  return {};
}

}  // namespace

std::span<const WireForm> Encap::wire_forms() {
  return kEncapForms;
}

Status Encap::parse(const Word& word, const ParseContext&, ActionList& out) {
  std::string_view rest = word.argument;
  const auto header = next_word(rest);
  if (!header)
    return fail("Missing encap hdr: expected encap(nsh), encap(ethernet), encap(mpls) or encap(mpls_mc)");
  for (const Kind& kind : kKinds) {
    if (header->name != kind.name) continue;
    Encap action{.packet_type = kind.packet_type};
    if (kind.packet_type == kNsh) SLUICE_TRY(parse_nsh(header->argument, action));
    out.push_back(std::move(action));
    return {};
  }
  return fail("Encap hdr not supported: " + std::string(header->name));
}

void Encap::format(std::string& out, const Names&) const {
  for (const Kind& kind : kKinds)
    if (kind.packet_type == packet_type) out += "encap(" + std::string(kind.name);
  std::string options;
  const auto add = [&](const std::string& option) { options += (options.empty() ? "" : ",") + option; };
  if (nsh_md_type != 0) add("md_type=" + std::to_string(nsh_md_type));
  for (const NshTlv& tlv : nsh_tlvs) {
    std::string bytes = format_hex_bytes(tlv.value);
    std::erase(bytes, '.');
    add("tlv(0x" + hex(0x10000u | tlv.tlv_class).substr(3) + "," + std::to_string(tlv.type) + ",0x" + bytes +
        ")");
  }
  if (!options.empty()) out += "(" + options + ")";
  out += ")";
}

void Encap::encode(Encoder& out) const {
  out.begin_nicira(kEncap);
  ByteWriter& w = out.out();
  w.zeros(2);
  w.u32(packet_type);
  if (nsh_md_type != 0) {
    w.u16(kNshProperty);
    w.u8(kMdType);
    w.u8(5);
    w.u8(nsh_md_type);
    w.zeros(3);
  }
  for (const NshTlv& tlv : nsh_tlvs) {
    const std::size_t padded = (8 + tlv.value.size() + 7) / 8 * 8;
    w.u16(kNshProperty);
    w.u8(kMdTlv);
    w.u8(static_cast<std::uint8_t>(padded));
    w.u16(tlv.tlv_class);
    w.u8(tlv.type);
    w.u8(static_cast<std::uint8_t>(tlv.value.size()));
    w.append(tlv.value);
    w.zeros(padded - 8 - tlv.value.size());
  }
  out.end();
}

Status Encap::check(CheckContext& context) const {
  set_known(context.match, FieldId::PacketType, packet_type);
  return {};
}
void Encap::translate(Translation& translation) const {
  if (packet_type == kEthernet) translation.encap_ethernet();  // check_executable() refuses the others
}

std::span<const WireForm> Decap::wire_forms() {
  return kDecapForms;
}

Status Decap::parse(const Word& word, const ParseContext&, ActionList& out) {
  Decap action;
  std::string_view rest = word.argument;
  if (const auto option = next_word(rest)) {
    if (option->name != "packet_type") return fail("Invalid decap argument: " + std::string(option->name));
    std::uint64_t name_space = 0, type = 0;
    std::string_view parts = option->argument;
    while (const auto part = next_word(parts)) {
      if (part->name != "ns" && part->name != "type")
        return fail("invalid decap packet_type(" + std::string(option->argument) + "): expected ns and type");
      SLUICE_ASSIGN((part->name == "ns" ? name_space : type),
                    parse_number(part->argument, 0xffff, part->name));
    }
    action.packet_type = static_cast<std::uint32_t>(name_space << 16 | type);
  }
  out.push_back(action);
  return {};
}

void Decap::format(std::string& out, const Names&) const {
  out += "decap(";
  if (packet_type != kUseNext)
    out += "packet_type(ns=" + std::to_string(packet_type >> 16) + ",type=" + hex(packet_type & 0xffff) + ")";
  out += ")";
}

void Decap::encode(Encoder& out) const {
  out.begin_nicira(kDecap);
  out.out().zeros(2);
  out.out().u32(packet_type);
  out.end();
}

Status Decap::check(CheckContext& context) const {
  const flow::Match& match = context.match;
  if (match.mask.bits.packet_type.raw() == 0 || match.value.packet_type.raw() == 0)
    set_known(context.match, FieldId::PacketType, flow::kBarePacketType | match.value.eth_type.host());
  return {};
}
void Decap::translate(Translation& translation) const {
  translation.decap();
}

}  // namespace sluice::action
