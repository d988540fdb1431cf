#include "action/resubmit.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kResubmit = 1, kResubmitTable = 14, kResubmitTableCt = 44;

Status decode_plain(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(Resubmit{.in_port = port_from_16(body.u16()), .plain = true});
  return {};
}
Status decode_table(ByteReader& body, ActionList& out, bool ct) {
  Resubmit action{.in_port = port_from_16(body.u16()), .table = body.u8(), .with_ct_tuple = ct};
  if (!body.skip_zeros(3))
    return fail("resubmit: padding is not zero (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  out.push_back(action);
  return {};
}
Status decode_with_table(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_table(body, out, false);
}
Status decode_with_ct(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_table(body, out, true);
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kResubmit, OfVersion::k10, OfVersion::k15, 16, true, decode_plain},
    {kNiciraVendor, kResubmitTable, OfVersion::k10, OfVersion::k15, 16, true, decode_with_table},
    {kNiciraVendor, kResubmitTableCt, OfVersion::k10, OfVersion::k15, 16, true, decode_with_ct},
};

/// The next comma-separated argument, which may be empty.
std::optional<std::string_view> next_argument(std::string_view& text, bool& more) {
  if (!more) return std::nullopt;
  const auto comma = text.find(',');
  const std::string_view argument = trim(text.substr(0, comma));
  more = comma != std::string_view::npos;
  text = more ? text.substr(comma + 1) : std::string_view{};
  return argument;
}

}  // namespace

std::span<const WireForm> Resubmit::wire_forms() {
  return kForms;
}
Status Resubmit::parse(const Word& word, const ParseContext& context, ActionList& out) {
  Resubmit action;
  std::string_view rest = word.argument;
  bool more = true;
  bool given = false;
  if (const auto port = next_argument(rest, more); port && !port->empty()) {
    const auto number = parse_port(*port, context.names);
    if (!number) return fail(std::string(*port) + ": resubmit to unknown port");
    action.in_port = *number;
    given = true;
  }
  if (const auto table = next_argument(rest, more); table && !table->empty()) {
    const auto number = parse_table(*table, context.names);
    if (!number)
      return fail(std::string(*table) + ": resubmit to unknown table: expected 0 to 254 or a table's name");
    action.table = *number;
    given = given || *number != kNoTable;
  }
  if (const auto ct = next_argument(rest, more); ct && !ct->empty()) {
    if (*ct != "ct") return fail(std::string(*ct) + ": unknown parameter: expected ct");
    action.with_ct_tuple = true;
  }
  if (more || (action.in_port == of_port::kInPort && action.table == kNoTable)) given = false;
  if (!given) return fail("at least one \"in_port\" or \"table\" must be specified on resubmit");
  out.push_back(action);
  return {};
}
void Resubmit::format(std::string& out, const Names& names) const {
  if (in_port != of_port::kInPort && table == kNoTable && !with_ct_tuple) {
    out += "resubmit:" + format_port(in_port, names);
    return;
  }
  out += "resubmit(";
  if (in_port != of_port::kInPort) out += format_port(in_port, names);
  out += ",";
  if (table != kNoTable) out += format_table(table, names);
  if (with_ct_tuple) out += ",ct";
  out += ")";
}
void Resubmit::encode(Encoder& out) const {
  const bool old = plain && table == kNoTable && !with_ct_tuple;
  out.begin_nicira(with_ct_tuple ? kResubmitTableCt : old ? kResubmit : kResubmitTable);
  out.out().u16(port_to_16(in_port));
  if (!old) out.out().u8(table);
  out.end();
}
Status Resubmit::check(CheckContext& context) const {
  if (with_ct_tuple && context.place != Place::Set &&
      !field::prerequisites_met(field::Prereq::CtTracked, context.match))
    return fail(
        "resubmit with ct lacks its prerequisite: expected a match on ct_state=+trk-inv or a state that "
        "implies "
        "it (OFPBAC_MATCH_INCONSISTENT)",
        OfError::BacMatchInconsistent);
  return {};
}
void Resubmit::translate(Translation& translation) const {
  translation.resubmit(in_port, table, with_ct_tuple);
}

}  // namespace sluice::action
