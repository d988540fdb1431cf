#include "action/note.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

namespace {

constexpr std::uint16_t kNote = 8;

Status decode_note(ByteReader& body, const DecodeContext&, ActionList& out) {
  const Bytes data = body.rest();
  out.push_back(Note{{data.begin(), data.end()}});
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kNote, OfVersion::k10, OfVersion::k15, 16, false, decode_note}};

}  // namespace

std::span<const WireForm> Note::wire_forms() {
  return kForms;
}
Status Note::parse(const Word& word, const ParseContext&, ActionList& out) {
  Note note;
  SLUICE_ASSIGN(note.data, parse_hex_bytes(word.argument, "note"));
  while (note.data.size() < 6 || (note.data.size() + 2) % 8 != 0) note.data.push_back(0);
  out.push_back(std::move(note));
  return {};
}
void Note::format(std::string& out, const Names&) const {
  out += "note:" + format_hex_bytes(data);
}
void Note::encode(Encoder& out) const {
  out.begin_nicira(kNote);
  out.out().append(data);
  out.end();
}
Status Note::check(CheckContext&) const {
  return {};
}
void Note::translate(Translation&) const {}

}  // namespace sluice::action
