#include "action/ct.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using conntrack::CtRequest;
using conntrack::Helper;
using field::fail;
using field::FieldId;
using field::FieldValue;
using field::OfError;

namespace {

constexpr std::uint16_t kCt = 35, kCtClear = 43;
constexpr std::uint16_t kCommitFlag = 1, kForceFlag = 2;
constexpr std::uint16_t kFtp = 21, kTftp = 69;

/// What holds whatever the flow matches: forbidden combinations of arguments.
Status check_arguments(const CtAction& ct) {
  if (ct.zone_source && ct.zone_source->width != 16)
    return fail("ct: zone=" + field::format_subfield(*ct.zone_source) + " has " +
                    std::to_string(ct.zone_source->width) + " bits: expected 16 (OFPBAC_BAD_SET_LEN)",
                OfError::BacBadSetLen);
  if (ct.force && !ct.commit)
    return fail("\"force\" flag requires \"commit\" flag. (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  if (!ct.commit) {
    for (const Action& action : ct.nested) {
      const auto* nat = as<NatAction>(action);
      if (nat == nullptr || nat->range.kind != conntrack::NatRange::Kind::None)
        return fail(
            "CT action requires commit flag if actions other than NAT without arguments are specified. "
            "(OFPBAC_BAD_ARGUMENT)",
            OfError::BacBadArgument);
    }
  }
  return {};
}

Status decode_ct(ByteReader& body, const DecodeContext& context, ActionList& out) {
  if (context.place == Place::CtExec)
    return fail("ct action doesn't support nested action ct (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  CtAction ct;
  const std::uint16_t flags = body.u16();
  ct.commit = (flags & kCommitFlag) != 0;
  ct.force = (flags & kForceFlag) != 0;
  ByteReader at_zone = body;  // the header is read again, by those who know headers
  const bool from_field = body.u32() != 0;
  const std::uint16_t zone = body.u16();
  if (from_field) {
    SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(at_zone));
    SLUICE_ASSIGN(ct.zone_source, make_subfield(*spec, zone >> 6, (zone & 63u) + 1));
  } else {
    ct.zone = zone;
  }
  ct.table = body.u8();
  body.skip(3);
  ct.alg = body.u16();
  SLUICE_TRY(decode_list(
      body.rest(),
      DecodeContext{.version = context.version, .place = Place::CtExec, .depth = context.depth + 1},
      ct.nested));
  SLUICE_TRY(check_arguments(ct));
  out.push_back(std::move(ct));
  return {};
}

Status decode_clear(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(CtClear{});
  return {};
}

constexpr WireForm kForms[] = {{kNiciraVendor, kCt, OfVersion::k10, OfVersion::k15, 24, false, decode_ct}};
constexpr WireForm kClearForms[] = {
    {kNiciraVendor, kCtClear, OfVersion::k10, OfVersion::k15, 16, true, decode_clear}};

Status parse_zone(std::string_view text, CtAction& ct) {
  if (const auto zone = field::parse_integer(text)) {
    if (*zone > 0xffff)
      return fail("invalid zone \"" + std::string(text) + "\": expected 0 to 65535 or a 16-bit field");
    ct.zone = static_cast<std::uint16_t>(*zone);
    return {};
  }
  SLUICE_ASSIGN(ct.zone_source, field::parse_subfield(text));
  return {};
}

/// Replaces bits of `target` and remembers which.
void write_bits(FieldValue& target, FieldValue& mask, FieldValue value, FieldValue bits) {
  target = (target & ~bits) | (value & bits);
  mask |= bits;
}

}  // namespace

std::span<const WireForm> CtAction::wire_forms() {
  return kForms;
}

Status CtAction::parse(const Word& word, const ParseContext& context, ActionList& out) {
  if (context.place == Place::CtExec)
    return fail("ct action doesn't support nested action ct", OfError::BacBadArgument);
  CtAction ct;
  const ParseContext nested{.names = context.names, .place = Place::CtExec, .depth = context.depth + 1};
  std::string_view rest = word.argument;
  while (const auto argument = next_word(rest)) {
    if (argument->name == "commit") {
      ct.commit = true;
    } else if (argument->name == "force") {
      ct.force = true;
    } else if (argument->name == "table") {
      const auto table = parse_table(argument->argument, context.names);
      if (!table)
        return fail("unknown table " + std::string(argument->argument) +
                    ": expected 0 to 254 or a table's name");
      if (*table == kNoTable) return fail("invalid table 0xff");
      ct.table = *table;
    } else if (argument->name == "zone") {
      SLUICE_TRY(parse_zone(argument->argument, ct));
    } else if (argument->name == "alg") {
      if (argument->argument == "ftp")
        ct.alg = kFtp;
      else if (argument->argument == "tftp")
        ct.alg = kTftp;
      else
        return fail("invalid conntrack helper \"" + std::string(argument->argument) +
                    "\": expected ftp or tftp");
    } else if (argument->name == "nat") {
      SLUICE_TRY(NatAction::parse(*argument, nested, ct.nested));
    } else if (argument->name == "exec") {
      SLUICE_TRY(parse_list(argument->argument, nested, ct.nested));
    } else {
      return fail("invalid argument to \"ct\" action: `" + std::string(argument->name) +
                  "': expected commit, force, table, zone, alg, nat or exec");
    }
  }
  SLUICE_TRY(check_arguments(ct));
  out.push_back(std::move(ct));
  return {};
}

void CtAction::format(std::string& out, const Names& names) const {
  std::string text;
  const auto add = [&](const std::string& argument) { text += (text.empty() ? "" : ",") + argument; };
  if (commit) add("commit");
  if (force) add("force");
  if (table != kNoTable) add("table=" + format_table(table, names));
  if (zone_source)
    add("zone=" + field::format_subfield(*zone_source));
  else if (zone != 0)
    add("zone=" + std::to_string(zone));

  ActionList exec;
  for (std::size_t i = 0; i < nested.size(); ++i) {
    if (const auto* nat = as<NatAction>(nested[i]); nat != nullptr && i == 0) {
      std::string nat_text;
      nat->format(nat_text, names);
      add(nat_text);
    } else {
      exec.push_back(nested[i]);
    }
  }
  if (!exec.empty()) {
    std::string exec_text;
    format_list(exec, exec_text, names);
    add("exec(" + exec_text + ")");
  }
  if (alg == kFtp)
    add("alg=ftp");
  else if (alg == kTftp)
    add("alg=tftp");
  else if (alg != 0)
    add("alg=" + std::to_string(alg));
  out += "ct(" + text + ")";
}

void CtAction::encode(Encoder& out) const {
  out.begin_nicira(kCt);
  ByteWriter& w = out.out();
  w.u16(static_cast<std::uint16_t>((commit ? kCommitFlag : 0) | (force ? kForceFlag : 0)));
  if (zone_source) {
    encode_header(zone_source->field, OfVersion::k10, w);
    w.u16(offset_width(*zone_source));
  } else {
    w.u32(0);
    w.u16(zone);
  }
  w.u8(table);
  w.zeros(3);
  w.u16(alg);
  encode_list(nested, out);
  out.end();
}

Status CtAction::check(CheckContext& context) const {
  SLUICE_TRY(check_arguments(*this));
  const auto inconsistent = [](const std::string& needs) {
    return fail("ct needs a match on " + needs + " (OFPBAC_MATCH_INCONSISTENT)",
                OfError::BacMatchInconsistent);
  };
  // What packets a bucket or an action set meets is only known when it runs.
  const bool in_set = context.place == Place::Set;
  const auto type = known_eth_type(context.match);
  if (!in_set && type != net::ethertype::kIpv4 && type != net::ethertype::kIpv6)
    return inconsistent("ip or ipv6");
  const auto state = field::get(context.match, FieldId::CtState);
  if (commit && (state.value & conntrack::ct_state::kInvalid) != 0)
    return fail(
        "ct(commit) of packets that the match demands to be invalid (+inv) (OFPBAC_MATCH_INCONSISTENT)",
        OfError::BacMatchInconsistent);
  const auto protocol = known_ip_proto(context.match);
  if (!in_set && alg == kFtp && protocol != net::ip_proto::kTcp)
    return inconsistent("tcp or tcp6 for alg=ftp");
  if (!in_set && alg == kTftp && protocol != net::ip_proto::kUdp)
    return inconsistent("udp or udp6 for alg=tftp");
  if (zone_source) SLUICE_TRY(check_readable(context, *zone_source, "ct zone"));
  CheckContext inner = context;
  inner.place = Place::CtExec;
  if (in_set) {  // then of the family that its nat names
    for (const Action& action : nested)
      if (const auto* nat = as<NatAction>(action); nat != nullptr && nat->range.has_address)
        set_known(inner.match, FieldId::EthType,
                  nat->range.is_ipv6 ? net::ethertype::kIpv6 : net::ethertype::kIpv4);
  }
  return check_list(nested, inner);
}

void CtAction::translate(Translation& translation) const {
  translation.ct(*this);
}

CtRequest CtAction::resolve(Translation& translation) const {
  CtRequest request{.commit = commit, .force = force, .helper = static_cast<Helper>(alg), .zone = zone};
  if (zone_source) request.zone = static_cast<std::uint16_t>(translation.read(*zone_source));
  if (alg != kFtp && alg != kTftp) request.helper = Helper::None;

  FieldValue mark = 0, mark_mask = 0, label = 0, label_mask = 0;
  const auto write = [&](FieldId id, FieldValue value, FieldValue mask) {
    if (id == FieldId::CtMark) write_bits(mark, mark_mask, value, mask);
    if (id == FieldId::CtLabel) write_bits(label, label_mask, value, mask);
  };
  // A move within exec sees what earlier writes of the same exec left.
  const auto read = [&](const field::Subfield& sub) {
    FieldValue value = translation.read(sub);
    const FieldValue bits = field::ones(sub.width);
    if (sub.field == FieldId::CtMark)
      value = (value & ~(mark_mask >> sub.offset)) | ((mark & mark_mask) >> sub.offset);
    if (sub.field == FieldId::CtLabel)
      value = (value & ~(label_mask >> sub.offset)) | ((label & label_mask) >> sub.offset);
    return value & bits;
  };
  for (const Action& action : nested) {
    if (const auto* nat = as<NatAction>(action)) {
      request.nat = true;
      request.nat_range = nat->range;
    } else if (const auto* set = as<SetField>(action)) {
      write(set->field, set->value, set->mask);
    } else if (const auto* load = as<Load>(action)) {
      write(load->destination.field, load->value << load->destination.offset,
            field::ones(load->destination.width) << load->destination.offset);
    } else if (const auto* move = as<Move>(action)) {
      if (!translation.has(move->source.field)) continue;
      write(move->destination.field, read(move->source) << move->destination.offset,
            field::ones(move->destination.width) << move->destination.offset);
    }
  }
  request.mark = static_cast<std::uint32_t>(mark);
  request.mark_mask = static_cast<std::uint32_t>(mark_mask);
  const auto to_be128 = [](FieldValue v) {
    return be128{be64{static_cast<std::uint64_t>(v >> 64)}, be64{static_cast<std::uint64_t>(v)}};
  };
  request.label = to_be128(label);
  request.label_mask = to_be128(label_mask);
  return request;
}

std::span<const WireForm> CtClear::wire_forms() {
  return kClearForms;
}
Status CtClear::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(CtClear{});
  return {};
}
void CtClear::format(std::string& out, const Names&) const {
  out += "ct_clear";
}
void CtClear::encode(Encoder& out) const {
  out.nicira_simple(kCtClear, 0, 1);
}
Status CtClear::check(CheckContext&) const {
  return {};
}
void CtClear::translate(Translation& translation) const {
  translation.ct_clear();
}

}  // namespace sluice::action
