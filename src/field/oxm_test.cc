// OXM and NXM: every row in every version that has it, the codes of errors, the text form. The broad
// comparison with ovs-ofctl is tests/differential/field_oxm_test.cc.
#include "field/oxm.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "field/match_text.h"
#include "field/of_error.h"

namespace sluice::field {
namespace {

constexpr OfVersion kVersions[] = {OfVersion::k10, OfVersion::k11, OfVersion::k12,
                                   OfVersion::k13, OfVersion::k14, OfVersion::k15};

class EveryOxm : public ::testing::TestWithParam<FieldId> {};

TEST_P(EveryOxm, RoundTripsInEveryVersion) {
  const FieldSpec& f = spec(GetParam());
  Rng rng(static_cast<std::uint64_t>(GetParam()) + 7);
  for (const OfVersion version : kVersions) {
    for (int i = 0; i < 20; ++i) {
      FieldValue mask = f.id == FieldId::CtState   ? ones(8)
                        : f.id == FieldId::VlanVid ? ones(13)
                                                   : f.valid_bits();
      FieldValue value = (FieldValue{rng.next()} << 64 | rng.next()) & mask;
      if (f.id == FieldId::ArpOp) value &= 0xff;
      if (f.id == FieldId::InPortOxm || f.id == FieldId::ActsetOutput) value &= 0x7fff;
      if (f.mask == MaskPolicy::Bitwise && rng.chance(50)) mask &= rng.next() | 1;
      value &= mask;
      ByteWriter out;
      encode_field(f, value, mask, version, out);
      ByteReader in(out.bytes());
      const auto decoded = decode_field(in);
      ASSERT_TRUE(decoded.has_value()) << f.name << ": " << decoded.error().message;
      EXPECT_EQ(decoded->spec, &f);
      EXPECT_TRUE(decoded->value.value == value) << f.name;
      EXPECT_TRUE(decoded->value.mask == mask) << f.name;
      EXPECT_EQ(in.remaining(), 0u);
      // And as text.
      const std::string text = format_oxm_text(out.bytes());
      const auto bytes = parse_oxm_text(text);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
      EXPECT_EQ(*bytes, std::vector<std::uint8_t>(out.bytes().begin(), out.bytes().end())) << text;
    }
  }
}

TEST_P(EveryOxm, EveryTruncationIsRefused) {
  const FieldSpec& f = spec(GetParam());
  ByteWriter out;
  encode_field(f, 0, f.mask == MaskPolicy::Bitwise ? 1 : f.valid_bits(), OfVersion::k15, out);
  for (std::size_t n = 0; n < out.size(); ++n) {
    ByteReader in(out.bytes().first(n));
    const auto decoded = decode_field(in);
    ASSERT_FALSE(decoded.has_value()) << f.name << " of " << n << " bytes";
    EXPECT_EQ(of_error(decoded.error()), OfError::BmcBadLen) << decoded.error().message;
  }
}

TEST_P(EveryOxm, ItsHeaderNamesIt) {
  const FieldSpec& f = spec(GetParam());
  for (const OfVersion version : kVersions) {
    const OxmId& id = oxm_id(f, version);
    ASSERT_TRUE(id.exists());
    const std::uint32_t header = oxm_header(f, version, false);
    EXPECT_EQ(header >> 16, id.oxm_class);
    EXPECT_EQ(header & 0xff, f.wire_bytes + (id.experimenter != 0 ? 4u : 0u));
    EXPECT_EQ(field_of_header(header, id.experimenter), &f);
  }
}

std::vector<FieldId> travelling() {
  std::vector<FieldId> ids;
  for (const FieldSpec& f : all_fields())
    if (f.nxm.exists() || f.oxm.exists()) ids.push_back(f.id);
  return ids;
}
INSTANTIATE_TEST_SUITE_P(Registry, EveryOxm, ::testing::ValuesIn(travelling()),
                         [](const auto& test) { return std::string(spec(test.param).name); });

std::string hex_of(std::string_view match, OfVersion version) {
  const auto parsed = parse_match(match);
  if (!parsed) return parsed.error().message;
  ByteWriter out;
  encode_match(*parsed, version, out);
  std::string hex;
  for (const std::uint8_t byte : out.bytes()) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

TEST(Oxm, BytesOfTheSpecification) {
  EXPECT_EQ(hex_of("ct_state=+trk", OfVersion::k10), "0001d3080000002000000020");
  EXPECT_EQ(hex_of("ct_state=trk", OfVersion::k13), "0001d30800000020000000ff")
      << "exact travels with mask 0xff";
  EXPECT_EQ(hex_of("ct_zone=5", OfVersion::k10), "0001d4020005");
  EXPECT_EQ(hex_of("ct_mark=5", OfVersion::k13), "0001d60400000005");
  EXPECT_EQ(hex_of("ct_mark=5/15", OfVersion::k13), "0001d708000000050000000f");
  EXPECT_EQ(hex_of("ct_label=0x1d", OfVersion::k15), "0001d8100000000000000000000000000000001d");
  EXPECT_EQ(hex_of("in_port=LOCAL", OfVersion::k10), "00000002fffe");
  EXPECT_EQ(hex_of("in_port=LOCAL", OfVersion::k13), "80000004fffffffe");
  EXPECT_EQ(hex_of("tcp,tcp_flags=syn", OfVersion::k13),
            "80000a02080080001401"
            "06"
            "ffff5406"
            "4f4e4600"
            "0002");
  EXPECT_EQ(hex_of("tcp,tcp_flags=syn", OfVersion::k15),
            "80000a020800800014010680005402"
            "0002");
  EXPECT_EQ(hex_of("reg0=1", OfVersion::k15),
            "80010110"
            "0000000100000000"
            "ffffffff00000000");
  EXPECT_EQ(hex_of("dl_vlan=5", OfVersion::k10),
            "00000904"
            "1005"
            "1fff");
  EXPECT_EQ(hex_of("dl_vlan=5,dl_vlan_pcp=3", OfVersion::k13),
            "80000c02"
            "1005"
            "80000e01"
            "03");
}

struct WrongOxm {
  std::string_view text;
  OfError code;
  std::string_view message;
};
TEST(Oxm, ErrorsNameTheirPlaceAndCarryTheirCode) {
  const WrongOxm cases[] = {
      {"NXM_NX_CT_STATE(00000121)", OfError::BmcBadValue,
       "match field at offset 0: ct_state has bits beyond 0xff"},
      {"NXM_NX_CT_STATE_W(00000021/00000121)", OfError::BmcBadMask,
       "match field at offset 0: the mask of ct_state has bits beyond 0xff"},
      {"NXM_NX_REG1(00000001), NXM_NX_CT_STATE_W(00000121/00000121)", OfError::BmcBadValue,
       "match field at offset 8: ct_state has bits beyond 0xff"},
      {"NXM_OF_ETH_SRC_W(010203040506/ffffff000000)", OfError::BmcBadWildcards,
       "match field at offset 0: eth_src has one bits that its mask leaves open"},
      {"NXM_OF_ETH_TYPE(0800), OXM_OF_ETH_TYPE(0800)", OfError::BmcDupField,
       "match field at offset 6: eth_type is matched twice"},
      {"NXM_NX_REG0(00000001), OXM_OF_PKT_REG0(0000000100000002)", OfError::BmcDupField,
       "match field at offset 8: xreg0 is matched twice"},
      {"NXM_OF_IP_SRC(01020304)", OfError::BmcBadPrereq,
       "match field at offset 0: ip_src without its prerequisites"},
      {"OXM_OF_VLAN_PCP(03)", OfError::BmcBadPrereq,
       "match field at offset 0: vlan_pcp without its prerequisites"},
      {"NXM_OF_ETH_TYPE(0806), NXM_OF_ARP_OP(0100)", OfError::BmcBadValue,
       "match field at offset 6: arp_op: operations above 255 cannot be matched"},
      {"OXM_OF_IN_PORT(00010000)", OfError::BmcBadValue,
       "match field at offset 0: in_port_oxm: no such port: 0x10000"},
      {"00030004(01020304)", OfError::BmcBadField, "match field at offset 0: unknown field 00030004"},
      {"00010002(0001)", OfError::BmcBadField,
       "match field at offset 0: reg0 has 2 bytes of payload, expected 4"},
      {"00000104(0001/0fff)", OfError::BmcBadMask, "match field at offset 0: in_port takes no mask"},
  };
  for (const WrongOxm& c : cases) {
    const auto bytes = parse_oxm_text(c.text);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    const auto match = decode_match(*bytes, OfVersion::k13, true);
    ASSERT_FALSE(match.has_value()) << c.text;
    EXPECT_EQ(match.error().message, c.message);
    EXPECT_EQ(of_error(match.error()), c.code) << c.text;
  }
}

TEST(Oxm, WithoutStrictnessWhatIsUnknownOrUnfoundedIsSkipped) {
  const auto bytes = parse_oxm_text("00030004(01020304), NXM_OF_IP_SRC(01020304), NXM_NX_REG2(00000007)");
  ASSERT_TRUE(bytes.has_value());
  const auto match = decode_match(*bytes, OfVersion::k13, false);
  ASSERT_TRUE(match.has_value()) << match.error().message;
  EXPECT_EQ(format_match(*match), "reg2=0x7");
}

TEST(Oxm, ATagThatOxmCannotSayTravelsAsNxm) {
  for (const auto text :
       {"vlan_tci=0x2000/0xe000", "vlan_tci=0x0005", "vlan_tci=0x0005/0xe00f", "vlan_tci=0x2000/0x3000"}) {
    const auto match = parse_match(text);
    ASSERT_TRUE(match.has_value());
    ByteWriter out;
    encode_match(*match, OfVersion::k13, out);
    const auto again = decode_match(out.bytes(), OfVersion::k13, true);
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_TRUE(*again == *match) << text;
  }
}

TEST(OxmText, RefusesWithASentence) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"foo(1)", "foo(1): unknown field `foo'"},
      {"NXM_OF_IN_PORT_W(0001/ffff)", "NXM_OF_IN_PORT_W(0001/ffff): unknown field `NXM_OF_IN_PORT_W'"},
      {"NXM_NX_REG0", "NXM_NX_REG0: missing ( at end of nx_match: expected it after the field's name"},
      {"NXM_NX_REG0(00000001", "NXM_NX_REG0(00000001: missing ) following field NXM_NX_REG0"},
      {"NXM_NX_REG0(zz)", "NXM_NX_REG0(zz): \"z\" is no hexadecimal digit"},
      {"NXM_NX_REG0(1)", "NXM_NX_REG0(1): expected pairs of hexadecimal digits"},
      {"NXM_NX_REG0(0001)", "NXM_NX_REG0(0001): expected 4 bytes, got 2"},
      {"NXM_NX_REG0_W(00000001)", "NXM_NX_REG0_W(00000001): expected a slash and a mask"},
      {"NXM_NX_REG0(00000001/00000001)",
       "NXM_NX_REG0(00000001/00000001): a mask needs the name NXM_NX_REG0_W, if the field takes one"},
  };
  for (const auto& [text, message] : cases) {
    const auto bytes = parse_oxm_text(text);
    ASSERT_FALSE(bytes.has_value()) << text;
    EXPECT_EQ(bytes.error().message, message);
  }
}

TEST(OxmText, NothingIsAny) {
  EXPECT_EQ(format_oxm_text({}), "<any>");
  EXPECT_TRUE(parse_oxm_text("<any>")->empty());
}

TEST(OfErrors, EveryCodeHasItsOwnName) {
  std::vector<std::string_view> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(OfError::FmfcBadPriority); ++i) {
    const auto name = of_error_name(static_cast<OfError>(i));
    EXPECT_TRUE(name.starts_with("OFP") || name.starts_with("NX")) << name;
    for (const auto other : names) EXPECT_NE(name, other);
    names.push_back(name);
  }
  EXPECT_EQ(of_error(fail("x", OfError::BmcDupField).value()), OfError::BmcDupField);
  EXPECT_EQ(of_error(fail("x").value()), std::nullopt);
}

}  // namespace
}  // namespace sluice::field
