#include "openflow/group_mod.h"

#include <algorithm>

#include "action/codec.h"
#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

using action::Bucket;
using action::GroupCommand;
using action::GroupSpec;
using action::GroupType;
using action::SelectionMethod;

constexpr WireForm kForms[] = {{"OFPT_GROUP_MOD", Frame::Plain, 0, 15, k11, k14, 16, 8},
                               {"OFPT_GROUP_MOD", Frame::Plain, 0, 15, k15, k15, 24, 8},
                               {"NXT_GROUP_MOD", Frame::Vendor, kNiciraVendor, 31, k10, k10, 32, 8}};

enum : std::uint16_t { kWeight, kWatchPort, kWatchGroup };
constexpr std::uint32_t kSelectionMethod = 1;
constexpr std::size_t kMethodBytes = 16;

Result<GroupType> type_from_wire(std::uint8_t type) {
  if (type <= static_cast<std::uint8_t>(GroupType::FastFailover)) return static_cast<GroupType>(type);
  return fail(fmt::format("group type {} (OFPGMFC_BAD_TYPE)", type), OfError::GmfcBadType);
}

Status decode_bucket_properties(ByteReader in, Bucket& bucket) {
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter || property.type > kWatchGroup) return unknown_property(property, "bucket");
    ByteReader value(property.body);
    if (property.type != kWeight && value.remaining() > 4)
      return bad_length("property of a bucket", OfError::BpcBadLen);
    if (property.type == kWeight)
      bucket.weight = value.u16();
    else
      (property.type == kWatchPort ? bucket.watch_port : bucket.watch_group) = value.u32();
    if (!value.ok()) return bad_length("property of a bucket", OfError::BpcBadLen);
  }
  return check_port(bucket.watch_port, OfError::GmfcBadWatch);
}

Status decode_bucket15(ByteReader& in, OfVersion version, GroupSpec& group) {
  const std::size_t available = in.remaining();
  const std::size_t length = in.u16(), actions_length = in.u16();
  if (!in.ok() || length < 8 || length > available || actions_length + 8 > length)
    return fail(fmt::format("bucket of {} bytes (OFPGMFC_BAD_BUCKET)", length), OfError::GmfcBadBucket);
  Bucket bucket{.id = in.u32(),
                .weight = static_cast<std::uint16_t>(group.type == GroupType::Select ? 1 : 0)};
  if (bucket.id > action::bucket_id::kMax)
    return fail(fmt::format("bucket id {:#x} (OFPGMFC_BAD_BUCKET)", bucket.id), OfError::GmfcBadBucket);
  SLUICE_ASSIGN(bucket.actions, action::decode_actions(in.take(actions_length), version));
  SLUICE_TRY(decode_bucket_properties(take_part(in, length - 8 - actions_length), bucket));
  group.buckets.push_back(std::move(bucket));
  return {};
}

Status decode_bucket11(ByteReader& in, OfVersion version, GroupSpec& group) {
  const std::size_t available = in.remaining();
  const std::size_t length = in.u16();
  if (!in.ok() || length < 16 || length > available)
    return fail(fmt::format("bucket of {} bytes (OFPGMFC_BAD_BUCKET)", length), OfError::GmfcBadBucket);
  Bucket bucket{.id = static_cast<std::uint32_t>(group.buckets.size())};
  bucket.weight = in.u16();
  bucket.watch_port = in.u32();
  bucket.watch_group = in.u32();
  SLUICE_TRY(check_port(bucket.watch_port, OfError::GmfcBadWatch));
  in.skip(4);
  SLUICE_ASSIGN(bucket.actions, action::decode_actions(in.take(length - 16), version));
  group.buckets.push_back(std::move(bucket));
  return {};
}

tl::unexpected<Error> deleted_with_buckets(std::uint32_t group) {
  return fail(fmt::format("group {} to be deleted has buckets (OFPGMFC_INVALID_GROUP)", group),
              OfError::GmfcInvalidGroup);
}

Status decode_selection(Bytes body, GroupSpec& group) {
  const auto bad = [](std::string_view what) {
    return fail(fmt::format("selection method: {} (OFPBPC_BAD_VALUE)", what), OfError::BpcBadValue);
  };
  if (group.type != GroupType::Select) return bad("only select groups have one");
  ByteReader in(body);
  in.skip(4);
  const std::string method = take_text(in, kMethodBytes);
  group.selection_param = in.u64();
  if (!in.ok()) return bad_length("selection method", OfError::BpcBadLen);
  if (method == selection_method_name(SelectionMethod::Hash))
    group.selection = SelectionMethod::Hash;
  else if (method == selection_method_name(SelectionMethod::DpHash))
    group.selection = SelectionMethod::DpHash;
  else
    return bad("none that is known");
  // Each field once: header and mask, the value being the mask.
  while (in.remaining() > 0) {
    const std::uint32_t header = in.u32();
    ByteReader value = take_part(in, header & 0xff);
    const field::FieldSpec* spec = field::field_of_header(header);
    if (!in.ok()) return bad_length("selection method's field", OfError::BmcBadLen);
    if (spec == nullptr)
      return fail("selection method: an unknown field (OFPBMC_BAD_FIELD)", OfError::BmcBadField);
    if ((header & 0x100) != 0 || (header & 0xff) != spec->wire_bytes)
      return fail("selection method: a field that cannot be hashed (OFPBPC_BAD_VALUE)", OfError::BpcBadValue);
    field::FieldValue mask = 0;
    for (const std::uint8_t byte : value.rest()) mask = mask << 8 | byte;
    if (mask == 0)
      return fail("selection method: a field without a mask (OFPBMC_BAD_MASK)", OfError::BmcBadMask);
    const auto place =
        std::lower_bound(group.fields.begin(), group.fields.end(), spec->id,
                         [](const action::SelectionField& f, field::FieldId id) { return f.field < id; });
    if (place != group.fields.end() && place->field == spec->id)
      return fail("selection method: a field twice (OFPBMC_DUP_FIELD)", OfError::BmcDupField);
    group.fields.insert(place, {spec->id, mask & field::ones(spec->bits)});
  }
  if (!group.fields.empty() && group.selection == SelectionMethod::DpHash)
    return bad("dp_hash takes no fields");
  return {};
}

}  // namespace

void encode_buckets(const GroupSpec& group, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  for (const Bucket& bucket : group.buckets) {
    const std::size_t start = out.size();
    out.zeros(4);
    if (has_bucket_properties(encoder.form(), version)) {
      out.u32(bucket.id);
      const std::size_t actions = out.size();
      action::encode_actions(bucket.actions, version, out);
      patch_length(out, actions, start + 2);
      if (group.type == GroupType::Select || bucket.weight != 0) {
        const PropertyWriter weight(out, kWeight);
        out.u16(bucket.weight);
        out.zeros(2);
      }
      if (bucket.watch_port != action::of_port::kNone) {
        const PropertyWriter port(out, kWatchPort);
        out.u32(bucket.watch_port);
      }
      if (bucket.watch_group != action::group_id::kAny) {
        const PropertyWriter watched(out, kWatchGroup);
        out.u32(bucket.watch_group);
      }
    } else {
      out.patch_u16(start + 2, bucket.weight);
      out.u32(bucket.watch_port);
      out.u32(bucket.watch_group);
      out.zeros(4);
      action::encode_actions(bucket.actions, version, out);
    }
    patch_length(out, start, start);
  }
}

Status decode_buckets(ByteReader in, const DecodeContext& context, GroupSpec& group) {
  while (in.remaining() > 0)
    SLUICE_TRY(has_bucket_properties(*context.form, context.version)
                   ? decode_bucket15(in, context.version, group)
                   : decode_bucket11(in, context.version, group));
  return {};
}

void encode_group_properties(const GroupSpec& group, Encoder& encoder) {
  if (group.selection == SelectionMethod::Default) return;
  ByteWriter& out = encoder.out();
  const PropertyWriter property(out, kNtrVendor, kSelectionMethod);
  out.zeros(4);
  encoder.text(selection_method_name(group.selection), kMethodBytes);
  out.u64(group.selection_param);
  for (const action::SelectionField& f : group.fields) {
    const field::FieldSpec& spec = field::spec(f.field);
    out.u32(field::oxm_header(spec, k15, false));
    for (unsigned i = spec.wire_bytes; i-- > 0;) out.u8(static_cast<std::uint8_t>(f.mask >> (8 * i)));
  }
}

Status decode_group_properties(ByteReader& in, GroupSpec& group) {
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (!property.experimenter || property.vendor != kNtrVendor ||
        property.experimenter_type != kSelectionMethod)
      return unknown_property(property, "group");
    SLUICE_TRY(decode_selection(property.body, group));
  }
  return {};
}

std::span<const WireForm> GroupMod::wire_forms() {
  return kForms;
}

Status GroupMod::decode(ByteReader& body, const DecodeContext& context, GroupMod& out) {
  GroupSpec& group = out.group;
  const bool properties = has_bucket_properties(*context.form, context.version);
  const std::uint16_t command = body.u16();
  const std::uint8_t type = body.u8();
  body.skip(1);
  group.id = body.u32();
  const bool extension = command == static_cast<std::uint16_t>(GroupCommand::AddOrModify);
  const bool known = extension || command <= static_cast<std::uint16_t>(GroupCommand::Delete) ||
                     (properties && (command == static_cast<std::uint16_t>(GroupCommand::InsertBucket) ||
                                     command == static_cast<std::uint16_t>(GroupCommand::RemoveBucket)));
  // Of several faults the one that Open vSwitch finds first is told.
  const bool deletes = command == static_cast<std::uint16_t>(GroupCommand::Delete);
  if (deletes && !properties && context.version >= k13 && body.remaining() != 0)
    return deleted_with_buckets(group.id);
  SLUICE_ASSIGN(group.type, type_from_wire(type));
  if (!known)
    return fail(fmt::format("group command {} (OFPGMFC_BAD_COMMAND)", command), OfError::GmfcBadCommand);
  group.command = static_cast<GroupCommand>(command);
  if (!properties) {
    SLUICE_TRY(decode_buckets(body, context, group));
  } else {
    const std::size_t buckets_length = body.u16();
    body.skip(2);
    group.command_bucket = body.u32();
    if (!body.ok() || buckets_length > body.remaining()) return bad_length("buckets of a group_mod");
    const bool names_bucket =
        group.command == GroupCommand::InsertBucket || group.command == GroupCommand::RemoveBucket;
    const std::uint32_t place = group.command_bucket;
    const bool valid =
        (names_bucket &&
         (place <= action::bucket_id::kMax || place == action::bucket_id::kFirst ||
          place == action::bucket_id::kLast ||
          (place == action::bucket_id::kAll && group.command == GroupCommand::RemoveBucket))) ||
        (!names_bucket && place == action::bucket_id::kAll);
    if (!valid)
      return fail(fmt::format("command bucket {} (OFPGMFC_BAD_BUCKET)", place), OfError::GmfcBadBucket);
    if (deletes && buckets_length != 0) return deleted_with_buckets(group.id);
    if (group.command == GroupCommand::RemoveBucket && buckets_length != 0)
      return fail("buckets to be removed are named by their id (OFPGMFC_BAD_BUCKET)", OfError::GmfcBadBucket);
    SLUICE_TRY(decode_buckets(take_part(body, buckets_length), context, group));
    SLUICE_TRY(decode_group_properties(body, group));
  }
  return action::check_group(group);
}

void GroupMod::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  out.u16(static_cast<std::uint16_t>(group.command));
  out.u8(static_cast<std::uint8_t>(group.type));
  out.u8(0);
  out.u32(group.id);
  if (!has_bucket_properties(encoder.form(), encoder.version())) return encode_buckets(group, encoder);
  const std::size_t length_at = out.size();
  out.zeros(4);
  out.u32(group.command_bucket);
  const std::size_t start = out.size();
  encode_buckets(group, encoder);
  patch_length(out, start, length_at);
  encode_group_properties(group, encoder);
}

void GroupMod::format(Printer& out) const {
  if (group.command == GroupCommand::Delete) {
    constexpr std::string_view kTypes[] = {"all", "select", "indirect", "ff"};
    out.put("\n DEL group_id={},type={}\n", group.id, kTypes[static_cast<std::size_t>(group.type)]);
    return;
  }
  out.put("\n {}\n", action::format_group_mod(group, shown_version(out.form(), out.version()), out.names()));
}

}  // namespace sluice::openflow
