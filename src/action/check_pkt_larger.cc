#include "action/check_pkt_larger.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kCheckPktLarger = 49;

Status decode_check(ByteReader& body, const DecodeContext&, ActionList& out) {
  CheckPktLarger action{.size = body.u16()};
  const std::uint16_t offset = body.u16();
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body, OfError::BmcBadField));
  if (!body.skip_zeros(body.remaining()))
    return fail("check_pkt_larger: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  SLUICE_ASSIGN(action.destination, make_subfield(*spec, offset, 1));
  out.push_back(action);
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kCheckPktLarger, OfVersion::k10, OfVersion::k15, 24, false, decode_check}};

}  // namespace

std::span<const WireForm> CheckPktLarger::wire_forms() {
  return kForms;
}
Status CheckPktLarger::parse(const Word& word, const ParseContext&, ActionList& out) {
  if (word.tail.empty())
    return fail(std::string(word.argument) + ": missing `->': expected check_pkt_larger(SIZE)->FIELD[BIT]");
  CheckPktLarger action;
  SLUICE_ASSIGN(const std::uint64_t size, parse_number(word.argument, 0xffff, "check_pkt_larger"));
  action.size = static_cast<std::uint16_t>(size);
  SLUICE_ASSIGN(action.destination, field::parse_subfield(word.tail));
  if (action.destination.width != 1)
    return fail("Only 1-bit destination field is allowed", OfError::BacBadSetLen);
  out.push_back(action);
  return {};
}
void CheckPktLarger::format(std::string& out, const Names&) const {
  out += "check_pkt_larger(" + std::to_string(size) + ")->" + field::format_subfield(destination);
}
void CheckPktLarger::encode(Encoder& out) const {
  out.begin_nicira(kCheckPktLarger);
  out.out().u16(size);
  out.out().u16(destination.offset);
  encode_header(destination.field, OfVersion::k10, out.out());
  out.out().zeros(4);
  out.end();
}
Status CheckPktLarger::check(CheckContext& context) const {
  return check_writable(context, destination, "check_pkt_larger");
}
void CheckPktLarger::translate(Translation& translation) const {
  translation.check_pkt_larger(size, destination);
}

}  // namespace sluice::action
