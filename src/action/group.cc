#include "action/group.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kGroup = 22, kNxGroup = 40;
constexpr std::uint32_t kMaxGroup = 0xffffff00;

Status decode_group(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(Group{body.u32()});
  return {};
}
Status decode_nx(ByteReader& body, const DecodeContext& context, ActionList& out) {
  body.skip(2);
  return decode_group(body, context, out);
}
constexpr WireForm kForms[] = {
    {0, kGroup, OfVersion::k11, OfVersion::k15, 8, true, decode_group},
    {kNiciraVendor, kNxGroup, OfVersion::k10, OfVersion::k10, 16, true, decode_nx},
};

}  // namespace

std::span<const WireForm> Group::wire_forms() {
  return kForms;
}
Status Group::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t id, parse_number(word.argument, 0xffffffff, "group"));
  out.push_back(Group{static_cast<std::uint32_t>(id)});
  return {};
}
void Group::format(std::string& out, const Names&) const {
  out += "group:" + std::to_string(id);
}
void Group::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k11) {
    out.simple(kGroup, id, 4);
    return;
  }
  out.begin_nicira(kNxGroup);
  out.out().zeros(2);
  out.out().u32(id);
  out.end();
}
Status Group::check(CheckContext&) const {
  if (id <= kMaxGroup) return {};
  return fail("group:" + std::to_string(id) + ": expected at most 4294967040 (OFPBAC_BAD_OUT_GROUP)",
              OfError::BacBadOutGroup);
}
void Group::translate(Translation& translation) const {
  translation.group(id);
}

}  // namespace sluice::action
