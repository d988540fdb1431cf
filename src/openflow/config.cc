#include "openflow/config.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {{"OFPT_GET_CONFIG_REQUEST", Frame::Plain, 0, 7, k10, k15, 8, 0}};
constexpr WireForm kReply[] = {{"OFPT_GET_CONFIG_REPLY", Frame::Plain, 0, 8, k10, k15, 12, 0}};
constexpr WireForm kSet[] = {{"OFPT_SET_CONFIG", Frame::Plain, 0, 9, k10, k15, 12, 0}};

constexpr std::uint16_t kFragmentBits = 3, kInvalidTtl = 4;
constexpr std::uint8_t kSetType = 9;

/// 1.3 and later say it by an asynchronous configuration.
bool has_invalid_ttl(OfVersion version) {
  return version < k13;
}

}  // namespace

std::span<const WireForm> GetConfigRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> GetConfigReply::wire_forms() {
  return kReply;
}
std::span<const WireForm> SetConfig::wire_forms() {
  return kSet;
}

Status SwitchConfig::decode(ByteReader& body, const DecodeContext& context, SwitchConfig& out) {
  const std::uint16_t flags = body.u16();
  const unsigned known = kFragmentBits | (has_invalid_ttl(context.version) ? kInvalidTtl : 0u);
  if (context.form->type == kSetType && (flags & ~known) != 0)
    return fail(fmt::format("configuration with flags {:#x} (OFPSCFC_BAD_FLAGS)", flags),
                OfError::ScfcBadFlags);
  out.fragments = static_cast<FragmentHandling>(flags & kFragmentBits);
  out.invalid_ttl_to_controller = has_invalid_ttl(context.version) && (flags & kInvalidTtl) != 0;
  out.miss_send_len = body.u16();
  return finished(body, "switch configuration");
}

void SwitchConfig::encode(Encoder& out) const {
  std::uint16_t flags = static_cast<std::uint16_t>(fragments);
  if (invalid_ttl_to_controller && has_invalid_ttl(out.version())) flags |= kInvalidTtl;
  out.out().u16(flags);
  out.out().u16(miss_send_len);
}

void SwitchConfig::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"normal", "drop", "reassemble", "nx-match"};
  out.put(" frags={}", kNames[static_cast<unsigned>(fragments)]);
  if (invalid_ttl_to_controller) out.put(" invalid_ttl_to_controller");
  out.put(" miss_send_len={}\n", miss_send_len);
}

}  // namespace sluice::openflow
