// Matches as OXM and NXM against `ovs-ofctl parse-nxm` and `parse-oxm`: what we decode and encode of
// generated fields, right and wrong ones, is what they print.
#include <gtest/gtest.h>

#include <ostream>

#include "field/of_error.h"
#include "field/oxm.h"
#include "tests/differential/match_generator.h"
#include "tests/differential/ovs_tool.h"

namespace sluice::testing {
namespace {

using field::OfVersion;

struct Dialect {
  const char* name;
  const char* command;
  OfVersion version;
};
void PrintTo(const Dialect& dialect, std::ostream* out) {
  *out << dialect.name;
}

/// What the tool does with a line: the canonical text of the match, or the error.
std::string ours(const std::string& line, OfVersion version, bool strict) {
  const auto bytes = field::parse_oxm_text(line);
  if (!bytes) return "no text: " + bytes.error().message;
  const auto match = field::decode_match(*bytes, version, strict);
  if (!match) {
    const auto code = field::of_error(match.error());
    return "nx_pull_match() returned error " +
           std::string(code ? field::of_error_name(*code) : "without a code");
  }
  ByteWriter out;
  field::encode_match(*match, version, out);
  return field::format_oxm_text(out.bytes());
}

/// One TLV as text under any of the field's names.
std::string item(Rng& rng, const field::FieldSpec& f, const field::ValueMask& v) {
  ByteWriter out;
  // Any version may be given: each has its own identifier for the field.
  const auto version = static_cast<OfVersion>(1 + rng.below(6));
  field::encode_field(f, v.value, v.mask, version, out);
  return field::format_oxm_text(out.bytes());
}

/// The fields of a generated match in an order in which prerequisites come first, each under a random name.
std::string random_line(MatchGenerator& generate) {
  const flow::Match match = generate.match();
  ByteWriter out;
  field::encode_match(match, OfVersion::k10, out);
  std::string line;
  ByteReader in(out.bytes());
  while (in.remaining() > 0) {
    const auto one = field::decode_field(in);
    if (!one) return "undecodable: " + one.error().message;
    if (!line.empty()) line += ", ";
    line += item(generate.rng(), *one->spec, one->value);
  }
  return line.empty() ? "<any>" : line;
}

void compare(const Dialect& dialect, const std::vector<std::string>& lines, bool strict) {
  std::string errors;
  const auto theirs =
      run_ovs_ofctl((strict ? "--strict " : "") + std::string(dialect.command) + " < @", lines, &errors);
  ASSERT_EQ(theirs.size(), lines.size()) << errors.substr(0, 2000);
  unsigned wrong = 0;
  for (std::size_t i = 0; i < lines.size() && wrong < 20; ++i) {
    const std::string got = ours(lines[i], dialect.version, strict);
    if (got != theirs[i]) ++wrong;
    EXPECT_EQ(got, theirs[i]) << "input: " << lines[i];
  }
}

class FieldOxm : public ::testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  }
};

TEST_P(FieldOxm, GeneratedMatchesDecodeAndEncodeAsInOvs) {
  MatchGenerator generate(11, {.vlan_tci = false});
  std::vector<std::string> lines;
  for (int i = 0; i < 2000; ++i) lines.push_back(random_line(generate));
  compare(GetParam(), lines, true);
}

/// Every field by itself with what it needs, exact and with masks.
TEST_P(FieldOxm, EveryFieldDecodesAndEncodesAsInOvs) {
  MatchGenerator generate(12);
  std::vector<std::string> lines;
  for (const field::FieldSpec& f : field::all_fields()) {
    if (!f.nxm.exists() && !f.oxm.exists()) continue;
    if (f.id == field::FieldId::VlanTci || f.id == field::FieldId::PacketType) continue;
    for (int i = 0; i < 12; ++i) {
      flow::Match match;
      const std::string needs = [&]() -> std::string {
        switch (f.needs) {
          case field::Prereq::Arp:
            return "arp";
          case field::Prereq::Vlan:
            return "vlan_vid=0x1005";
          case field::Prereq::Ipv4:
            return "ip";
          case field::Prereq::Ipv6:
            return "ipv6";
          case field::Prereq::Ip:
            return i % 2 == 0 ? "ip" : "ipv6";
          case field::Prereq::Mpls:
            return "mpls";
          case field::Prereq::Tcp:
            return i % 2 == 0 ? "tcp" : "tcp6";
          case field::Prereq::Udp:
            return i % 2 == 0 ? "udp" : "udp6";
          case field::Prereq::Sctp:
            return i % 2 == 0 ? "sctp" : "sctp6";
          case field::Prereq::Icmpv4:
            return "icmp";
          case field::Prereq::Icmpv6:
            return "icmp6";
          case field::Prereq::Nd:
          case field::Prereq::NdSolicit:
            return "icmp6,icmp_type=135,icmp_code=0";
          case field::Prereq::NdAdvert:
            return "icmp6,icmp_type=136,icmp_code=0";
          case field::Prereq::CtTracked:
            return "ct_state=+trk-inv";
          case field::Prereq::CtTrackedIpv4:
            return "ip,ct_state=+trk-inv";
          case field::Prereq::CtTrackedIpv6:
            return "ipv6,ct_state=+trk-inv";
          case field::Prereq::CtTrackedPorts:
            return "ip,ct_state=+trk-inv,ct_nw_proto=6";
          default:
            return "";
        }
      }();
      const auto base = field::parse_match(needs);
      ASSERT_TRUE(base.has_value()) << needs;
      match = *base;
      ASSERT_TRUE(field::prerequisites_met(f.needs, match)) << f.name;
      field::ValueMask v = generate.value_of(f);
      if (f.id == field::FieldId::CtNwProto && v.value == 0)
        v.value = 1;  // 0 counts as no match in ovs-ofctl
      field::set_match(match, f.id, v.value, v.mask);
      ByteWriter out;
      field::encode_match(match, GetParam().version, out);
      lines.push_back(out.size() == 0 ? "<any>" : field::format_oxm_text(out.bytes()));
    }
  }
  compare(GetParam(), lines, true);
}

/// Values and masks with bits that they may not have, fields twice, fields without what they need.
TEST_P(FieldOxm, WrongFieldsGiveTheSameErrors) {
  MatchGenerator generate(13, {.vlan_tci = false});
  Rng& rng = generate.rng();
  std::vector<std::string> lines;
  for (int i = 0; i < 3000; ++i) {
    const field::FieldSpec& f = field::all_fields()[rng.below(field::kFieldCount)];
    if ((!f.nxm.exists() && !f.oxm.exists()) || f.id == field::FieldId::PacketType ||
        f.id == field::FieldId::VlanTci || f.needs == field::Prereq::CtTrackedPorts)
      continue;
    // The installed programs let unknown bits of these masks pass; Sluice refuses them.
    const bool loose_mask = f.id == field::FieldId::CtState || f.id == field::FieldId::TunFlags ||
                            f.id == field::FieldId::Ipv6Label || f.id == field::FieldId::TcpFlags ||
                            f.id == field::FieldId::VlanVid || f.id == field::FieldId::IpFrag;
    const field::FieldValue wire = field::ones(8u * f.wire_bytes);
    const field::FieldValue value = (field::FieldValue{rng.next()} << 64 | rng.next()) & wire;
    field::FieldValue mask = wire;
    if (f.mask == field::MaskPolicy::Bitwise && !loose_mask && rng.chance(50))
      mask = (field::FieldValue{rng.next()} << 64 | rng.next()) & wire;
    const auto& id = rng.chance(50) && f.oxm.exists() ? f.oxm : f.nicira_id();
    const bool masked = mask != wire;
    const auto hex = [&](field::FieldValue v) {
      std::string text;
      for (unsigned byte = f.wire_bytes; byte-- > 0;)
        for (const unsigned shift : {4u, 0u})
          text += "0123456789abcdef"[static_cast<unsigned>(v >> (8 * byte + shift)) & 15];
      return text;
    };
    std::string line = random_line(generate);
    if (line == "<any>") line.clear();
    line += (line.empty() ? "" : ", ") + std::string(id.name) + (masked ? "_W(" : "(") + hex(value) +
            (masked ? "/" + hex(mask) : "") + ")";
    lines.push_back(line);
  }
  compare(GetParam(), lines, true);
}

INSTANTIATE_TEST_SUITE_P(Dialects, FieldOxm,
                         ::testing::Values(Dialect{"Nxm", "parse-nxm", OfVersion::k10},
                                           Dialect{"Oxm12", "parse-oxm OpenFlow12", OfVersion::k12},
                                           Dialect{"Oxm13", "parse-oxm OpenFlow13", OfVersion::k13},
                                           Dialect{"Oxm14", "parse-oxm OpenFlow14", OfVersion::k14},
                                           Dialect{"Oxm15", "parse-oxm OpenFlow15", OfVersion::k15}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace sluice::testing
