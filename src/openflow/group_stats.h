// What a switch tells of its groups: statistics, descriptions, and what groups it can have.
#pragma once

#include "action/group_spec.h"
#include "openflow/group_mod.h"

namespace sluice::openflow {

struct GroupStatsRequest {
  std::uint32_t group = action::group_id::kAll;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, GroupStatsRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct GroupStatsReply {
  std::vector<action::GroupCounters> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, GroupStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// Before 1.5 it always asks for all groups.
struct GroupDescRequest {
  std::uint32_t group = action::group_id::kAll;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, GroupDescRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct GroupDescReply {
  std::vector<action::GroupSpec> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, GroupDescReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct GroupFeaturesRequest : Bodiless<GroupFeaturesRequest> {
  static std::span<const WireForm> wire_forms();
};

struct GroupFeaturesReply {
  std::uint32_t types = 0;         ///< bit n is GroupType n
  std::uint32_t capabilities = 0;  ///< OFPGFC_*: weights, liveness, chaining, chaining checks
  std::array<std::uint32_t, 4> max_groups{};
  std::array<std::uint32_t, 4> actions{};  ///< bit n is action n of OpenFlow 1.2+

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, GroupFeaturesReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// "output group set_field …" for bits that are numbers of actions in a version; "<none>" if none.
std::string format_action_bits(std::uint32_t bits, OfVersion version);

}  // namespace sluice::openflow
