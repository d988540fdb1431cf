#include "action/conjunction.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kConjunction = 34;
constexpr unsigned kMaxClauses = 64;

Status decode_conjunction(ByteReader& body, const DecodeContext&, ActionList& out) {
  Conjunction action;
  action.clause = body.u8();
  action.clauses = body.u8();
  action.id = body.u32();
  if (action.clauses < 2 || action.clauses > kMaxClauses || action.clause >= action.clauses)
    return fail("conjunction " + std::to_string(action.clause + 1) + "/" + std::to_string(action.clauses) +
                    ": expected 2 to 64 clauses (NXBAC_BAD_CONJUNCTION)",
                OfError::BacBadConjunction);
  out.push_back(action);
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kConjunction, OfVersion::k10, OfVersion::k15, 16, true, decode_conjunction}};

}  // namespace

std::span<const WireForm> Conjunction::wire_forms() {
  return kForms;
}
Status Conjunction::parse(const Word& word, const ParseContext&, ActionList& out) {
  const auto comma = word.argument.find(',');
  const auto slash = word.argument.find('/');
  const auto syntax = [] { return fail("\"conjunction\" syntax is \"conjunction(id,i/n)\""); };
  if (comma == std::string_view::npos || slash == std::string_view::npos || slash < comma) return syntax();
  const auto id = parse_number(trim(word.argument.substr(0, comma)), 0xffffffff, "conjunction id");
  const auto clause = parse_number(trim(word.argument.substr(comma + 1, slash - comma - 1)), 0xff, "clause");
  const auto clauses = parse_number(trim(word.argument.substr(slash + 1)), 0xff, "clauses");
  if (!id || !clause || !clauses) return syntax();
  if (*clauses < 2) return fail("conjunction must have at least 2 clauses");
  if (*clauses > kMaxClauses) return fail("conjunction must have at most 64 clauses");
  if (*clause < 1) return fail("clause index must be positive");
  if (*clause > *clauses) return fail("clause index must be less than or equal to number of clauses");
  out.push_back(Conjunction{static_cast<std::uint32_t>(*id), static_cast<std::uint8_t>(*clause - 1),
                            static_cast<std::uint8_t>(*clauses)});
  return {};
}
void Conjunction::format(std::string& out, const Names&) const {
  out += "conjunction(" + std::to_string(id) + "," + std::to_string(clause + 1) + "/" +
         std::to_string(clauses) + ")";
}
void Conjunction::encode(Encoder& out) const {
  out.begin_nicira(kConjunction);
  out.out().u8(clause);
  out.out().u8(clauses);
  out.out().u32(id);
  out.end();
}
Status Conjunction::check(CheckContext&) const {
  return {};
}
void Conjunction::translate(Translation&) const {}  // the classifier looks at it

}  // namespace sluice::action
