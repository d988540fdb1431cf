#include "openflow/flow_mod.h"

#include "action/codec.h"
#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

using action::FlowCommand;
using action::kKeepCookie;

constexpr WireForm kForms[] = {
    {"OFPT_FLOW_MOD", Frame::Plain, 0, 14, k10, k10, 72, 8, Style::Standard},
    {"OFPT_FLOW_MOD", Frame::Plain, 0, 14, k11, k15, 48, 8, Style::Standard},
    {"NXT_FLOW_MOD", Frame::Vendor, kNiciraVendor, 13, k10, k15, 48, 8, Style::Nicira},
};

struct FlagBit {
  bool action::FlowFlags::* flag;
  std::uint16_t bit;
  OfVersion since;
};
constexpr FlagBit kFlags[] = {
    {&action::FlowFlags::send_flow_rem, 1 << 0, k10},  {&action::FlowFlags::check_overlap, 1 << 1, k10},
    {&action::FlowFlags::reset_counts, 1 << 2, k12},   {&action::FlowFlags::no_packet_counts, 1 << 3, k13},
    {&action::FlowFlags::no_byte_counts, 1 << 4, k13},
};
constexpr std::uint16_t kEmergency10 = 1 << 2;

Status set_command(std::uint16_t command, FlowMod& out) {
  if (command > static_cast<std::uint16_t>(FlowCommand::DeleteStrict))
    return fail(fmt::format("flow_mod command {} (OFPFMFC_BAD_COMMAND)", command), OfError::FmfcBadCommand);
  out.flow.command = static_cast<FlowCommand>(command);
  return {};
}

/// 1.0 hides the table in the high byte of the command, if the two sides agreed on that.
Status split_command(std::uint16_t command, bool has_table, FlowMod& out) {
  if (!has_table) return set_command(command, out);
  out.flow.table = static_cast<std::uint8_t>(command >> 8);
  return set_command(command & 0xff, out);
}

std::uint16_t joined_command(const action::FlowSpec& flow, bool has_table) {
  const auto command = static_cast<std::uint16_t>(flow.command);
  return has_table ? static_cast<std::uint16_t>(flow.table << 8 | command) : command;
}

Status take_flags(std::uint16_t bits, OfVersion version, FlowMod& out) {
  const bool emergency = version == k10 && (bits & kEmergency10) != 0;
  const auto others = static_cast<std::uint16_t>(emergency ? bits & ~kEmergency10 : bits);
  SLUICE_ASSIGN(out.flow.flags, flow_flags_from_wire(others, version));
  if (emergency) {
    if (out.flow.idle_timeout != 0 || out.flow.hard_timeout != 0)
      return fail("emergency flow with a timeout (OFPFMFC_BAD_EMERG_TIMEOUT)", OfError::FmfcBadEmergTimeout);
    return fail("there is no room for emergency flows (OFPFMFC_TABLE_FULL)", OfError::FmfcTableFull);
  }
  return {};
}

Status decode_nicira(ByteReader& body, const DecodeContext& context, FlowMod& out) {
  action::FlowSpec& flow = out.flow;
  const std::uint64_t cookie = body.u64();
  const std::uint16_t command = body.u16();
  flow.idle_timeout = body.u16();
  flow.hard_timeout = body.u16();
  flow.priority = body.u16();
  flow.buffer_id = body.u32();
  flow.out_port = action::port_from_16(body.u16());
  const std::uint16_t flags = body.u16(), match_length = body.u16();
  body.skip(6);
  CookieMatch cookies;
  SLUICE_ASSIGN(flow.match, decode_nxm(body, match_length, true, &cookies));
  if (context.version == k10) {
    SLUICE_ASSIGN(flow.actions, action::decode_actions(body.rest(), k10));
  } else {
    SLUICE_ASSIGN(flow.actions, action::decode_instructions(body.rest(), context.version));
  }
  SLUICE_TRY(take_flags(flags, k10, out));
  SLUICE_TRY(split_command(command, context.table_id, out));
  if (flow.command == FlowCommand::Add && cookies.mask != 0)
    return fail("a cookie to be matched by a flow that is added (NXBRC_NXM_INVALID)", OfError::BrcNxmInvalid);
  flow.cookie = cookies.cookie & cookies.mask;
  flow.cookie_mask = cookies.mask;
  flow.new_cookie = cookie;
  return {};
}

Status decode_10(ByteReader& body, const DecodeContext& context, FlowMod& out) {
  action::FlowSpec& flow = out.flow;
  flow.match = decode_match10(body);
  flow.new_cookie = body.u64();
  const std::uint16_t command = body.u16();
  flow.idle_timeout = body.u16();
  flow.hard_timeout = body.u16();
  flow.priority = body.u16();
  flow.buffer_id = body.u32();
  flow.out_port = action::port_from_16(body.u16());
  const std::uint16_t flags = body.u16();
  SLUICE_ASSIGN(flow.actions, action::decode_actions(body.rest(), k10));
  SLUICE_TRY(take_flags(flags, k10, out));
  return split_command(command, context.table_id, out);
}

Status decode_11(ByteReader& body, const DecodeContext& context, FlowMod& out) {
  action::FlowSpec& flow = out.flow;
  const std::uint64_t cookie = body.u64(), cookie_mask = body.u64();
  flow.table = body.u8();
  const std::uint8_t command = body.u8();
  flow.idle_timeout = body.u16();
  flow.hard_timeout = body.u16();
  flow.priority = body.u16();
  flow.buffer_id = body.u32();
  flow.out_port = body.u32();
  flow.out_group = body.u32();
  const std::uint16_t flags = body.u16();
  flow.importance = body.u16();
  // Of several faults the one that Open vSwitch finds first is told.
  SLUICE_TRY(take_match(body, context.version, true, flow.match));
  SLUICE_TRY(check_port(flow.out_port));
  SLUICE_ASSIGN(flow.actions, action::decode_instructions(body.rest(), context.version));
  SLUICE_TRY(take_flags(flags, context.version, out));
  SLUICE_TRY(set_command(command, out));
  const bool any_table = flow.command >= FlowCommand::Delete && context.version != k11;
  if (flow.table == action::kNoTable && !any_table)
    return fail("a flow of all tables: only a delete can be about them (OFPFMFC_BAD_TABLE_ID)",
                OfError::FmfcBadTableId);
  if (context.version < k14 || flow.command != FlowCommand::Add) flow.importance = 0;
  // An add gives the cookie, the others compare it: what later versions have no word for is a new one. Only
  // 1.1 adds what a modify, if it compares no cookie, does not find.
  const bool modifies = flow.command == FlowCommand::Modify || flow.command == FlowCommand::ModifyStrict;
  if (flow.command == FlowCommand::Add || (context.version == k11 && modifies && cookie_mask == 0)) {
    flow.new_cookie = modifies && cookie == 0 ? kKeepCookie : cookie;
  } else {
    flow.cookie = cookie & cookie_mask;
    flow.cookie_mask = cookie_mask;
  }
  return {};
}

}  // namespace

std::uint16_t flow_flags_to_wire(const action::FlowFlags& flags, OfVersion version) {
  std::uint16_t bits = 0;
  for (const FlagBit& flag : kFlags)
    if (flags.*flag.flag && version >= flag.since) bits |= flag.bit;
  return bits;
}

Result<action::FlowFlags> flow_flags_from_wire(std::uint16_t bits, OfVersion version) {
  action::FlowFlags flags;
  for (const FlagBit& flag : kFlags) {
    if (version < flag.since || (bits & flag.bit) == 0) continue;
    flags.*flag.flag = true;
    bits = static_cast<std::uint16_t>(bits & ~flag.bit);
  }
  if (bits != 0)
    return fail(fmt::format("unknown flags {:#x} of a flow (OFPFMFC_BAD_FLAGS)", bits),
                OfError::FmfcBadFlags);
  return flags;
}

std::span<const WireForm> FlowMod::wire_forms() {
  return kForms;
}

Status FlowMod::decode(ByteReader& body, const DecodeContext& context, FlowMod& out) {
  action::FlowSpec& flow = out.flow;
  if (context.form->style == Style::Nicira)
    SLUICE_TRY(decode_nicira(body, context, out));
  else if (context.version == k10)
    SLUICE_TRY(decode_10(body, context, out));
  else
    SLUICE_TRY(decode_11(body, context, out));
  SLUICE_TRY(finished(body, "flow_mod"));
  if (context.version == k10 && !context.table_id) flow.table = action::kNoTable;
  action::settle(flow.actions, flow.match);
  return action::check(
      flow.actions, flow.match,
      {.table = flow.table == action::kNoTable ? std::uint8_t{0} : flow.table, .version = context.version});
}

void FlowMod::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  // What may add a flow gives it some cookie.
  const bool may_add = flow.command <= FlowCommand::ModifyStrict && flow.cookie_mask == 0;
  const std::uint64_t unset_cookie = may_add || flow.command >= FlowCommand::Delete ? 0 : kKeepCookie;
  const auto timing = [&] {
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
    out.u16(flow.priority);
    out.u32(flow.buffer_id);
  };
  if (encoder.form().style == Style::Nicira) {
    out.u64(flow.new_cookie.value_or(unset_cookie));
    out.u16(joined_command(flow, encoder.table_id()));
    timing();
    out.u16(action::port_to_16(flow.out_port));
    out.u16(flow_flags_to_wire(flow.flags, k10));
    const std::size_t at = out.size();
    out.zeros(8);
    out.patch_u16(at, encode_nxm(flow.match, {flow.cookie, flow.cookie_mask}, out));
    if (version == k10)
      action::encode_actions(flow.actions, version, out);
    else
      action::encode_instructions(flow.actions, version, out);
  } else if (version == k10) {
    encode_match10(flow.match, out);
    out.u64(flow.new_cookie.value_or(unset_cookie));
    out.u16(joined_command(flow, encoder.table_id()));
    timing();
    out.u16(action::port_to_16(flow.out_port));
    out.u16(flow_flags_to_wire(flow.flags, k10));
    action::encode_actions(flow.actions, version, out);
  } else {
    const bool deletes = flow.command >= FlowCommand::Delete;
    const bool add = flow.command == FlowCommand::Add ||
                     (version == k11 && !deletes && flow.cookie_mask == 0 && flow.new_cookie);
    const bool kept = flow.command != FlowCommand::Add && flow.new_cookie == kKeepCookie;
    out.u64(!add ? flow.cookie & flow.cookie_mask : kept ? 0 : flow.new_cookie.value_or(0));
    out.u64(add ? 0 : flow.cookie_mask);
    // In 1.1 no command is about all tables.
    const bool any_table = deletes && version > k11;
    out.u8(flow.table == action::kNoTable && !any_table ? 0 : flow.table);
    out.u8(static_cast<std::uint8_t>(flow.command));
    timing();
    out.u32(flow.out_port);
    out.u32(flow.out_group);
    out.u16(flow_flags_to_wire(flow.flags, version));
    out.u16(version >= k14 && add ? flow.importance : 0);
    put_match(flow.match, version, out);
    action::encode_instructions(flow.actions, version, out);
  }
}

void FlowMod::format(Printer& out) const {
  out.put(" {}\n", action::format_flow_mod(flow, out.names()));
}

}  // namespace sluice::openflow
