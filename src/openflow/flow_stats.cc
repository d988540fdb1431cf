#include "openflow/flow_stats.h"

#include <algorithm>

#include "action/codec.h"
#include "field/match_text.h"
#include "openflow/flow_mod.h"
#include "openflow/oxs.h"
#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kFlowRequest[] = {
    {"OFPST_FLOW request", Frame::Request, 0, 1, k10, k10, 56, 0, Style::Standard},
    {"OFPST_FLOW request", Frame::Request, 0, 1, k11, k15, 48, 8, Style::Standard},
    {"NXST_FLOW request", Frame::VendorRequest, kNiciraVendor, 0, k10, k10, 32, 8, Style::Nicira}};
constexpr WireForm kFlowReply[] = {
    {"OFPST_FLOW reply", Frame::Reply, 0, 1, k10, k10, 12, 1, Style::Standard},
    {"OFPST_FLOW reply", Frame::Reply, 0, 1, k11, k15, 16, 1, Style::Standard},
    {"NXST_FLOW reply", Frame::VendorReply, kNiciraVendor, 0, k10, k10, 24, 1, Style::Nicira}};
constexpr WireForm kAggregateRequest[] = {
    {"OFPST_AGGREGATE request", Frame::Request, 0, 2, k10, k10, 56, 0, Style::Standard},
    {"OFPST_AGGREGATE request", Frame::Request, 0, 2, k11, k15, 48, 8, Style::Standard},
    {"NXST_AGGREGATE request", Frame::VendorRequest, kNiciraVendor, 1, k10, k10, 32, 8, Style::Nicira}};
constexpr WireForm kAggregateReply[] = {
    {"OFPST_AGGREGATE reply", Frame::Reply, 0, 2, k10, k10, 36, 0, Style::Standard},
    {"OFPST_AGGREGATE reply", Frame::Reply, 0, 2, k11, k14, 40, 0, Style::Standard},
    {"OFPST_AGGREGATE reply", Frame::Reply, 0, 2, k15, k15, 16, 1, Style::Standard},
    {"NXST_AGGREGATE reply", Frame::VendorReply, kNiciraVendor, 1, k10, k10, 48, 0, Style::Nicira}};

constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
constexpr std::int64_t kSecond = 1'000'000'000;

using Entry = FlowStatsReply::Entry;

std::int64_t take_duration(ByteReader& in) {
  const std::int64_t seconds = in.u32();
  return seconds * kSecond + in.u32();
}
void put_duration(std::int64_t ns, ByteWriter& out) {
  out.u32(static_cast<std::uint32_t>(ns / kSecond));
  out.u32(static_cast<std::uint32_t>(ns % kSecond));
}

/// Ages travel as seconds and one more; 0 is unknown.
std::uint16_t age_to_wire(std::int64_t seconds) {
  return seconds < 0 ? 0 : static_cast<std::uint16_t>(std::min<std::int64_t>(seconds + 1, 0xffff));
}

Status decode_10(ByteReader& in, Entry& entry) {
  entry.flow.table = in.u8();
  in.skip(1);
  entry.flow.match = decode_match10(in);
  entry.counters.duration_ns = take_duration(in);
  entry.flow.priority = in.u16();
  entry.flow.idle_timeout = in.u16();
  entry.flow.hard_timeout = in.u16();
  in.skip(6);
  entry.flow.new_cookie = in.u64();
  entry.counters.packets = in.u64();
  entry.counters.bytes = in.u64();
  SLUICE_TRY(finished(in, "OFPST_FLOW reply"));
  SLUICE_ASSIGN(entry.flow.actions, action::decode_actions(in.rest(), k10));
  return {};
}

Status decode_nicira(ByteReader& in, Entry& entry) {
  entry.flow.table = in.u8();
  in.skip(1);
  entry.counters.duration_ns = take_duration(in);
  entry.flow.priority = in.u16();
  entry.flow.idle_timeout = in.u16();
  entry.flow.hard_timeout = in.u16();
  const std::uint16_t match_length = in.u16();
  entry.counters.idle_age_s = std::int64_t{in.u16()} - 1;
  entry.counters.hard_age_s = std::int64_t{in.u16()} - 1;
  entry.flow.new_cookie = in.u64();
  entry.counters.packets = in.u64();
  entry.counters.bytes = in.u64();
  SLUICE_ASSIGN(entry.flow.match, decode_nxm(in, match_length, true));
  SLUICE_ASSIGN(entry.flow.actions, action::decode_actions(in.rest(), k10));
  return {};
}

Status decode_11(ByteReader& in, OfVersion version, Entry& entry) {
  entry.flow.table = in.u8();
  in.skip(1);
  entry.counters.duration_ns = take_duration(in);
  entry.flow.priority = in.u16();
  entry.flow.idle_timeout = in.u16();
  entry.flow.hard_timeout = in.u16();
  const std::uint16_t flags = in.u16();
  const std::uint16_t importance = in.u16();
  in.skip(2);
  entry.flow.new_cookie = in.u64();
  entry.counters.packets = in.u64();
  entry.counters.bytes = in.u64();
  // Flags are there from 1.3 on, importance from 1.4.
  if (version >= k13) {
    SLUICE_ASSIGN(entry.flow.flags, flow_flags_from_wire(flags, version));
  }
  if (version >= k14) entry.flow.importance = importance;
  SLUICE_ASSIGN(entry.flow.match, take_match(in, version));
  SLUICE_ASSIGN(entry.flow.actions, action::decode_instructions(in.rest(), version));
  return {};
}

Status decode_15(ByteReader& in, Entry& entry) {
  in.skip(2);
  entry.flow.table = in.u8();
  in.skip(1);
  entry.flow.priority = in.u16();
  entry.flow.idle_timeout = in.u16();
  entry.flow.hard_timeout = in.u16();
  const std::uint16_t flags = in.u16();
  entry.flow.importance = in.u16();
  entry.flow.new_cookie = in.u64();
  SLUICE_ASSIGN(entry.flow.flags, flow_flags_from_wire(flags, k15));
  SLUICE_ASSIGN(entry.flow.match, take_match(in, k15));
  SLUICE_ASSIGN(const FlowStatistics statistics, decode_oxs(in));
  if (statistics.duration)
    entry.counters.duration_ns = statistics.duration->s * kSecond + statistics.duration->ns;
  if (statistics.idle) entry.counters.idle_age_s = statistics.idle->s;
  entry.counters.packets = statistics.packets.value_or(kUnknown);
  entry.counters.bytes = statistics.bytes.value_or(kUnknown);
  SLUICE_ASSIGN(entry.flow.actions, action::decode_instructions(in.rest(), k15));
  return {};
}

void encode_10(const Entry& entry, ByteWriter& out) {
  out.u8(entry.flow.table);
  out.u8(0);
  encode_match10(entry.flow.match, out);
  put_duration(entry.counters.duration_ns, out);
  out.u16(entry.flow.priority);
  out.u16(entry.flow.idle_timeout);
  out.u16(entry.flow.hard_timeout);
  out.zeros(6);
  out.u64(entry.flow.new_cookie.value_or(0));
  out.u64(entry.counters.packets);
  out.u64(entry.counters.bytes);
  action::encode_actions(entry.flow.actions, k10, out);
}

void encode_nicira(const Entry& entry, ByteWriter& out) {
  out.u8(entry.flow.table);
  out.u8(0);
  put_duration(entry.counters.duration_ns, out);
  out.u16(entry.flow.priority);
  out.u16(entry.flow.idle_timeout);
  out.u16(entry.flow.hard_timeout);
  const std::size_t at = out.size();
  out.u16(0);
  out.u16(age_to_wire(entry.counters.idle_age_s));
  out.u16(age_to_wire(entry.counters.hard_age_s));
  out.u64(entry.flow.new_cookie.value_or(0));
  out.u64(entry.counters.packets);
  out.u64(entry.counters.bytes);
  out.patch_u16(at, encode_nxm(entry.flow.match, {}, out));
  action::encode_actions(entry.flow.actions, k10, out);
}

void encode_11(const Entry& entry, OfVersion version, ByteWriter& out) {
  out.u8(entry.flow.table);
  out.u8(0);
  put_duration(entry.counters.duration_ns, out);
  out.u16(entry.flow.priority);
  out.u16(entry.flow.idle_timeout);
  out.u16(entry.flow.hard_timeout);
  out.u16(version >= k13 ? flow_flags_to_wire(entry.flow.flags, version) : 0);
  out.u16(version >= k14 ? entry.flow.importance : 0);
  out.zeros(2);
  out.u64(entry.flow.new_cookie.value_or(0));
  out.u64(entry.counters.packets);
  out.u64(entry.counters.bytes);
  put_oxm_match(entry.flow.match, version, out);  // the fixed structure of 1.1 has no room for most fields
  action::encode_instructions(entry.flow.actions, version, out);
}

void encode_15(const Entry& entry, ByteWriter& out) {
  out.zeros(2);
  out.u8(entry.flow.table);
  out.u8(0);
  out.u16(entry.flow.priority);
  out.u16(entry.flow.idle_timeout);
  out.u16(entry.flow.hard_timeout);
  out.u16(flow_flags_to_wire(entry.flow.flags, k15));
  out.u16(entry.flow.importance);
  out.u64(entry.flow.new_cookie.value_or(0));
  put_match(entry.flow.match, k15, out);
  const auto time = [](std::int64_t ns) {
    return FlowStatistics::Time{static_cast<std::uint32_t>(ns / kSecond),
                                static_cast<std::uint32_t>(ns % kSecond)};
  };
  FlowStatistics statistics{.duration = time(entry.counters.duration_ns)};
  if (entry.counters.idle_age_s >= 0) statistics.idle = time(entry.counters.idle_age_s * kSecond);
  if (entry.counters.packets != kUnknown) statistics.packets = entry.counters.packets;
  if (entry.counters.bytes != kUnknown) statistics.bytes = entry.counters.bytes;
  encode_oxs(statistics, out);
  action::encode_instructions(entry.flow.actions, k15, out);
}

}  // namespace

std::span<const WireForm> FlowStatsRequest::wire_forms() {
  return kFlowRequest;
}
std::span<const WireForm> FlowStatsReply::wire_forms() {
  return kFlowReply;
}
std::span<const WireForm> AggregateRequest::wire_forms() {
  return kAggregateRequest;
}
std::span<const WireForm> AggregateReply::wire_forms() {
  return kAggregateReply;
}

Status FlowFilter::decode(ByteReader& body, const DecodeContext& context, FlowFilter& out) {
  if (context.form->style == Style::Nicira) {
    out.out_port = action::port_from_16(body.u16());
    const std::uint16_t match_length = body.u16();
    out.table = body.u8();
    body.skip(3);
    CookieMatch cookie;
    SLUICE_ASSIGN(out.match, decode_nxm(body, match_length, true, &cookie));
    if (body.remaining() != 0) return bad_length("flow statistics request");
    out.cookie = cookie.cookie;
    out.cookie_mask = cookie.mask;
  } else if (context.version == k10) {
    out.match = decode_match10(body);
    out.table = body.u8();
    body.skip(1);
    out.out_port = action::port_from_16(body.u16());
  } else {
    out.table = body.u8();
    body.skip(3);
    SLUICE_ASSIGN(out.out_port, take_valid_port(body, context.version));
    out.out_group = body.u32();
    body.skip(4);
    out.cookie = body.u64();
    out.cookie_mask = body.u64();
    SLUICE_ASSIGN(out.match, take_match(body, context.version));
  }
  return finished(body, "flow statistics request");
}

void FlowFilter::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  if (encoder.form().style == Style::Nicira) {
    out.u16(action::port_to_16(out_port));
    const std::size_t at = out.size();
    out.u16(0);
    out.u8(table);
    out.zeros(3);
    out.patch_u16(at, encode_nxm(match, {cookie, cookie_mask}, out));
  } else if (encoder.version() == k10) {
    encode_match10(match, out);
    out.u8(table);
    out.u8(0);
    out.u16(action::port_to_16(out_port));
  } else {
    out.u8(table);
    out.zeros(3);
    out.u32(out_port);
    out.u32(out_group);
    out.zeros(4);
    out.u64(cookie);
    out.u64(cookie_mask);
    put_match(match, encoder.version(), out);
  }
}

void FlowFilter::format(Printer& out) const {
  if (table != action::kNoTable) {
    out.put(" table=");
    out.table(table);
  }
  if (out_port != action::of_port::kNone) {
    out.put(" out_port=");
    out.port(out_port);
  }
  if (const std::string text = field::format_match(match, out.names().ports); !text.empty())
    out.put(" {}", text);
}

Status FlowStatsReply::decode(ByteReader& body, const DecodeContext& context, FlowStatsReply& out) {
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    const std::size_t length = body.u16();
    if (!body.ok() || length < 2 || length > available) return bad_length("flow statistics");
    ByteReader in = take_part(body, length - 2);
    Entry& entry = out.entries.emplace_back();
    if (context.form->style == Style::Nicira)
      SLUICE_TRY(decode_nicira(in, entry));
    else if (context.version == k10)
      SLUICE_TRY(decode_10(in, entry));
    else if (context.version < k15)
      SLUICE_TRY(decode_11(in, context.version, entry));
    else
      SLUICE_TRY(decode_15(in, entry));
    action::settle(entry.flow.actions, entry.flow.match);
  }
  return {};
}

void FlowStatsReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const Entry& entry : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.u16(0);
    if (encoder.form().style == Style::Nicira)
      encode_nicira(entry, out);
    else if (encoder.version() == k10)
      encode_10(entry, out);
    else if (encoder.version() < k15)
      encode_11(entry, encoder.version(), out);
    else
      encode_15(entry, out);
    patch_length(out, start, start);
  }
}

void FlowStatsReply::format(Printer& out) const {
  for (const Entry& entry : entries)
    out.put("\n {}", action::format_flow_stats(entry.flow, entry.counters, out.names()));
  out.put("\n");
}

Status AggregateReply::decode(ByteReader& body, const DecodeContext& context, AggregateReply& out) {
  if (context.version >= k15) {
    SLUICE_ASSIGN(const FlowStatistics statistics, decode_oxs(body));
    out.packets = statistics.packets.value_or(kUnknown);
    out.bytes = statistics.bytes.value_or(kUnknown);
    out.flows = statistics.flows.value_or(0xffffffff);
    return {};
  }
  out.packets = body.u64();
  out.bytes = body.u64();
  out.flows = body.u32();
  return finished(body, "aggregate statistics");
}
void AggregateReply::encode(Encoder& out) const {
  if (out.version() >= k15) {
    FlowStatistics statistics{.flows = flows};
    if (packets != kUnknown) statistics.packets = packets;
    if (bytes != kUnknown) statistics.bytes = bytes;
    return encode_oxs(statistics, out.out());
  }
  out.out().u64(packets);
  out.out().u64(bytes);
  out.out().u32(flows);
  out.out().zeros(4);
}
void AggregateReply::format(Printer& out) const {
  out.put(" packet_count={} byte_count={} flow_count={}\n", packets, bytes, flows);
}

}  // namespace sluice::openflow
