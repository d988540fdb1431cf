#include "openflow/flow_removed.h"

#include "action/flow_spec.h"
#include "openflow/oxs.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kForms[] = {
    {"OFPT_FLOW_REMOVED", Frame::Plain, 0, 11, k10, k10, 88, 0, Style::Standard},
    {"OFPT_FLOW_REMOVED", Frame::Plain, 0, 11, k11, k14, 48, 8, Style::Standard},
    {"OFPT_FLOW_REMOVED", Frame::Plain, 0, 11, k15, k15, 24, 8, Style::Standard},
    {"NXT_FLOW_REMOVED", Frame::Vendor, kNiciraVendor, 14, k10, k15, 56, 8, Style::Nicira},
};

}  // namespace

std::span<const WireForm> FlowRemoved::wire_forms() {
  return kForms;
}

Status FlowRemoved::decode(ByteReader& body, const DecodeContext& context, FlowRemoved& out) {
  const auto duration = [&] {
    out.duration_s = body.u32();
    out.duration_ns = body.u32();
  };
  const auto counters = [&] {
    out.packets = body.u64();
    out.bytes = body.u64();
  };
  const auto reason = [&] { out.reason = static_cast<FlowRemovedReason>(body.u8()); };
  if (context.form->style == Style::Nicira) {
    out.cookie = body.u64();
    out.priority = body.u16();
    reason();
    // 0: not said; else the table and one more.
    const std::uint8_t table = body.u8();
    out.table = table != 0 ? static_cast<std::uint8_t>(table - 1) : action::kNoTable;
    duration();
    out.idle_timeout = body.u16();
    const std::uint16_t match_length = body.u16();
    counters();
    SLUICE_ASSIGN(out.match, decode_nxm(body, match_length, true));
  } else if (context.version == k10) {
    out.match = decode_match10(body);
    out.cookie = body.u64();
    out.priority = body.u16();
    reason();
    body.skip(1);
    duration();
    out.idle_timeout = body.u16();
    body.skip(2);
    counters();
  } else if (context.version < k15) {
    out.cookie = body.u64();
    out.priority = body.u16();
    reason();
    out.table = body.u8();
    duration();
    out.idle_timeout = body.u16();
    out.hard_timeout = body.u16();
    counters();
    SLUICE_ASSIGN(out.match, take_match(body, context.version));
  } else {
    out.table = body.u8();
    reason();
    out.priority = body.u16();
    out.idle_timeout = body.u16();
    out.hard_timeout = body.u16();
    out.cookie = body.u64();
    SLUICE_ASSIGN(out.match, take_match(body, context.version));
    SLUICE_ASSIGN(const FlowStatistics statistics, decode_oxs(body));
    out.duration_s = statistics.duration ? statistics.duration->s : 0;
    out.duration_ns = statistics.duration ? statistics.duration->ns : 0;
    out.packets = statistics.packets.value_or(~std::uint64_t{0});
    out.bytes = statistics.bytes.value_or(~std::uint64_t{0});
  }
  return finished(body, "flow-removed");
}

void FlowRemoved::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  FlowRemovedReason why = reason;
  if (version < k14 && why == FlowRemovedReason::Eviction) why = FlowRemovedReason::Delete;
  if (encoder.form().style == Style::Nicira) {
    out.u64(cookie);
    out.u16(priority);
    out.u8(static_cast<std::uint8_t>(why));
    out.u8(static_cast<std::uint8_t>(table + 1));
    out.u32(duration_s);
    out.u32(duration_ns);
    out.u16(idle_timeout);
    const std::size_t at = out.size();
    out.u16(0);
    out.u64(packets);
    out.u64(bytes);
    out.patch_u16(at, encode_nxm(match, {}, out));
  } else if (version == k10) {
    encode_match10(match, out);
    out.u64(cookie);
    out.u16(priority);
    out.u8(static_cast<std::uint8_t>(why));
    out.u8(0);
    out.u32(duration_s);
    out.u32(duration_ns);
    out.u16(idle_timeout);
    out.u16(0);
    out.u64(packets);
    out.u64(bytes);
  } else if (version < k15) {
    out.u64(cookie);
    out.u16(priority);
    out.u8(static_cast<std::uint8_t>(why));
    out.u8(table);
    out.u32(duration_s);
    out.u32(duration_ns);
    out.u16(idle_timeout);
    out.u16(hard_timeout);
    out.u64(packets);
    out.u64(bytes);
    put_match(match, version, out);
  } else {
    out.u8(table);
    out.u8(static_cast<std::uint8_t>(why));
    out.u16(priority);
    out.u16(idle_timeout);
    out.u16(hard_timeout);
    out.u64(cookie);
    put_match(match, version, out);
    FlowStatistics statistics{.duration = FlowStatistics::Time{duration_s, duration_ns}};
    if (packets != ~std::uint64_t{0}) statistics.packets = packets;
    if (bytes != ~std::uint64_t{0}) statistics.bytes = bytes;
    encode_oxs(statistics, out);
  }
}

std::string format_reason(FlowRemovedReason reason) {
  constexpr std::string_view kNames[] = {"idle",         "hard",         "delete",
                                         "group_delete", "meter_delete", "eviction"};
  const auto i = static_cast<std::size_t>(reason);
  return i < std::size(kNames) ? std::string(kNames[i]) : std::to_string(i);
}

void FlowRemoved::format(Printer& out) const {
  out.put(" {} reason={}", format_match(match, priority, out.names()), format_reason(reason));
  if (table != action::kNoTable) {
    out.put(" table_id=");
    out.table(table);
  }
  if (cookie != 0) out.put(" cookie:{:#x}", cookie);
  out.put(" duration{}s", format_time(duration_s, duration_ns));
  out.put(" idle{}", idle_timeout);
  // The hard timeout is only in OpenFlow 1.2 and later.
  if (hard_timeout != 0) out.put(" hard{}", hard_timeout);
  out.put(" pkts{} bytes{}\n", packets, bytes);
}

}  // namespace sluice::openflow
