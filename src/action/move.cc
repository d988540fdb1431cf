#include "action/move.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kCopyField = 28, kRegMove = 6, kOnfCopyField = 3200;

Status decode_body(ByteReader& body, std::uint16_t bits, std::uint16_t source_offset,
                   std::uint16_t destination_offset, ActionList& out) {
  SLUICE_ASSIGN(const field::FieldSpec* source, decode_header(body, OfError::BmcBadField));
  SLUICE_ASSIGN(const field::FieldSpec* destination, decode_header(body, OfError::BmcBadField));
  if (!body.skip_zeros(body.remaining()))
    return fail("move: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BacBadArgument);
  Move move;
  SLUICE_ASSIGN(move.source, make_subfield(*source, source_offset, bits));
  SLUICE_ASSIGN(move.destination, make_subfield(*destination, destination_offset, bits));
  if (destination->access == field::Access::ReadOnly)
    return fail("move: " + std::string(destination->name) + " is read-only (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  out.push_back(move);
  return {};
}
Status decode_nx(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t bits = body.u16(), source = body.u16(), destination = body.u16();
  return decode_body(body, bits, source, destination, out);
}
Status decode_of15(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t bits = body.u16(), source = body.u16(), destination = body.u16();
  body.skip(2);
  return decode_body(body, bits, source, destination, out);
}
Status decode_onf(ByteReader& body, const DecodeContext& context, ActionList& out) {
  body.skip(2);
  return decode_of15(body, context, out);
}

constexpr WireForm kForms[] = {
    {0, kCopyField, OfVersion::k15, OfVersion::k15, 24, false, decode_of15},
    {kOnfVendor, kOnfCopyField, OfVersion::k13, OfVersion::k14, 24, false, decode_onf},
    {kNiciraVendor, kRegMove, OfVersion::k10, OfVersion::k14, 24, false, decode_nx},
};

}  // namespace

std::span<const WireForm> Move::wire_forms() {
  return kForms;
}
Status Move::parse(const Word& word, const ParseContext&, ActionList& out) {
  const std::string text(word.argument);
  const auto arrow = word.argument.find("->");
  if (arrow == std::string_view::npos) return fail(text + ": missing `->' following source");
  Move move;
  SLUICE_ASSIGN(move.source, field::parse_subfield(trim(word.argument.substr(0, arrow))));
  SLUICE_ASSIGN(move.destination, field::parse_subfield(trim(word.argument.substr(arrow + 2))));
  if (move.source.width != move.destination.width)
    return fail(text + ": source field is " + std::to_string(move.source.width) +
                    " bits wide but destination is " + std::to_string(move.destination.width) + " bits wide",
                OfError::BacBadArgument);
  out.push_back(move);
  return {};
}
void Move::format(std::string& out, const Names&) const {
  out += "move:" + field::format_subfield(source) + "->" + field::format_subfield(destination);
}
void Move::encode(Encoder& out) const {
  const bool standard = out.version() >= OfVersion::k15;
  if (standard)
    out.begin(kCopyField);
  else
    out.begin_nicira(kRegMove);
  out.out().u16(source.width);
  out.out().u16(source.offset);
  out.out().u16(destination.offset);
  if (standard) out.out().zeros(2);
  const OfVersion headers = standard ? out.version() : OfVersion::k10;
  encode_header(source.field, headers, out.out());
  encode_header(destination.field, headers, out.out());
  out.end();
}
Status Move::check(CheckContext& context) const {
  SLUICE_TRY(check_readable(context, source, "move"));
  return check_writable(context, destination, "move");
}
void Move::translate(Translation& translation) const {
  if (translation.has(source.field)) translation.write(destination, translation.read(source));
}

}  // namespace sluice::action
