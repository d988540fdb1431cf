// The frames and headers that actions share on the wire (codec.h). OpenFlow's own actions: type, length,
// body; vendors': 0xffff, length, vendor, subtype, body; each padded to a multiple of 8.
#include "action/codec.h"
#include "base/check.h"

namespace sluice::action {

using field::fail;
using field::OfError;

void Encoder::begin(std::uint16_t type) {
  starts_.push_back(out_.size());
  out_.u16(type);
  out_.u16(0);
}

void Encoder::begin_nicira(std::uint16_t subtype) {
  begin(0xffff);
  out_.u32(kNiciraVendor);
  out_.u16(subtype);
}

void Encoder::end() {
  SLUICE_CHECK(!starts_.empty());
  const std::size_t start = starts_.back();
  starts_.pop_back();
  out_.pad(start, 8);
  out_.patch_u16(start + 2, static_cast<std::uint16_t>(out_.size() - start));
}

void Encoder::simple(std::uint16_t type, std::uint32_t value, unsigned bytes) {
  begin(type);
  for (int shift = static_cast<int>(bytes - 1) * 8; shift >= 0; shift -= 8)
    out_.u8(static_cast<std::uint8_t>(value >> shift));
  out_.zeros(4 - bytes);
  end();
}

void Encoder::nicira_simple(std::uint16_t subtype, std::uint32_t value, unsigned bytes) {
  begin_nicira(subtype);
  for (int shift = static_cast<int>(bytes - 1) * 8; shift >= 0; shift -= 8)
    out_.u8(static_cast<std::uint8_t>(value >> shift));
  out_.zeros(6 - bytes);
  end();
}

void encode_header(field::FieldId id, OfVersion version, ByteWriter& out) {
  out.u32(field::oxm_header(field::spec(id), version, false));
}

Result<const field::FieldSpec*> decode_header(ByteReader& in, OfError unknown) {
  constexpr std::uint32_t kMasked = 0x100, kLength = 0xff;
  const std::uint32_t header = in.u32();
  if (!in.ok()) return fail("header of a field ends early (OFPBAC_BAD_LEN)", OfError::BacBadLen);
  const auto refuse = [&](std::string_view why, OfError code) {
    return fail(
        "header " + hex(header) + std::string(why) + " (" + std::string(field::of_error_name(code)) + ")",
        code);
  };
  if (field::is_unmapped_option(header)) return refuse(" of a tunnel option", OfError::FmfcInvalidTlvField);
  const field::FieldSpec* spec = field::field_of_header(header);
  if (spec != nullptr && (header & kMasked) != 0)
    return refuse(" has a mask where none may be",
                  unknown == OfError::BmcBadField ? OfError::BmcBadMask : unknown);
  if (spec == nullptr || (header & kLength) != spec->wire_bytes) return refuse(" is no field's", unknown);
  return spec;
}

Result<field::Subfield> make_subfield(const field::FieldSpec& spec, unsigned offset, unsigned width) {
  if (width == 0 || offset + width > spec.bits)
    return fail("bits " + std::to_string(offset) + ".." + std::to_string(offset + width - 1) +
                    " are not in " + std::string(spec.name) + ", which has " + std::to_string(spec.bits) +
                    " (OFPBAC_BAD_SET_LEN)",
                OfError::BacBadSetLen);
  return field::Subfield{spec.id, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(width)};
}

}  // namespace sluice::action
