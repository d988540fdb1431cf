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

/// The identifier that a field has in this version of OpenFlow: NXM in 1.0 and 1.1 where there is one, else
/// the newest OXM that the version knows. One that does not exist() for fields that never travel (dl_vlan,
/// tun_tos).
const OxmId& oxm_id(const FieldSpec& spec, OfVersion version);
/// One header: class, field, has-mask, length. The header that a field has in this version of OpenFlow; 0 if
/// none that fits 32 bits exists. Of an experimenter's field the four bytes of the experimenter follow.
std::uint32_t oxm_header(const FieldSpec& spec, OfVersion version, bool masked);
/// Whether the header is that of a tunnel option (tun_metadata0 to 63): no option is mapped to a field.
bool is_unmapped_option(std::uint32_t header);
/// nullptr if the header names no field that we know (length is not checked). Experimenter fields need their
/// number.
const FieldSpec* field_of_header(std::uint32_t header, std::uint32_t experimenter = 0);

/// A match as a run of OXM (version >= 1.2) or NXM TLVs in canonical order, no padding.
void encode_match(const flow::Match& match, OfVersion version, ByteWriter& out);
/// Errors carry the OFPBMC code and the offset. `strict` refuses unknown fields and fields without their
/// prerequisites (which must come before them); else both are skipped, as for a packet-in.
Result<flow::Match> decode_match(Bytes bytes, OfVersion version, bool strict);
/// The same into a match that demands nothing yet.
Status decode_match(Bytes bytes, OfVersion version, bool strict, flow::Match& match);

/// One TLV.
void encode_field(const FieldSpec& spec, FieldValue value, FieldValue mask, OfVersion version,
                  ByteWriter& out);
struct DecodedField {
  const FieldSpec* spec;
  ValueMask value;
  bool masked;
};
Result<DecodedField> decode_field(ByteReader& in);

/// "NXM_OF_IN_PORT(0001), NXM_OF_ETH_TYPE_W(0800/ffff)" both ways (ovs-ofctl parse-nxm, parse-oxm). Fields go
/// to the wire as they are named: any version's names may be mixed, "00010004(00000001)" gives the header as
/// a number.
Result<std::vector<std::uint8_t>> parse_oxm_text(std::string_view text);
/// "<any>" for no bytes. What cannot be decoded is shown as numbers.
std::string format_oxm_text(Bytes bytes);

}  // namespace sluice::field
