#include "openflow/role.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {
    {"OFPT_ROLE_REQUEST", Frame::Plain, 0, 24, k12, k15, 24, 0},
    {"NXT_ROLE_REQUEST", Frame::Vendor, kNiciraVendor, 10, k10, k15, 20, 0, Style::Nicira}};
constexpr WireForm kReply[] = {
    {"OFPT_ROLE_REPLY", Frame::Plain, 0, 25, k12, k15, 24, 0},
    {"NXT_ROLE_REPLY", Frame::Vendor, kNiciraVendor, 11, k10, k15, 20, 0, Style::Nicira}};
constexpr WireForm kStatus[] = {{"OFPT_ROLE_STATUS", Frame::Plain, 0, 30, k14, k15, 24, 8},
                                {"ONFT_ROLE_STATUS", Frame::Vendor, kOnfVendor, 1911, k13, k13, 32, 8}};

constexpr std::uint64_t kNoGeneration = ~std::uint64_t{0};

Result<Role> role_from_wire(std::uint32_t role) {
  if (role <= static_cast<std::uint32_t>(Role::Secondary)) return static_cast<Role>(role);
  return fail(fmt::format("role {}: expected 0 to 3 (OFPRRFC_BAD_ROLE)", role), OfError::RrfcBadRole);
}

}  // namespace

std::string_view role_name(Role role) {
  constexpr std::string_view kNames[] = {"nochange", "equal", "primary", "secondary"};
  return kNames[static_cast<std::size_t>(role)];
}

std::span<const WireForm> RoleRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> RoleReply::wire_forms() {
  return kReply;
}
std::span<const WireForm> RoleStatus::wire_forms() {
  return kStatus;
}

Status RoleMessage::decode(ByteReader& body, const DecodeContext& context, RoleMessage& out) {
  if (context.form->vendor != 0) {
    // Nicira's roles begin with "other", our Equal.
    const std::uint32_t role = body.u32();
    SLUICE_ASSIGN(out.role, role_from_wire(role < 3 ? role + 1 : 4));
    return finished(body, "role message");
  }
  SLUICE_ASSIGN(out.role, role_from_wire(body.u32()));
  body.skip(4);
  const std::uint64_t generation = body.u64();
  if (out.role != Role::NoChange) out.generation = generation;
  return finished(body, "role message");
}

void RoleMessage::encode(Encoder& out) const {
  if (out.form().vendor != 0) {
    out.out().u32(role == Role::NoChange ? 0 : static_cast<std::uint32_t>(role) - 1);
    return;
  }
  out.out().u32(static_cast<std::uint32_t>(role));
  out.out().zeros(4);
  out.out().u64(generation.value_or(kNoGeneration));
}

void RoleMessage::format(Printer& out) const {
  out.put(" role={}", role_name(role));
  if (generation.value_or(kNoGeneration) != kNoGeneration) out.put(" generation_id={}", *generation);
  out.put("\n");
}

Status RoleStatus::decode(ByteReader& body, const DecodeContext&, RoleStatus& out) {
  const std::uint32_t role = body.u32();
  if (role > static_cast<std::uint32_t>(Role::Secondary))
    return fail("role status with a bad role (OFPRRFC_BAD_ROLE)", OfError::RrfcBadRole);
  out.role = static_cast<Role>(role);
  out.reason = static_cast<RoleStatusReason>(body.u8());
  body.skip(3);
  out.generation = body.u64();
  return finished(body, "role status");
}

void RoleStatus::encode(Encoder& out) const {
  out.out().u32(static_cast<std::uint32_t>(role));
  out.out().u8(static_cast<std::uint8_t>(reason));
  out.out().zeros(3);
  out.out().u64(generation);
}

void RoleStatus::format(Printer& out) const {
  constexpr std::string_view kReasons[] = {"primary_request", "configuration_changed",
                                           "experimenter_data_changed"};
  out.put(" role={}", role_name(role));
  if (generation != kNoGeneration) out.put(" generation_id={}", generation);
  const auto i = static_cast<std::size_t>(reason);
  out.put(" reason={}\n", i < std::size(kReasons) ? kReasons[i] : "(unknown)");
}

}  // namespace sluice::openflow
