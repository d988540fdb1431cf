// Values of fields as text: what ovs-ofctl reads and prints, and what we say about the rest.
#include <gtest/gtest.h>

#include <string>

#include "field/field.h"

namespace sluice::field {
namespace {

struct Case {
  FieldId field;
  std::string_view text;
  FieldValue value, mask;
  std::string_view printed;
};

class Reads : public ::testing::TestWithParam<Case> {};
TEST_P(Reads, AndPrints) {
  const Case& c = GetParam();
  const auto parsed = parse_value(spec(c.field), c.text);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(format_hex(parsed->value), format_hex(c.value));
  EXPECT_EQ(format_hex(parsed->mask), format_hex(c.mask));
  EXPECT_EQ(format_value(spec(c.field), parsed->value, parsed->mask), c.printed);
}
void PrintTo(const Case& c, std::ostream* out) {
  *out << spec(c.field).name << "=" << c.text;
}

using enum FieldId;
const Case kCases[] = {
    {Reg0, "5", 5, ones(32), "0x5"},
    {Reg0, "0", 0, ones(32), "0"},
    {Reg0, "0x10/0xf0", 0x10, 0xf0, "0x10/0xf0"},
    {Reg0, "0xff/0x0f", 0x0f, 0x0f, "0xf/0xf"},
    {Reg0, "010", 8, ones(32), "0x8"},
    {Reg0, "*", 0, 0, "*"},
    {Xxreg0, "0x0123456789abcdef0123456789abcdef", FieldValue{0x0123456789abcdef} << 64 | 0x0123456789abcdef,
     ones(128), "0x123456789abcdef0123456789abcdef"},
    {CtLabel, "340282366920938463463374607431768211455", ones(128), ones(128),
     "0xffffffffffffffffffffffffffffffff"},
    {CtState, "+trk-new", 0x20, 0x21, "-new+trk"},
    {CtState, "new|trk", 0x21, 0xff, "new|trk"},
    {CtState, "0", 0, 0xff, "0"},
    {CtState, "0x21", 0x21, 0xff, "new|trk"},
    {CtState, "0x21/0x21", 0x21, 0x21, "+new+trk"},
    {CtState, "0x1|trk", 0x21, 0xff, "new|trk"},
    {CtState, "+trk+new-est-rel-rpl-inv-snat-dnat", 0x21, 0xff, "new|trk"},
    {TcpFlags, "+syn-ack", 0x02, 0x12, "+syn-ack"},
    {TcpFlags, "syn|ack", 0x12, 0xfff, "syn|ack"},
    {TcpFlags, "[800]", 0x800, 0xfff, "[800]"},
    {TcpFlags, "+[800]+ns", 0x900, 0x900, "+ns+[800]"},
    {TunFlags, "oam", 1, 1, "oam"},
    {TunFlags, "-oam", 0, 1, "0"},
    {Ipv4Src, "10.0.0.1", 0x0a000001, ones(32), "10.0.0.1"},
    {Ipv4Src, "10.1.2.3/8", 0x0a000000, 0xff000000, "10.0.0.0/8"},
    {Ipv4Src, "1.2.3.4/255.255.0.255", 0x01020004, 0xffff00ff, "1.2.0.4/255.255.0.255"},
    {Ipv6Src, "fe80::1/64", FieldValue{0xfe80} << 112, ~ones(64), "fe80::/64"},
    {Ipv6Src, "::1/ffff::ffff", 1, FieldValue{0xffff} << 112 | 0xffff, "::1/ffff::ffff"},
    {EthSrc, "1:2:3:4:5:6", 0x010203040506, ones(48), "01:02:03:04:05:06"},
    {EthDst, "01:00:00:00:00:00/01:00:00:00:00:00", 0x010000000000, 0x010000000000,
     "01:00:00:00:00:00/01:00:00:00:00:00"},
    {IpFrag, "no", 0, 3, "no"},
    {IpFrag, "yes", 1, 1, "yes"},
    {IpFrag, "first", 1, 3, "first"},
    {IpFrag, "later", 3, 3, "later"},
    {IpFrag, "not_later", 0, 2, "not_later"},
    {IpDscp, "255", 0xfc, 0xfc, "252"},
    {DlVlan, "0xffff", 0xffff, 0xfff, "65535"},
    {VlanVid, "0x1005", 0x1005, 0x1fff, "4101"},
    {VlanVid, "5/7", 5, 7, "5/0x7"},
    {TcpDst, "0x50/0xfff0", 0x50, 0xfff0, "80/0xfff0"},
    {InPort, "LOCAL", 0xfffe, 0xffff, "LOCAL"},
    {InPort, "in_port", 0xfff8, 0xffff, "IN_PORT"},
    {InPortOxm, "65534", 0xfffffffe, ones(32), "LOCAL"},
    {ActsetOutput, "UNSET", 0xfffffff7, ones(32), "UNSET"},
    {PacketType, "(1,0x800)", 0x10800, ones(32), "(1,0x800)"},
    {PacketType, "(0,5)", 5, ones(32), "(0,5)"},
    {Metadata, "18446744073709551615", ones(64), ones(64), "0xffffffffffffffff"},
    {Ipv6Label, "0x123/0xfff", 0x123, 0xfff, "0x123/0xfff"},
};
INSTANTIATE_TEST_SUITE_P(Values, Reads, ::testing::ValuesIn(kCases));

struct WrongCase {
  FieldId field;
  std::string_view text, message;
};
class Refuses : public ::testing::TestWithParam<WrongCase> {};
TEST_P(Refuses, WithASentence) {
  const WrongCase& c = GetParam();
  const auto parsed = parse_value(spec(c.field), c.text);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().message, c.message);
}
void PrintTo(const WrongCase& c, std::ostream* out) {
  *out << spec(c.field).name << "=" << c.text;
}

const WrongCase kWrong[] = {
    {CtZone, "70000", "70000: value too large for 2-byte field ct_zone: expected at most 65535"},
    {CtZone, "5/7", "ct_zone=5/7: this field takes no mask"},
    {CtState, "+foo",
     "foo: unknown ct_state flag(s): expected one of new, est, rel, rpl, inv, trk, snat, dnat"},
    {CtState, "+trk+trk", "ct_state=+trk+trk: flag \"trk\" is given twice"},
    {CtState, "0x100", "ct_state=0x100: 0x100 has bits beyond 0xff"},
    {CtState, "trk+est", "ct_state=trk+est: write either +a-b (these flags) or a|b (exactly these)"},
    {CtState, "0x1/0x101", "ct_state=0x1/0x101: has bits beyond 0xff"},
    {TcpFlags, "0x1000", "tcp_flags=0x1000: 0x1000 has bits beyond 0xfff"},
    {Reg0, "", "reg0 needs a value"},
    {Reg0, "abc", "abc: bad syntax for reg0 value: expected decimal or 0x and hexadecimal digits"},
    {Reg0, "0xffffffffff",
     "0xffffffffff: value too large for 4-byte field reg0: expected at most 4294967295"},
    {Reg0, "1/", "reg0=1/: mask \"\" is no number"},
    {Reg0, "1/0x1ffffffff", "reg0=1/0x1ffffffff: mask too large: at most 32 bits"},
    {Xreg0, "0x10000000000000000",
     "0x10000000000000000: value too large for 8-byte field xreg0: expected at most 64 bits"},
    {Ipv4Src, "1.2.3", "1.2.3: invalid IP address: expected one as in 10.0.0.1 or 10.0.0.0/8"},
    {Ipv4Src, "1.2.3.4/33",
     "ip_src=1.2.3.4/33: expected a prefix length from 0 to 32 or a dotted mask after the slash"},
    {Ipv6Src, "::1/129",
     "ipv6_src=::1/129: expected a prefix length from 0 to 128 or an IPv6 mask after the slash"},
    {EthSrc, "00:01", "00:01: invalid Ethernet address: expected one as in 0a:1b:2c:3d:4e:5f"},
    {IpFrag, "1", "ip_frag=1: expected no, yes, first, later or not_later"},
    {InPort, "eth9",
     "eth9: invalid or unknown port for in_port: expected a port number, a name such as LOCAL, or the name "
     "of "
     "a port of the bridge"},
    {InPort, "70000",
     "70000: invalid or unknown port for in_port: expected a port number, a name such as LOCAL, or the name "
     "of "
     "a port of the bridge"},
    {PacketType, "0x10800", "packet_type=0x10800: expected (namespace,type), as in (1,0x800)"},
    {MplsBos, "2", "2: value too large for 1-byte field mpls_bos: expected at most 1"},
    {DlVlan, "4096", "4096: value too large for 2-byte field dl_vlan: expected at most 4095"},
    {ArpOp, "256", "256: value too large for 2-byte field arp_op: expected at most 255"},
};
INSTANTIATE_TEST_SUITE_P(Values, Refuses, ::testing::ValuesIn(kWrong));

class Ports : public NameResolver {
 public:
  std::optional<std::uint32_t> port_number(std::string_view name) const override {
    if (name == "inside") return 1;
    if (name == "veth-out.0") return 2;
    return std::nullopt;
  }
  std::optional<std::string> port_name(std::uint32_t port) const override {
    if (port == 1) return "inside";
    if (port == 2) return "veth-out.0";
    return std::nullopt;
  }
};

TEST(PortNames, AreReadPlainOrQuotedAndPrintedQuotedIfTheyNeedIt) {
  const Ports ports;
  EXPECT_EQ(parse_port("inside", &ports), 1u);
  EXPECT_EQ(parse_port("\"veth-out.0\"", &ports), 2u);
  EXPECT_EQ(parse_port("nowhere", &ports), std::nullopt);
  EXPECT_EQ(parse_port("inside"), std::nullopt);
  EXPECT_EQ(format_port(1, &ports), "inside");
  EXPECT_EQ(format_port(2, &ports), "\"veth-out.0\"");
  EXPECT_EQ(format_port(3, &ports), "3");
  EXPECT_EQ(format_port(0xffffff00), "65280");
  EXPECT_EQ(parse_port("65280"), 0xffffff00u);
  EXPECT_EQ(parse_port("65536"), std::nullopt);
  EXPECT_EQ(parse_port("controller"), 0xfffffffdu);
}

struct WrongSubfield {
  std::string_view text, message;
};
TEST(Subfields, AreRefusedWithASentence) {
  const WrongSubfield cases[] = {
      {"foo[]", "foo[]: unknown field `foo'"},
      {"reg0[32]", "reg0[32]: there is no bit 32, reg0 is 32 bits wide"},
      {"reg0[0..40]", "reg0[0..40]: there is no bit 40, reg0 is 32 bits wide"},
      {"reg0[5..3]", "reg0[5..3]: starting bit 5 is after ending bit 3"},
      {"reg0[a]", "reg0[a]: expected [], [bit] or [start..end] after the field's name"},
      {"reg0[0..", "reg0[0..: expected [], [bit] or [start..end] after the field's name"},
      {"", ": unknown field `'"},
  };
  for (const WrongSubfield& c : cases) {
    const auto parsed = parse_subfield(c.text);
    ASSERT_FALSE(parsed.has_value()) << c.text;
    EXPECT_EQ(parsed.error().message, c.message);
  }
}

TEST(Subfields, PrintTheirNiciraName) {
  EXPECT_EQ(format_subfield({FieldId::Ipv4Src, 0, 32}), "NXM_OF_IP_SRC[]");
  EXPECT_EQ(format_subfield({FieldId::TcpFlags, 0, 12}), "NXM_NX_TCP_FLAGS[]");
  EXPECT_EQ(format_subfield({FieldId::ActsetOutput, 0, 16}), "ONFOXM_ET_ACTSET_OUTPUT[0..15]");
  EXPECT_EQ(format_subfield({FieldId::VlanVid, 0, 12}), "OXM_OF_VLAN_VID[]");
  EXPECT_EQ(format_subfield({FieldId::Reg3, 7, 1}), "NXM_NX_REG3[7]");
}

}  // namespace
}  // namespace sluice::field
