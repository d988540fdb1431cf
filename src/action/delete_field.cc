#include "action/delete_field.h"

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kDeleteField = 50;
constexpr unsigned kTunMetadatas = 64;
// NXM_NX_TUN_METADATA0: class 1, field 40, at most 124 bytes.
constexpr std::uint32_t kFirstHeader = 1u << 16 | 40u << 9 | 124, kHeaderStep = 1u << 9;
constexpr std::string_view kPrefix = "tun_metadata";

Status decode_delete(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint32_t header = body.u32();
  const std::uint32_t first = kFirstHeader & ~0xffu;
  const std::uint32_t number = ((header & ~0xffu) - first) / kHeaderStep;
  if ((header & ~0xffu) < first || number >= kTunMetadatas || (header & 0x100) != 0)
    return fail("delete_field of " + hex(header) + ": expected a tunnel metadata field",
                field::field_of_header(header) != nullptr ? OfError::BacBadArgument : OfError::BmcBadField);
  if (!body.skip_zeros(body.remaining()))
    return fail("delete_field: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  out.push_back(DeleteField{static_cast<std::uint8_t>(number)});
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kDeleteField, OfVersion::k10, OfVersion::k15, 24, true, decode_delete}};

}  // namespace

std::span<const WireForm> DeleteField::wire_forms() {
  return kForms;
}
Status DeleteField::parse(const Word& word, const ParseContext&, ActionList& out) {
  std::string_view name = word.argument;
  if (name.starts_with(kPrefix)) {
    name.remove_prefix(kPrefix.size());
    if (const auto number = parse_number(name, kTunMetadatas - 1, "tunnel metadata")) {
      out.push_back(DeleteField{static_cast<std::uint8_t>(*number)});
      return {};
    }
  }
  return fail("delete_field:" + std::string(word.argument) +
                  ": expected tun_metadata0 to tun_metadata63 (OFPBAC_BAD_ARGUMENT)",
              OfError::BacBadArgument);
}
void DeleteField::format(std::string& out, const Names&) const {
  out += "delete_field:" + std::string(kPrefix) + std::to_string(tun_metadata);
}
void DeleteField::encode(Encoder& out) const {
  out.begin_nicira(kDeleteField);
  out.out().u32(kFirstHeader + tun_metadata * kHeaderStep);
  out.out().zeros(8);
  out.end();
}
Status DeleteField::check(CheckContext&) const {
  return {};
}
void DeleteField::translate(Translation&) const {}  // no packet has tunnel options: nothing to remove

}  // namespace sluice::action
