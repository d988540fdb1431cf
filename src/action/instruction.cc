#include "action/instruction.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kMeter15 = 29, kNxWriteMetadata = 22;
constexpr std::uint32_t kMaxMeter = 0xffff0000;

Status decode_meter(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(Meter{body.u32()});
  return {};
}
Status decode_metadata(ByteReader& body, const DecodeContext&, ActionList& out) {
  if (!body.skip_zeros(6))
    return fail("write_metadata: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BacBadArgument);
  WriteMetadata action;
  action.value = body.u64();
  action.mask = body.u64();
  out.push_back(action);
  return {};
}

constexpr WireForm kMeterForms[] = {{0, kMeter15, OfVersion::k15, OfVersion::k15, 8, true, decode_meter}};
constexpr WireForm kMetadataForms[] = {
    {kNiciraVendor, kNxWriteMetadata, OfVersion::k10, OfVersion::k10, 32, true, decode_metadata}};

}  // namespace

std::span<const WireForm> Meter::wire_forms() {
  return kMeterForms;
}
Status Meter::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t id, parse_number(word.argument, 0xffffffff, "meter"));
  out.push_back(Meter{static_cast<std::uint32_t>(id)});
  return {};
}
void Meter::format(std::string& out, const Names&) const {
  out += "meter:" + std::to_string(id);
}
void Meter::encode(Encoder& out) const {
  // An instruction in 1.3 and 1.4: encode_instructions() writes it.
  if (out.version() == OfVersion::k15) out.simple(kMeter15, id, 4);
}
Status Meter::check(CheckContext&) const {
  if (id != 0 && id <= kMaxMeter) return {};
  return fail("meter:" + std::to_string(id) + ": expected 1 to 4294901760 (OFPMMFC_INVALID_METER)",
              OfError::MmfcInvalidMeter);
}
void Meter::translate(Translation& translation) const {
  translation.meter(id);
}

std::span<const WireForm> ClearActions::wire_forms() {
  return {};
}
Status ClearActions::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(ClearActions{});
  return {};
}
void ClearActions::format(std::string& out, const Names&) const {
  out += "clear_actions";
}
void ClearActions::encode(Encoder&) const {}  // an instruction, and 1.0 has no action set
Status ClearActions::check(CheckContext&) const {
  return {};
}
void ClearActions::translate(Translation& translation) const {
  translation.clear_actions();
}

std::span<const WireForm> WriteActions::wire_forms() {
  return {};
}
Status WriteActions::parse(const Word& word, const ParseContext& context, ActionList& out) {
  WriteActions write;
  SLUICE_TRY(parse_list(word.argument,
                        ParseContext{.names = context.names, .place = Place::Set, .depth = context.depth + 1},
                        write.actions));
  out.push_back(std::move(write));
  return {};
}
void WriteActions::format(std::string& out, const Names& names) const {
  out += "write_actions(";
  format_list(actions, out, names);
  out += ")";
}
void WriteActions::encode(Encoder&) const {}  // an instruction, and 1.0 has no action set
Status WriteActions::check(CheckContext& context) const {
  CheckContext nested = context;
  nested.place = Place::Set;
  return check_list(actions, nested);
}
void WriteActions::translate(Translation& translation) const {
  translation.write_actions(actions);
}

std::span<const WireForm> WriteMetadata::wire_forms() {
  return kMetadataForms;
}
Status WriteMetadata::parse(const Word& word, const ParseContext&, ActionList& out) {
  WriteMetadata action;
  const auto slash = word.argument.find('/');
  SLUICE_ASSIGN(action.value, parse_number(word.argument.substr(0, slash), ~std::uint64_t{0}, "metadata"));
  if (slash != std::string_view::npos) {
    SLUICE_ASSIGN(action.mask,
                  parse_number(word.argument.substr(slash + 1), ~std::uint64_t{0}, "metadata mask"));
  }
  out.push_back(action);
  return {};
}
void WriteMetadata::format(std::string& out, const Names&) const {
  out += "write_metadata:" + hex(value);
  if (mask != ~std::uint64_t{0}) out += "/" + hex(mask);
}
void WriteMetadata::encode(Encoder& out) const {
  if (out.version() != OfVersion::k10) return;  // an instruction
  out.begin_nicira(kNxWriteMetadata);
  out.out().zeros(6);
  out.out().u64(value);
  out.out().u64(mask);
  out.end();
}
Status WriteMetadata::check(CheckContext&) const {
  return {};
}
void WriteMetadata::translate(Translation& translation) const {
  translation.write_metadata(value & mask, mask);
}

std::span<const WireForm> GotoTable::wire_forms() {
  return {};
}
Status GotoTable::parse(const Word& word, const ParseContext& context, ActionList& out) {
  const auto number = parse_table(word.argument, context.names);
  if (!number)
    return fail("unknown table " + std::string(word.argument) + ": expected 0 to 254 or a table's name");
  out.push_back(GotoTable{*number});
  return {};
}
void GotoTable::format(std::string& out, const Names& names) const {
  out += "goto_table:" + format_table(table, names);
}
void GotoTable::encode(Encoder& out) const {
  // 1.0 has no instructions: a resubmit as the last action leads to the same table.
  if (out.version() == OfVersion::k10) Resubmit{.table = table}.encode(out);
}
Status GotoTable::check(CheckContext& context) const {
  if (table == kNoTable || (context.options.table != kNoTable && table <= context.options.table))
    return fail("goto_table:" + std::to_string(table) + " in table " + std::to_string(context.options.table) +
                    ": expected a later table, at most 254 (OFPBIC_BAD_TABLE_ID)",
                OfError::BicBadTableId);
  return {};
}
void GotoTable::translate(Translation& translation) const {
  translation.goto_table(table);
}

}  // namespace sluice::action
