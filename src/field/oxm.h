// OXM and NXM: matches and single fields on the wire (OpenFlow 1.5.1 section 7.2.3; Nicira class 0x0000,
// 0x0001).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::field {

/// OpenFlow wire versions.
enum class OfVersion : std::uint8_t { k10 = 1, k11 = 2, k12 = 3, k13 = 4, k14 = 5, k15 = 6 };

/// One header: class, field, has-mask, length. The header that a field has in this version of OpenFlow.
std::uint32_t oxm_header(const FieldSpec& spec, OfVersion version, bool masked);
/// nullptr if the header names no field that we know (length is not checked).
const FieldSpec* field_of_header(std::uint32_t header);

/// A match as a run of OXM (version >= 1.2) or NXM TLVs in canonical order, no padding.
void encode_match(const flow::Match& match, OfVersion version, ByteWriter& out);
/// Errors carry the OFPBMC code and the offset. `strict` refuses unknown fields, else they are skipped.
Result<flow::Match> decode_match(Bytes bytes, OfVersion version, bool strict);

/// One TLV.
void encode_field(const FieldSpec& spec, FieldValue value, FieldValue mask, OfVersion version,
                  ByteWriter& out);
struct DecodedField {
  const FieldSpec* spec;
  ValueMask value;
  bool masked;
};
Result<DecodedField> decode_field(ByteReader& in);

/// "NXM_OF_IN_PORT(0001), NXM_OF_ETH_TYPE_W(0800/ffff)" both ways (ovs-ofctl parse-nxm, parse-oxm).
Result<std::vector<std::uint8_t>> parse_oxm_text(std::string_view text, OfVersion version);
std::string format_oxm_text(Bytes bytes, bool strict);

}  // namespace sluice::field
