#include "action/clone.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

namespace {

constexpr std::uint16_t kClone = 42;

Status decode_clone(ByteReader& body, const DecodeContext& context, ActionList& out) {
  body.skip(6);
  Clone clone;
  SLUICE_TRY(decode_list(
      body.rest(),
      DecodeContext{.version = context.version, .place = Place::Clone, .depth = context.depth + 1},
      clone.actions));
  out.push_back(std::move(clone));
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kClone, OfVersion::k10, OfVersion::k15, 16, false, decode_clone}};

}  // namespace

std::span<const WireForm> Clone::wire_forms() {
  return kForms;
}
Status Clone::parse(const Word& word, const ParseContext& context, ActionList& out) {
  Clone clone;
  SLUICE_TRY(parse_list(
      word.argument, ParseContext{.names = context.names, .place = Place::Clone, .depth = context.depth + 1},
      clone.actions));
  out.push_back(std::move(clone));
  return {};
}
void Clone::format(std::string& out, const Names& names) const {
  out += "clone(";
  format_list(actions, out, names);
  out += ")";
}
void Clone::encode(Encoder& out) const {
  out.begin_nicira(kClone);
  out.out().zeros(6);
  encode_list(actions, out);
  out.end();
}
Status Clone::check(CheckContext& context) const {
  // What the copy does to its headers is forgotten behind the clone.
  CheckContext nested = context;
  if (nested.place == Place::List) nested.place = Place::Clone;
  SLUICE_TRY(check_list(actions, nested));
  context.usable = nested.usable;
  return {};
}
void Clone::translate(Translation& translation) const {
  translation.clone(actions);
}

}  // namespace sluice::action
