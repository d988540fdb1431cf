#include "openflow/tlv_table.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kMod[] = {{"NXT_TLV_TABLE_MOD", Frame::Vendor, kNiciraVendor, 24, k10, k15, 24, 8}};
constexpr WireForm kRequest[] = {
    {"NXT_TLV_TABLE_REQUEST", Frame::Vendor, kNiciraVendor, 25, k10, k15, 16, 0}};
constexpr WireForm kReply[] = {{"NXT_TLV_TABLE_REPLY", Frame::Vendor, kNiciraVendor, 26, k10, k15, 32, 8}};
/// What a Geneve option may hold.
constexpr std::uint8_t kMaxOption = 124;
/// Fields tun_metadata0 to 63.
constexpr unsigned kFields = 64;

Status decode_mappings(ByteReader& in, unsigned fields, std::vector<TlvMapping>& mappings) {
  while (in.remaining() > 0) {
    TlvMapping& mapping = mappings.emplace_back();
    mapping.option_class = in.u16();
    mapping.option_type = in.u8();
    mapping.option_length = in.u8();
    mapping.index = in.u16();
    in.skip(2);
    SLUICE_TRY(finished(in, "TLV mapping"));
    if (mapping.index >= fields)
      return fail(fmt::format("TLV for tun_metadata{} (NXTTMFC_BAD_FIELD_IDX)", mapping.index),
                  OfError::TtmfcBadFieldIdx);
    if (mapping.option_length % 4 != 0 || mapping.option_length > kMaxOption)
      return fail(fmt::format("TLV of {} bytes (NXTTMFC_BAD_OPT_LEN)", mapping.option_length),
                  OfError::TtmfcBadOptLen);
  }
  return {};
}
void encode_mappings(const std::vector<TlvMapping>& mappings, ByteWriter& out) {
  for (const TlvMapping& mapping : mappings) {
    out.u16(mapping.option_class);
    out.u8(mapping.option_type);
    out.u8(mapping.option_length);
    out.u16(mapping.index);
    out.zeros(2);
  }
}
void format_mappings(const std::vector<TlvMapping>& mappings, Printer& out) {
  out.put(" mapping table:\n");
  out.put("  class  type  length  match field\n");
  out.put(" ------  ----  ------  --------------\n");
  for (const TlvMapping& m : mappings) {
    // As C's %#x has it, which leaves the 0x off a zero.
    const auto hex = [](unsigned value) {
      return value == 0 ? std::string("0") : fmt::format("{:#x}", value);
    };
    out.put(" {:>6}  {:>4}  {:>6}  tun_metadata{}\n", hex(m.option_class), hex(m.option_type),
            m.option_length, m.index);
  }
}

}  // namespace

std::span<const WireForm> TlvTableMod::wire_forms() {
  return kMod;
}
std::span<const WireForm> TlvTableRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> TlvTableReply::wire_forms() {
  return kReply;
}

Status TlvTableMod::decode(ByteReader& body, const DecodeContext&, TlvTableMod& out) {
  const std::uint16_t command = body.u16();
  if (command > static_cast<std::uint16_t>(TlvTableCommand::Clear))
    return fail(fmt::format("TLV table command {} (NXTTMFC_BAD_COMMAND)", command), OfError::TtmfcBadCommand);
  out.command = static_cast<TlvTableCommand>(command);
  body.skip(6);
  return decode_mappings(body, kFields, out.mappings);
}
void TlvTableMod::encode(Encoder& out) const {
  out.out().u16(static_cast<std::uint16_t>(command));
  out.out().zeros(6);
  encode_mappings(mappings, out.out());
}
void TlvTableMod::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"ADD", "DEL", "CLEAR"};
  out.put("\n {}", kNames[static_cast<std::size_t>(command)]);
  if (command == TlvTableCommand::Clear)
    out.put("\n");
  else
    format_mappings(mappings, out);
}

Status TlvTableReply::decode(ByteReader& body, const DecodeContext&, TlvTableReply& out) {
  out.max_option_space = body.u32();
  out.max_fields = body.u16();
  body.skip(10);
  return decode_mappings(body, out.max_fields, out.mappings);
}
void TlvTableReply::encode(Encoder& out) const {
  out.out().u32(max_option_space);
  out.out().u16(max_fields);
  out.out().zeros(10);
  encode_mappings(mappings, out.out());
}
void TlvTableReply::format(Printer& out) const {
  unsigned allocated = 0;
  for (const TlvMapping& mapping : mappings) allocated += mapping.option_length;
  out.put("\n max option space={} max fields={}\n allocated option space={}\n\n", max_option_space,
          max_fields, allocated);
  format_mappings(mappings, out);
}

}  // namespace sluice::openflow
