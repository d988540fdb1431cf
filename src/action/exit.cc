#include "action/exit.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

namespace {

constexpr std::uint16_t kExit = 17;

Status decode_nothing(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(Exit{});
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kExit, OfVersion::k10, OfVersion::k15, 16, true, decode_nothing}};

}  // namespace

std::span<const WireForm> Exit::wire_forms() {
  return kForms;
}
Status Exit::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(Exit{});
  return {};
}
void Exit::format(std::string& out, const Names&) const {
  out += "exit";
}
void Exit::encode(Encoder& out) const {
  out.nicira_simple(kExit, 0, 1);
}
Status Exit::check(CheckContext&) const {
  return {};
}
void Exit::translate(Translation& translation) const {
  translation.exit();
}

}  // namespace sluice::action
