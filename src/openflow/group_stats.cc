#include "openflow/group_stats.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kStatsRequest[] = {
    {"OFPST_GROUP request", Frame::Request, 0, 6, k11, k15, 24, 0},
    {"NXST_GROUP request", Frame::VendorRequest, kNiciraVendor, 7, k10, k10, 32, 0}};
constexpr WireForm kStatsReply[] = {
    {"OFPST_GROUP reply", Frame::Reply, 0, 6, k11, k15, 16, 8},
    {"NXST_GROUP reply", Frame::VendorReply, kNiciraVendor, 7, k10, k10, 24, 8}};
constexpr WireForm kDescRequest[] = {
    {"OFPST_GROUP_DESC request", Frame::Request, 0, 7, k11, k14, 16, 0},
    {"OFPST_GROUP_DESC request", Frame::Request, 0, 7, k15, k15, 24, 0},
    {"NXST_GROUP_DESC request", Frame::VendorRequest, kNiciraVendor, 8, k10, k10, 32, 0}};
constexpr WireForm kDescReply[] = {
    {"OFPST_GROUP_DESC reply", Frame::Reply, 0, 7, k11, k15, 16, 8},
    {"NXST_GROUP_DESC reply", Frame::VendorReply, kNiciraVendor, 8, k10, k10, 24, 8}};
constexpr WireForm kFeaturesRequest[] = {
    {"OFPST_GROUP_FEATURES request", Frame::Request, 0, 8, k12, k15, 16, 0},
    {"NXST_GROUP_FEATURES request", Frame::VendorRequest, kNiciraVendor, 9, k10, k11, 24, 0}};
constexpr WireForm kFeaturesReply[] = {
    {"OFPST_GROUP_FEATURES reply", Frame::Reply, 0, 8, k12, k15, 56, 0},
    {"NXST_GROUP_FEATURES reply", Frame::VendorReply, kNiciraVendor, 9, k10, k11, 64, 0}};

/// 1.3 counts how long a group has been there.
bool has_duration(OfVersion version, const WireForm& form) {
  return version >= k13 || form.vendor != 0;
}

void format_group_request(std::uint32_t group, Printer& out) {
  if (group == action::group_id::kAll)
    out.put(" group_id=ALL\n");
  else if (group == action::group_id::kAny)
    out.put(" group_id=ANY\n");
  else
    out.put(" group_id={}\n", group);
}

}  // namespace

std::span<const WireForm> GroupStatsRequest::wire_forms() {
  return kStatsRequest;
}
std::span<const WireForm> GroupStatsReply::wire_forms() {
  return kStatsReply;
}
std::span<const WireForm> GroupDescRequest::wire_forms() {
  return kDescRequest;
}
std::span<const WireForm> GroupDescReply::wire_forms() {
  return kDescReply;
}
std::span<const WireForm> GroupFeaturesRequest::wire_forms() {
  return kFeaturesRequest;
}
std::span<const WireForm> GroupFeaturesReply::wire_forms() {
  return kFeaturesReply;
}

Status GroupStatsRequest::decode(ByteReader& body, const DecodeContext&, GroupStatsRequest& out) {
  out.group = body.u32();
  return finished(body, "group statistics request");
}
void GroupStatsRequest::encode(Encoder& out) const {
  out.out().u32(group);
  out.out().zeros(4);
}
void GroupStatsRequest::format(Printer& out) const {
  format_group_request(group, out);
}

Status GroupStatsReply::decode(ByteReader& body, const DecodeContext& context, GroupStatsReply& out) {
  const bool duration = has_duration(context.version, *context.form);
  const std::size_t fixed = duration ? 40 : 32;
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    const std::size_t length = body.u16();
    if (!body.ok() || length < fixed || length > available || (length - fixed) % 16 != 0)
      return bad_length("group statistics");
    ByteReader in = take_part(body, length - 2);
    action::GroupCounters& counters = out.entries.emplace_back();
    in.skip(2);
    counters.id = in.u32();
    counters.references = in.u32();
    in.skip(4);
    counters.total.packets = in.u64();
    counters.total.bytes = in.u64();
    counters.duration_ns = -1;
    if (duration) {
      const std::int64_t seconds = in.u32();
      counters.duration_ns = seconds * 1'000'000'000 + in.u32();
    }
    while (in.remaining() > 0) {
      action::GroupCounters::Traffic& bucket = counters.buckets.emplace_back();
      bucket.packets = in.u64();
      bucket.bytes = in.u64();
    }
  }
  return {};
}

void GroupStatsReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const action::GroupCounters& counters : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.zeros(4);
    out.u32(counters.id);
    out.u32(counters.references);
    out.zeros(4);
    out.u64(counters.total.packets);
    out.u64(counters.total.bytes);
    if (has_duration(encoder.version(), encoder.form())) {
      out.u32(static_cast<std::uint32_t>(counters.duration_ns / 1'000'000'000));
      out.u32(static_cast<std::uint32_t>(counters.duration_ns % 1'000'000'000));
    }
    for (const action::GroupCounters::Traffic& bucket : counters.buckets) {
      out.u64(bucket.packets);
      out.u64(bucket.bytes);
    }
    patch_length(out, start, start);
  }
}

void GroupStatsReply::format(Printer& out) const {
  for (const action::GroupCounters& counters : entries)
    out.put("\n {}", action::format_group_counters(counters));
  out.put("\n");
}

Status GroupDescRequest::decode(ByteReader& body, const DecodeContext& context, GroupDescRequest& out) {
  if (has_bucket_properties(*context.form, context.version)) out.group = body.u32();
  return finished(body, "group description request");
}
void GroupDescRequest::encode(Encoder& out) const {
  if (!has_bucket_properties(out.form(), out.version())) return;
  out.out().u32(group);
  out.out().zeros(4);
}
void GroupDescRequest::format(Printer& out) const {
  format_group_request(group, out);
}

Status GroupDescReply::decode(ByteReader& body, const DecodeContext& context, GroupDescReply& out) {
  const bool properties = has_bucket_properties(*context.form, context.version);
  const std::size_t fixed = properties ? 16 : 8;
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    const std::size_t length = body.u16();
    if (!body.ok() || length < fixed || length > available) return bad_length("group description");
    ByteReader in = take_part(body, length - 2);
    action::GroupSpec& group = out.entries.emplace_back();
    const std::uint8_t type = in.u8();
    if (type > static_cast<std::uint8_t>(action::GroupType::FastFailover))
      return fail("group description of an unknown type (OFPGMFC_BAD_TYPE)", OfError::GmfcBadType);
    group.type = static_cast<action::GroupType>(type);
    in.skip(1);
    group.id = in.u32();
    if (!properties) {
      SLUICE_TRY(decode_buckets(in, context, group));
      continue;
    }
    const std::size_t buckets_length = in.u16();
    in.skip(6);
    if (!in.ok() || buckets_length > in.remaining()) return bad_length("buckets of a group description");
    SLUICE_TRY(decode_buckets(take_part(in, buckets_length), context, group));
    SLUICE_TRY(decode_group_properties(in, group));
  }
  return {};
}

void GroupDescReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const action::GroupSpec& group : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.u16(0);
    out.u8(static_cast<std::uint8_t>(group.type));
    out.u8(0);
    out.u32(group.id);
    if (has_bucket_properties(encoder.form(), encoder.version())) {
      out.zeros(8);
      const std::size_t buckets = out.size();
      encode_buckets(group, encoder);
      patch_length(out, buckets, start + 8);
      encode_group_properties(group, encoder);
    } else {
      encode_buckets(group, encoder);
    }
    patch_length(out, start, start);
  }
}

void GroupDescReply::format(Printer& out) const {
  for (const action::GroupSpec& group : entries)
    out.put("\n {}", action::format_group(group, shown_version(out.form(), out.version()), out.names()));
  out.put("\n");
}

Status GroupFeaturesReply::decode(ByteReader& body, const DecodeContext&, GroupFeaturesReply& out) {
  out.types = body.u32();
  out.capabilities = body.u32();
  for (std::uint32_t& most : out.max_groups) most = body.u32();
  for (std::uint32_t& bits : out.actions) bits = body.u32();
  return finished(body, "group features");
}
void GroupFeaturesReply::encode(Encoder& out) const {
  out.out().u32(types);
  out.out().u32(capabilities);
  for (const std::uint32_t most : max_groups) out.out().u32(most);
  for (const std::uint32_t bits : actions) out.out().u32(bits);
}
void GroupFeaturesReply::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"all", "select", "indirect", "fast failover"};
  out.put("\n Group table:\n    Types:  {:#x}\n    Capabilities:  {:#x}\n", types, capabilities);
  for (std::size_t i = 0; i < 4; ++i) {
    if ((types >> i & 1) == 0) continue;
    out.put("    {} group:\n       max_groups={}\n       actions: {}\n", kNames[i],
            field::format_hex(max_groups[i]), format_action_bits(actions[i], out.version()));
  }
}

std::string format_action_bits(std::uint32_t bits, OfVersion version) {
  // In the order in which ovs-ofctl lists them.
  constexpr BitName kOf10[] = {
      {1 << 0, "output"},     {1 << 11, "enqueue"},   {1 << 1, "set_vlan_vid"}, {1 << 2, "set_vlan_pcp"},
      {1 << 3, "strip_vlan"}, {1 << 4, "mod_dl_src"}, {1 << 5, "mod_dl_dst"},   {1 << 6, "mod_nw_src"},
      {1 << 7, "mod_nw_dst"}, {1 << 8, "mod_nw_tos"}, {1 << 9, "mod_tp_src"},   {1 << 10, "mod_tp_dst"},
  };
  constexpr BitName kOf11[] = {
      {1u << 0, "output"},        {1u << 22, "group"},          {1u << 1, "set_vlan_vid"},
      {1u << 2, "set_vlan_pcp"},  {1u << 18, "strip_vlan"},     {1u << 17, "push_vlan"},
      {1u << 3, "mod_dl_src"},    {1u << 4, "mod_dl_dst"},      {1u << 5, "mod_nw_src"},
      {1u << 6, "mod_nw_dst"},    {1u << 7, "mod_nw_tos"},      {1u << 8, "mod_nw_ecn"},
      {1u << 23, "mod_nw_ttl"},   {1u << 9, "mod_tp_src"},      {1u << 10, "mod_tp_dst"},
      {1u << 24, "dec_ttl"},      {1u << 13, "set_mpls_label"}, {1u << 14, "set_mpls_tc"},
      {1u << 15, "set_mpls_ttl"}, {1u << 16, "dec_mpls_ttl"},   {1u << 19, "push_mpls"},
      {1u << 20, "pop_mpls"},     {1u << 21, "set_queue"},
  };
  constexpr BitName kOf12[] = {
      {1u << 0, "output"},      {1u << 22, "group"},        {1u << 25, "set_field"},
      {1u << 18, "strip_vlan"}, {1u << 17, "push_vlan"},    {1u << 23, "mod_nw_ttl"},
      {1u << 24, "dec_ttl"},    {1u << 15, "set_mpls_ttl"}, {1u << 16, "dec_mpls_ttl"},
      {1u << 19, "push_mpls"},  {1u << 20, "pop_mpls"},     {1u << 21, "set_queue"},
  };
  const std::span<const BitName> names = version == k10   ? std::span<const BitName>(kOf10)
                                         : version == k11 ? std::span<const BitName>(kOf11)
                                                          : kOf12;
  std::uint64_t known = 0;
  for (const BitName& name : names) known |= name.bit;
  return (bits & known) == 0 ? "<none>" : bit_names(bits & known, names);
}

}  // namespace sluice::openflow
