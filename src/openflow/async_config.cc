#include "openflow/async_config.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kSet[] = {
    {"OFPT_SET_ASYNC", Frame::Plain, 0, 28, k13, k13, 32, 0},
    {"OFPT_SET_ASYNC", Frame::Plain, 0, 28, k14, k15, 8, 8},
    {"NXT_SET_ASYNC_CONFIG", Frame::Vendor, kNiciraVendor, 19, k10, k15, 40, 0, Style::Nicira},
    {"NXT_SET_ASYNC_CONFIG2", Frame::Vendor, kNiciraVendor, 27, k10, k13, 16, 8, Style::Nicira2},
};
constexpr WireForm kGetRequest[] = {{"OFPT_GET_ASYNC_REQUEST", Frame::Plain, 0, 26, k13, k15, 8, 0}};
constexpr WireForm kGetReply[] = {{"OFPT_GET_ASYNC_REPLY", Frame::Plain, 0, 27, k13, k13, 32, 0},
                                  {"OFPT_GET_ASYNC_REPLY", Frame::Plain, 0, 27, k14, k15, 8, 8}};

/// Kinds that the fixed structure of 1.3 and Nicira's have.
constexpr std::size_t kFixedKinds = 3;

struct Kind {
  std::string_view name;
  std::array<std::string_view, 7> reasons;
};
constexpr Kind kKinds[kAsyncKinds] = {
    {"PACKET_IN", {"no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"}},
    {"PORT_STATUS", {"add", "delete", "modify"}},
    {"FLOW_REMOVED", {"idle", "hard", "delete", "group_delete", "meter_delete", "eviction"}},
    {"ROLE_STATUS", {"primary_request", "configuration_changed", "experimenter_data_changed"}},
    {"TABLE_STATUS", {"", "", "", "vacancy_down", "vacancy_up"}},
    {"REQUESTFORWARD", {"group_mod_request", "meter_mod_request"}},
};

/// Reasons that a version's configuration may name: those of packet-ins are the version's own, all others are
/// those of 1.4.
std::uint32_t known_reasons(std::size_t kind, OfVersion version) {
  switch (static_cast<AsyncKind>(kind)) {
    case AsyncKind::PacketIn:
      return version < k14 ? 0x7 : 0x3f;
    case AsyncKind::PortStatus:
      return 0x7;
    case AsyncKind::FlowRemoved:
      return 0x3f;
    case AsyncKind::RoleStatus:
      return 0x7;
    case AsyncKind::TableStatus:
      return 0x18;
    case AsyncKind::RequestForward:
      return 0x3;
  }
  return 0;
}

bool is_fixed(const WireForm& form, OfVersion version) {
  return form.style == Style::Nicira || (form.frame == Frame::Plain && version == k13);
}

constexpr std::uint16_t property_of(std::size_t kind, bool primary) {
  return static_cast<std::uint16_t>(kind * 2 + (primary ? 1 : 0));
}

void format_masks(const std::array<std::optional<std::uint32_t>, kAsyncKinds>& masks, Printer& out) {
  for (std::size_t kind = 0; kind < kAsyncKinds; ++kind) {
    out.put("{:>16}:", kKinds[kind].name);
    const std::uint32_t bits = masks[kind].value_or(0);
    if (bits == 0) out.put(" (off)");
    for (unsigned reason = 0; reason < 32; ++reason) {
      if ((bits >> reason & 1) == 0) continue;
      if (reason < kKinds[kind].reasons.size() && !kKinds[kind].reasons[reason].empty())
        out.put(" {}", kKinds[kind].reasons[reason]);
      else
        out.put(" {}", reason);
    }
    out.put("\n");
  }
}

}  // namespace

std::span<const WireForm> SetAsync::wire_forms() {
  return kSet;
}
std::span<const WireForm> GetAsyncRequest::wire_forms() {
  return kGetRequest;
}
std::span<const WireForm> GetAsyncReply::wire_forms() {
  return kGetReply;
}

void AsyncConfig::apply(AsyncMasks& masks) const {
  for (std::size_t kind = 0; kind < kAsyncKinds; ++kind) {
    if (primary[kind]) masks.primary[kind] = *primary[kind];
    if (secondary[kind]) masks.secondary[kind] = *secondary[kind];
  }
}

AsyncConfig AsyncConfig::of(const AsyncMasks& masks) {
  AsyncConfig config;
  for (std::size_t kind = 0; kind < kAsyncKinds; ++kind) {
    config.primary[kind] = masks.primary[kind];
    config.secondary[kind] = masks.secondary[kind];
  }
  return config;
}

Status AsyncConfig::decode(ByteReader& body, const DecodeContext& context, AsyncConfig& out) {
  if (is_fixed(*context.form, context.version)) {
    for (std::size_t kind = 0; kind < kFixedKinds; ++kind) {
      const std::uint32_t known = known_reasons(kind, context.version);
      out.primary[kind] = body.u32() & known;
      out.secondary[kind] = body.u32() & known;
    }
    return finished(body, "asynchronous configuration");
  }
  const bool reply = context.form >= std::begin(kGetReply) && context.form < std::end(kGetReply);
  while (body.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(body));
    const std::size_t kind = property.type / 2;
    // Experimenters have one for each role.
    constexpr std::uint16_t kExperimenterOfSecondary = 0xfffe;
    if (property.type == kExperimenterOfSecondary) {
      ByteReader whose(property.body);
      Property named = property;
      named.experimenter = true;
      named.vendor = whose.u32();
      named.experimenter_type = whose.u32();
      if (!whose.ok()) return bad_length("property of an experimenter", OfError::BpcBadLen);
      return unknown_property(named, "asynchronous configuration");
    }
    if (property.experimenter) return unknown_property(property, "asynchronous configuration");
    if (kind >= kAsyncKinds)
      return fail("unknown property of an asynchronous configuration (OFPACFC_UNSUPPORTED)",
                  OfError::AcfcUnsupported);
    ByteReader value(property.body);
    std::uint32_t mask = value.u32();
    if (!value.ok() || value.remaining() != 0)
      return bad_length("property of an asynchronous configuration", OfError::BpcBadLen);
    const std::uint32_t known = known_reasons(kind, context.version);
    if ((mask & ~known) != 0 && !reply)
      return fail(
          fmt::format("asynchronous configuration: {:#x} for {} (OFPACFC_INVALID)", mask, kKinds[kind].name),
          OfError::AcfcInvalid);
    mask &= known;
    (property.type % 2 == 1 ? out.primary : out.secondary)[kind] = mask;
  }
  return {};
}

void AsyncConfig::encode(Encoder& out) const {
  const OfVersion version = out.version();
  if (is_fixed(out.form(), version)) {
    for (std::size_t kind = 0; kind < kFixedKinds; ++kind) {
      const std::uint32_t known = known_reasons(kind, version);
      out.out().u32(primary[kind].value_or(0) & known);
      out.out().u32(secondary[kind].value_or(0) & known);
    }
    return;
  }
  for (std::size_t kind = 0; kind < kAsyncKinds; ++kind)
    for (const bool of_primary : {false, true}) {
      const auto& mask = (of_primary ? primary : secondary)[kind];
      if (!mask) continue;
      const PropertyWriter property(out.out(), property_of(kind, of_primary));
      out.out().u32(*mask & known_reasons(kind, version));
    }
}

void AsyncConfig::format(Printer& out) const {
  out.put("\n primary:\n");
  format_masks(primary, out);
  out.put("\n secondary:\n");
  format_masks(secondary, out);
}

}  // namespace sluice::openflow
