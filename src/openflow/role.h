// Roles of controllers: ROLE_REQUEST and ROLE_REPLY (NXT_ROLE_* before 1.2), and ROLE_STATUS, which tells a
// controller that its role was changed by another.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

enum class Role : std::uint8_t { NoChange, Equal, Primary, Secondary };
std::string_view role_name(Role role);

struct RoleMessage {
  Role role = Role::NoChange;
  std::optional<std::uint64_t> generation;  ///< 1.2+

  static Status decode(ByteReader& body, const DecodeContext& context, RoleMessage& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct RoleRequest : RoleMessage {
  static std::span<const WireForm> wire_forms();
};
struct RoleReply : RoleMessage {
  static std::span<const WireForm> wire_forms();
};

enum class RoleStatusReason : std::uint8_t { PrimaryRequest, Config, Experimenter };

/// 1.4+, and as an extension 1.3.
struct RoleStatus {
  Role role = Role::NoChange;
  RoleStatusReason reason = RoleStatusReason::PrimaryRequest;
  std::uint64_t generation = ~std::uint64_t{0};  ///< all ones: undefined

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, RoleStatus& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
