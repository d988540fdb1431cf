#include "openflow/flow_monitor.h"

#include "action/codec.h"
#include "field/match_text.h"
#include "openflow/flow_removed.h"

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kOnfMonitor = 1870;
constexpr WireForm kRequest[] = {
    {"OFPST_FLOW_MONITOR request", Frame::Request, 0, 16, k14, k15, 16, 8},
    {"ONFST_FLOW_MONITOR request", Frame::VendorRequest, kOnfVendor, kOnfMonitor, k13, k13, 24, 8},
    {"NXST_FLOW_MONITOR request", Frame::VendorRequest, kNiciraVendor, 2, k10, k12, 24, 8}};
constexpr WireForm kReply[] = {
    {"OFPST_FLOW_MONITOR reply", Frame::Reply, 0, 16, k14, k15, 16, 8},
    {"ONFST_FLOW_MONITOR reply", Frame::VendorReply, kOnfVendor, kOnfMonitor, k13, k13, 24, 8},
    {"NXST_FLOW_MONITOR reply", Frame::VendorReply, kNiciraVendor, 2, k10, k12, 24, 8}};
constexpr WireForm kCancel[] = {
    {"NXT_FLOW_MONITOR_CANCEL", Frame::Vendor, kNiciraVendor, 21, k10, k12, 20, 0},
    {"ONFT_FLOW_MONITOR_CANCEL", Frame::Vendor, kOnfVendor, 1870, k13, k13, 20, 0}};
constexpr WireForm kPaused[] = {
    {"NXT_FLOW_MONITOR_PAUSED", Frame::Vendor, kNiciraVendor, 22, k10, k12, 16, 0},
    {"ONFT_FLOW_MONITOR_PAUSED", Frame::Vendor, kOnfVendor, 1871, k13, k13, 16, 0}};
constexpr WireForm kResumed[] = {
    {"NXT_FLOW_MONITOR_RESUMED", Frame::Vendor, kNiciraVendor, 23, k10, k12, 16, 0},
    {"ONFT_FLOW_MONITOR_RESUMED", Frame::Vendor, kOnfVendor, 1872, k13, k13, 16, 0}};

struct FlagRow {
  bool MonitorFlags::* flag;
  std::uint16_t nicira, openflow;  ///< bits; 0: not there
  std::string_view name;
};
constexpr FlagRow kFlags[] = {
    {&MonitorFlags::initial, 1 << 0, 1 << 0, "initial"}, {&MonitorFlags::add, 1 << 1, 1 << 1, "add"},
    {&MonitorFlags::removed, 1 << 2, 1 << 2, "delete"},  {&MonitorFlags::modify, 1 << 3, 1 << 3, "modify"},
    {&MonitorFlags::actions, 1 << 4, 1 << 4, "actions"}, {&MonitorFlags::own, 1 << 5, 0, "own"},
    {&MonitorFlags::no_abbrev, 0, 1 << 5, "no_abbrev"},  {&MonitorFlags::only_own, 0, 1 << 6, "only_own"},
};

/// Nicira's bits and events; ONF's extension for 1.3 has them too, with OpenFlow's matches and instructions.
bool is_extension(const WireForm& form) {
  return form.vendor != 0;
}
bool is_onf(const WireForm& form) {
  return form.vendor == kOnfVendor;
}
std::uint16_t flags_to_wire(const MonitorFlags& flags, bool nicira) {
  std::uint16_t bits = 0;
  for (const FlagRow& row : kFlags)
    if (flags.*row.flag) bits |= nicira ? row.nicira : row.openflow;
  return bits;
}
MonitorFlags flags_from_wire(std::uint16_t bits, bool nicira) {
  MonitorFlags flags;
  for (const FlagRow& row : kFlags) flags.*row.flag = (bits & (nicira ? row.nicira : row.openflow)) != 0;
  return flags;
}
constexpr std::uint16_t kNiciraFlags = 0x3f, kOpenFlowFlags = 0x7f;

// Nicira's events begin with Added = 0.
std::uint16_t event_to_wire(UpdateEvent event, bool nicira) {
  if (!nicira) return static_cast<std::uint16_t>(event);
  switch (event) {
    case UpdateEvent::Removed:
      return 1;
    case UpdateEvent::Modified:
      return 2;
    case UpdateEvent::Abbreviated:
      return 3;
    default:
      return 0;
  }
}
Result<UpdateEvent> event_from_wire(std::uint16_t event, bool nicira) {
  constexpr UpdateEvent kNicira[] = {UpdateEvent::Added, UpdateEvent::Removed, UpdateEvent::Modified,
                                     UpdateEvent::Abbreviated};
  if (nicira && event < std::size(kNicira)) return kNicira[event];
  if (!nicira && event <= static_cast<std::uint16_t>(UpdateEvent::Resumed))
    return static_cast<UpdateEvent>(event);
  return fail(fmt::format("flow update with event {} (NXBRC_FM_BAD_EVENT)", event), OfError::BrcFmBadEvent);
}
bool has_flow(UpdateEvent event) {
  return event < UpdateEvent::Abbreviated;
}

Status decode_update(ByteReader& in, const DecodeContext& context, FlowUpdate& update) {
  const bool nicira = is_extension(*context.form);
  const std::uint16_t event = in.u16();
  SLUICE_ASSIGN(update.event, event_from_wire(event, nicira));
  action::FlowSpec& flow = update.flow;
  if (!has_flow(update.event)) {
    update.xid = in.u32();
    if (!in.ok() || in.remaining() != 0) return bad_length("flow update");
    return {};
  }
  if (nicira) {
    update.reason = static_cast<std::uint8_t>(in.u16());
    flow.priority = in.u16();
    flow.idle_timeout = in.u16();
    flow.hard_timeout = in.u16();
    const std::uint16_t match_length = in.u16();
    flow.table = in.u8();
    in.skip(1);
    flow.new_cookie = in.u64();
    if (is_onf(*context.form)) {
      SLUICE_ASSIGN(flow.match, take_match(in, context.version));
      SLUICE_ASSIGN(flow.actions, action::decode_instructions(in.rest(), context.version));
    } else {
      SLUICE_ASSIGN(flow.match, decode_nxm(in, match_length, true));
      SLUICE_ASSIGN(flow.actions, action::decode_actions(in.rest(), context.version));
    }
  } else {
    flow.table = in.u8();
    update.reason = in.u8();
    flow.idle_timeout = in.u16();
    flow.hard_timeout = in.u16();
    flow.priority = in.u16();
    in.skip(4);
    flow.new_cookie = in.u64();
    SLUICE_ASSIGN(flow.match, take_match(in, context.version));
    SLUICE_ASSIGN(flow.actions, action::decode_instructions(in.rest(), context.version));
  }
  action::settle(flow.actions, flow.match);
  return {};
}

void encode_update(const FlowUpdate& update, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  const bool nicira = is_extension(encoder.form());
  const action::FlowSpec& flow = update.flow;
  out.u16(event_to_wire(update.event, nicira));
  if (!has_flow(update.event)) {
    out.u32(update.xid);
  } else if (nicira) {
    out.u16(update.reason);
    out.u16(flow.priority);
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
    const std::size_t at = out.size();
    out.u16(0);
    out.u8(flow.table);
    out.u8(0);
    out.u64(flow.new_cookie.value_or(0));
    if (is_onf(encoder.form())) {
      const std::size_t match = out.size();
      put_match(flow.match, encoder.version(), out);
      patch_length(out, match, at);
      action::encode_instructions(flow.actions, encoder.version(), out);
    } else {
      out.patch_u16(at, encode_nxm(flow.match, {}, out));
      action::encode_actions(flow.actions, encoder.version(), out);
    }
  } else {
    out.u8(flow.table);
    out.u8(update.reason);
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
    out.u16(flow.priority);
    out.zeros(4);
    out.u64(flow.new_cookie.value_or(0));
    put_match(flow.match, encoder.version(), out);
    action::encode_instructions(flow.actions, encoder.version(), out);
  }
}

}  // namespace

std::span<const WireForm> FlowMonitorRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> FlowUpdates::wire_forms() {
  return kReply;
}
std::span<const WireForm> FlowMonitorCancel::wire_forms() {
  return kCancel;
}
std::span<const WireForm> FlowMonitorPaused::wire_forms() {
  return kPaused;
}
std::span<const WireForm> FlowMonitorResumed::wire_forms() {
  return kResumed;
}

Status FlowMonitorRequest::decode(ByteReader& body, const DecodeContext& context, FlowMonitorRequest& out) {
  const bool nicira = is_extension(*context.form);
  while (body.remaining() > 0) {
    MonitorRequest& request = out.entries.emplace_back();
    request.id = body.u32();
    if (nicira) {
      const std::uint16_t flags = body.u16();
      if ((flags & ~kNiciraFlags) != 0 || (flags & 0xf) == 0)
        return fail(fmt::format("flow monitor with flags {:#x} (OFPMOFC_BAD_FLAGS)", flags),
                    OfError::MofcBadFlags);
      request.flags = flags_from_wire(flags, true);
      if (is_onf(*context.form)) {
        body.skip(2);
        request.out_port = body.u32();
        request.table = body.u8();
        body.skip(3);
        SLUICE_ASSIGN(request.match, take_match(body, context.version));
        continue;
      }
      request.out_port = action::port_from_16(body.u16());
      const std::uint16_t match_length = body.u16();
      request.table = body.u8();
      body.skip(5);
      SLUICE_TRY(finished(body, "flow monitor request"));
      SLUICE_ASSIGN(request.match, decode_nxm(body, match_length, true));
      continue;
    }
    request.out_port = body.u32();
    request.out_group = body.u32();
    const std::uint16_t flags = body.u16();
    request.table = body.u8();
    const std::uint8_t command = body.u8();
    SLUICE_TRY(finished(body, "flow monitor request"));
    if (command > static_cast<std::uint8_t>(MonitorCommand::Delete))
      return fail(fmt::format("flow monitor command {} (OFPMOFC_BAD_COMMAND)", command),
                  OfError::MofcBadCommand);
    request.command = static_cast<MonitorCommand>(command);
    if (request.command != MonitorCommand::Delete) {
      if ((flags & ~kOpenFlowFlags) != 0 || (flags & 0xf) == 0)
        return fail(fmt::format("flow monitor with flags {:#x} (OFPMOFC_BAD_FLAGS)", flags),
                    OfError::MofcBadFlags);
      request.flags = flags_from_wire(flags, false);
    }
    SLUICE_ASSIGN(request.match, take_match(body, context.version));
  }
  return {};
}

void FlowMonitorRequest::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  const bool nicira = is_extension(encoder.form());
  for (const MonitorRequest& request : entries) {
    encoder.entry();
    out.u32(request.id);
    if (nicira) {
      out.u16(flags_to_wire(request.flags, true));
      if (is_onf(encoder.form())) {
        const std::size_t length_at = out.size();
        out.u16(0);
        out.u32(request.out_port);
        out.u8(request.table);
        out.zeros(3);
        const std::size_t match = out.size();
        put_match(request.match, encoder.version(), out);
        patch_length(out, match, length_at);
        continue;
      }
      out.u16(action::port_to_16(request.out_port));
      const std::size_t at = out.size();
      out.u16(0);
      out.u8(request.table);
      out.zeros(5);
      out.patch_u16(at, encode_nxm(request.match, {}, out));
      continue;
    }
    out.u32(request.out_port);
    out.u32(request.out_group);
    out.u16(flags_to_wire(request.flags, false));
    out.u8(request.table);
    out.u8(static_cast<std::uint8_t>(request.command));
    put_match(request.match, encoder.version(), out);
  }
}

void FlowMonitorRequest::format(Printer& out) const {
  const bool nicira = is_extension(out.form());
  for (const MonitorRequest& request : entries) {
    out.put("\n id={}", request.id);
    if (!nicira && request.command == MonitorCommand::Delete) {
      out.put(" command=delete");
      continue;
    }
    std::string flags;
    for (const FlagRow& row : kFlags)
      if (request.flags.*row.flag) flags += (flags.empty() ? "" : ",") + std::string(row.name);
    out.put(" flags={}", flags);
    if (request.out_port != action::of_port::kNone) {
      out.put(" out_port=");
      out.port(request.out_port);
    }
    if (request.table != action::kNoTable) {
      out.put(" table=");
      out.table(request.table);
    }
    const std::string match = field::format_match(request.match, out.names().ports);
    if (!match.empty()) out.put(" {}", match);
  }
  out.put("\n");
}

Status FlowUpdates::decode(ByteReader& body, const DecodeContext& context, FlowUpdates& out) {
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    const std::size_t length = body.u16();
    if (!body.ok() || length < 8 || length % 8 != 0 || length > available) return bad_length("flow update");
    ByteReader in = take_part(body, length - 2);
    SLUICE_TRY(decode_update(in, context, out.entries.emplace_back()));
    SLUICE_TRY(finished(in, "flow update"));
  }
  return {};
}

void FlowUpdates::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const FlowUpdate& update : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.u16(0);
    encode_update(update, encoder);
    patch_length(out, start, start);
  }
}

void FlowUpdates::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"INITIAL", "ADDED",  "DELETED", "MODIFIED",
                                         "ABBREV",  "PAUSED", "RESUMED"};
  for (const FlowUpdate& update : entries) {
    out.put("\n event={}", kNames[static_cast<std::size_t>(update.event)]);
    if (update.event == UpdateEvent::Removed)
      out.put(" reason={}", format_reason(static_cast<FlowRemovedReason>(update.reason)));
    if (update.event == UpdateEvent::Abbreviated) out.put(" xid={:#x}", update.xid);
    if (!has_flow(update.event)) continue;
    const action::FlowSpec& flow = update.flow;
    out.put(" table=");
    out.table(flow.table);
    if (flow.idle_timeout != 0) out.put(" idle_timeout={}", flow.idle_timeout);
    if (flow.hard_timeout != 0) out.put(" hard_timeout={}", flow.hard_timeout);
    out.put(" cookie={}", field::format_hex(flow.new_cookie.value_or(0)));
    const std::string match = field::format_match(flow.match, out.names().ports);
    if (!match.empty()) out.put(" {}", match);
    if (!flow.actions.empty()) out.put(" actions={}", action::format_actions(flow.actions, out.names()));
  }
  out.put("\n");
}

Status FlowMonitorCancel::decode(ByteReader& body, const DecodeContext&, FlowMonitorCancel& out) {
  out.id = body.u32();
  return finished(body, "flow monitor cancel");
}
void FlowMonitorCancel::encode(Encoder& out) const {
  out.out().u32(id);
}
void FlowMonitorCancel::format(Printer& out) const {
  out.put(" id={}\n", id);
}

}  // namespace sluice::openflow
