// GROUP_MOD, and its like for 1.0 (NXT_GROUP_MOD); what a group is, and its text, is action/group_spec.h. 1.5
// gave buckets ids and properties and groups a selection method; Nicira's form for 1.0 has the same
// structures.
#pragma once

#include "action/group_spec.h"
#include "openflow/codec.h"

namespace sluice::openflow {

struct GroupMod {
  action::GroupSpec group;

  static std::span<const WireForm> wire_forms();
  /// Checks the group (action::check_group).
  static Status decode(ByteReader& body, const DecodeContext& context, GroupMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// Whether buckets have ids and properties in this form.
inline bool has_bucket_properties(const WireForm& form, OfVersion version) {
  return version >= k15 || form.vendor != 0;
}
void encode_buckets(const action::GroupSpec& group, Encoder& out);
/// All that remains.
Status decode_buckets(ByteReader in, const DecodeContext& context, action::GroupSpec& group);
/// The properties of a group: its selection method.
void encode_group_properties(const action::GroupSpec& group, Encoder& out);
Status decode_group_properties(ByteReader& in, action::GroupSpec& group);
/// The version whose text shows what this form carries (see action::format_group).
inline OfVersion shown_version(const WireForm& form, OfVersion version) {
  return has_bucket_properties(form, version) ? k15 : version == k10 ? k11 : version;
}

}  // namespace sluice::openflow
