#include "action/set_tunnel.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::FieldId;

namespace {

constexpr std::uint16_t kSet = 2, kSet64 = 9;

Status decode32(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(2);
  out.push_back(SetTunnel{.id = body.u32()});
  return {};
}
Status decode64(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(6);
  out.push_back(SetTunnel{.id = body.u64(), .wide = true});
  return {};
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kSet, OfVersion::k10, OfVersion::k15, 16, true, decode32},
    {kNiciraVendor, kSet64, OfVersion::k10, OfVersion::k15, 24, true, decode64},
};

}  // namespace

std::span<const WireForm> SetTunnel::wire_forms() {
  return kForms;
}
Status SetTunnel::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t id, parse_number(word.argument, ~std::uint64_t{0}, "tunnel id"));
  out.push_back(SetTunnel{.id = id, .wide = word.name.ends_with("64") || id > 0xffffffff});
  return {};
}
void SetTunnel::format(std::string& out, const Names&) const {
  out += (wide ? "set_tunnel64:" : "set_tunnel:") + hex(id);
}
void SetTunnel::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k12) {
    SetField{.field = FieldId::TunId, .value = id, .mask = field::ones(64)}.encode(out);
    return;
  }
  out.begin_nicira(wide ? kSet64 : kSet);
  out.out().zeros(wide ? 6 : 2);
  if (wide)
    out.out().u64(id);
  else
    out.out().u32(static_cast<std::uint32_t>(id));
  out.end();
}
Status SetTunnel::check(CheckContext&) const {
  return {};
}
void SetTunnel::translate(Translation& translation) const {
  translation.write({FieldId::TunId, 0, 64}, id);
}

}  // namespace sluice::action
