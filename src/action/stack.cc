#include "action/stack.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kPush = 27, kPop = 28;

template <typename T>
Status decode_stack(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t offset = body.u16();
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body, OfError::BmcBadField));
  const std::uint16_t bits = body.u16();
  if (!body.skip_zeros(body.remaining()))
    return fail("push or pop: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  SLUICE_ASSIGN(const field::Subfield sub, make_subfield(*spec, offset, bits));
  if (std::is_same_v<T, StackPop> && spec->access == field::Access::ReadOnly)
    return fail("pop: " + std::string(spec->name) + " is read-only (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  out.push_back(T{sub});
  return {};
}

constexpr WireForm kStackPushForms[] = {
    {kNiciraVendor, kPush, OfVersion::k10, OfVersion::k15, 24, true, decode_stack<StackPush>}};
constexpr WireForm kStackPopForms[] = {
    {kNiciraVendor, kPop, OfVersion::k10, OfVersion::k15, 24, true, decode_stack<StackPop>}};

void encode_stack(Encoder& out, std::uint16_t subtype, const field::Subfield& sub) {
  out.begin_nicira(subtype);
  out.out().u16(sub.offset);
  encode_header(sub.field, OfVersion::k10, out.out());
  out.out().u16(sub.width);
  out.end();
}

}  // namespace

std::span<const WireForm> StackPush::wire_forms() {
  return kStackPushForms;
}
Status StackPush::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const field::Subfield sub, field::parse_subfield(trim(word.argument)));
  out.push_back(StackPush{sub});
  return {};
}
void StackPush::format(std::string& out, const Names&) const {
  out += "push:" + field::format_subfield(source);
}
void StackPush::encode(Encoder& out) const {
  encode_stack(out, kPush, source);
}
Status StackPush::check(CheckContext& context) const {
  return check_readable(context, source, "push");
}
void StackPush::translate(Translation& translation) const {
  translation.push(source);
}

std::span<const WireForm> StackPop::wire_forms() {
  return kStackPopForms;
}
Status StackPop::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const field::Subfield sub, field::parse_subfield(trim(word.argument)));
  out.push_back(StackPop{sub});
  return {};
}
void StackPop::format(std::string& out, const Names&) const {
  out += "pop:" + field::format_subfield(destination);
}
void StackPop::encode(Encoder& out) const {
  encode_stack(out, kPop, destination);
}
Status StackPop::check(CheckContext& context) const {
  return check_writable(context, destination, "pop");
}
void StackPop::translate(Translation& translation) const {
  translation.pop(destination);
}

}  // namespace sluice::action
