// Actions through their public surface: text, wire vectors, errors, checks, translation.
#include "action/action.h"

#include <gmock/gmock.h>

#include "action/all_actions.h"
#include "action/flow_spec.h"
#include "action/translation.h"
#include "field/match_text.h"
#include "tests/differential/action_generator.h"

namespace sluice::action {
namespace {

using field::FieldId;
using field::OfError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint8_t> bytes_of(std::string_view hex_text) {
  std::vector<std::uint8_t> bytes;
  std::string digits;
  for (const char c : hex_text)
    if (c != ' ') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::vector<std::uint8_t> encoded(const std::string& text, OfVersion version) {
  const auto list = parse_actions(text);
  EXPECT_TRUE(list.has_value()) << text;
  ByteWriter out;
  if (list) encode_actions(*list, version, out);
  return out.take();
}

std::string error_of(const std::string& text) {
  const auto list = parse_actions(text);
  return list ? "no error: " + format_actions(*list) : list.error().message;
}

std::uint32_t code(OfError error) {
  return static_cast<std::uint32_t>(error) + 1;
}

/// The error of decoding, 0 if it decodes.
std::uint32_t decode_error(std::string_view hex_text, OfVersion version = OfVersion::k10) {
  const auto list = decode_actions(bytes_of(hex_text), version);
  return list ? 0 : list.error().of_error;
}

std::uint32_t check_error(const std::string& match, const std::string& actions,
                          OfVersion version = OfVersion::k15) {
  const auto parsed = field::parse_match(match);
  const auto list = parse_actions(actions);
  EXPECT_TRUE(parsed && list) << match << " " << actions;
  if (!parsed || !list) return 0xffff;
  const Status status = check(*list, *parsed, {.version = version});
  return status ? 0 : status.error().of_error;
}

// --- Wire vectors of the ct action (OpenFlow 1.0)

struct CtVector {
  std::string text, bytes;
};
const CtVector kCtVectors[] = {
    {"ct()", "ffff 0018 00002320 0023 0000 00000000 0000 ff 000000 0000"},
    {"ct(commit)", "ffff 0018 00002320 0023 0001 00000000 0000 ff 000000 0000"},
    {"ct(commit,force)", "ffff 0018 00002320 0023 0003 00000000 0000 ff 000000 0000"},
    {"ct(table=10)", "ffff 0018 00002320 0023 0000 00000000 0000 0a 000000 0000"},
    {"ct(zone=10)", "ffff 0018 00002320 0023 0000 00000000 000a ff 000000 0000"},
    {"ct(zone=NXM_NX_REG0[0..15])", "ffff 0018 00002320 0023 0000 00010004 000f ff 000000 0000"},
    {"ct(alg=ftp)", "ffff 0018 00002320 0023 0000 00000000 0000 ff 000000 0015"},
    {"ct(commit,exec(load:0xf009->NXM_NX_CT_MARK[]))",
     "ffff 0030 00002320 0023 0001 00000000 0000 ff 000000 0000"
     "ffff 0018 00002320 0007 001f 0001d604 000000000000f009"},
    {"ct(nat)",
     "ffff 0028 00002320 0023 0000 00000000 0000 ff 000000 0000 ffff 0010 00002320 0024 0000 0000 0000"},
    {"ct(commit,nat(src=1.2.3.4-1.2.3.9:10-20,persistent,random))",
     "ffff 0038 00002320 0023 0001 00000000 0000 ff 000000 0000"
     "ffff 0020 00002320 0024 0000 0015 0033 01020304 01020309 000a 0014 00000000"},
    {"ct(commit,nat(dst=[fe80::1]:80,hash))",
     "ffff 0040 00002320 0023 0001 00000000 0000 ff 000000 0000"
     "ffff 0028 00002320 0024 0000 000a 0014 fe800000000000000000000000000001 0050 000000000000"},
    {"ct_clear", "ffff 0010 00002320 002b 000000000000"},
};

TEST(CtWire, VectorsBothWays) {
  for (const CtVector& vector : kCtVectors) {
    EXPECT_EQ(encoded(vector.text, OfVersion::k10), bytes_of(vector.bytes)) << vector.text;
    const auto list = decode_actions(bytes_of(vector.bytes), OfVersion::k10);
    ASSERT_TRUE(list.has_value()) << vector.text << list.error().message;
    EXPECT_EQ(format_actions(*list), vector.text);
  }
}

TEST(CtWire, RegLoad2) {
  // What controllers write that know set_field of Nicira extensions: the field follows the header at once.
  const std::string bytes =
      "ffff 0030 00002320 0023 0001 00000000 0000 ff 000000 0000"
      "ffff 0018 00002320 0021 0001d708 00000050 000000ff 0000";
  for (const OfVersion version : {OfVersion::k10, OfVersion::k11, OfVersion::k14}) {
    const auto list = decode_actions(bytes_of(bytes), version);
    ASSERT_TRUE(list.has_value()) << list.error().message;
    EXPECT_EQ(format_actions(*list), "ct(commit,exec(set_field:0x50/0xff->ct_mark))");
  }
  EXPECT_EQ(decode_error(bytes, OfVersion::k15), code(OfError::BacBadExpType));
}

TEST(CtWire, LabelWritesOfEachVersion) {
  const std::string text = "ct(commit,exec(set_field:0x1d->ct_label))";
  const auto seen = [&](OfVersion version) {
    return format_actions(*as_seen_by(*parse_actions(text), version));
  };
  EXPECT_EQ(seen(OfVersion::k10),
            "ct(commit,exec(load:0x1d->NXM_NX_CT_LABEL[0..63],load:0->NXM_NX_CT_LABEL[64..127]))");
  EXPECT_EQ(seen(OfVersion::k13), text);
  EXPECT_EQ(seen(OfVersion::k15), text);
}

TEST(ActionErrors, PaddingIsZeroWhereOpenVSwitchLooks) {
  for (const char* bytes : {"ffff 0018 00002320 0025 000000000001 0000000800000005",    // controller2
                            "ffff 0018 00002320 001b 0000 00010004 0020 000000000001",  // push
                            "ffff 0010 00002320 0015 0001 00000001",                    // dec_ttl(…)
                            "ffff 0020 00002320 0029 0064 00000001 00000002 00000003 0001 00 0000000001"})
    EXPECT_EQ(decode_error(bytes, OfVersion::k13), code(OfError::BrcMustBeZero)) << bytes;
  const auto sampled = decode_actions(
      bytes_of("ffff 0020 00002320 0026 0064 00000001 00000002 00000003 0001 000000000001"), OfVersion::k13);
  EXPECT_TRUE(sampled) << "sample with a port";
}

TEST(CtWire, Errors) {
  const std::string ct = "ffff 0018 00002320 0023 ";
  EXPECT_EQ(decode_error(ct + "0002 00000000 0000 ff 000000 0000"), code(OfError::BacBadArgument)) << "force";
  EXPECT_EQ(decode_error(ct + "0000 00010004 001f ff 000000 0000"), code(OfError::BacBadSetLen))
      << "32-bit zone";
  EXPECT_EQ(decode_error(ct + "0000 00010004 07cf ff 000000 0000"), code(OfError::BacBadSetLen))
      << "outside the field";
  EXPECT_EQ(decode_error("ffff 0010 00002320 0024 0000 0000 0000"), code(OfError::BacBadSetArgument))
      << "nat outside";
  const std::string commit30 = "ffff 0030 00002320 0023 0001 00000000 0000 ff 000000 0000 ";
  EXPECT_EQ(decode_error(commit30 + "ffff 0018 00002320 0007 001f 00010004 0000000000000005"),
            code(OfError::BacBadArgument))
      << "nested write of reg0";
  EXPECT_EQ(decode_error(commit30 + "ffff 0018 00002320 0007 000f 0001d402 0000000000000005"),
            code(OfError::BacBadSetArgument))
      << "nested write of ct_zone";
  EXPECT_EQ(decode_error("ffff 0030 00002320 0023 0000 00000000 0000 ff 000000 0000 "
                         "ffff 0018 00002320 0007 001f 0001d604 0000000000000005"),
            code(OfError::BacBadArgument))
      << "exec without commit";
  EXPECT_EQ(decode_error("ffff 0030 00002320 0023 0000 00000000 0000 ff 000000 0000 " + ct +
                         "0000 00000000 0000 ff 000000 0000"),
            code(OfError::BacBadArgument))
      << "ct in ct";
  EXPECT_EQ(decode_error("ffff 0020 00002320 0023 0001 00000000 0000 ff 000000 0000 0000 0008 0001 0000"),
            code(OfError::BacBadArgument))
      << "output in ct";
  EXPECT_EQ(decode_error("ffff 0018 00002320 0007 001f 0001d604 0000000000000005"),
            code(OfError::BacBadSetArgument))
      << "ct_mark outside";
  const std::string nat =
      "ffff 0028 00002320 0023 0001 00000000 0000 ff 000000 0000 ffff 0010 00002320 0024 0000 ";
  for (const char* bad : {"0003 0000", "0018 0000", "0021 0000", "0001 0010", "0001 0002"})
    EXPECT_EQ(decode_error(nat + bad), code(OfError::BacBadArgument)) << bad;
}

TEST(CtCheck, NeedsOfTheMatch) {
  EXPECT_EQ(check_error("", "ct(commit)"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("arp", "ct"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ip", "ct(commit)"), 0u);
  EXPECT_EQ(check_error("ipv6", "ct(commit)"), 0u);
  EXPECT_EQ(check_error("ip,ct_state=+inv+trk", "ct(commit)"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ip,ct_state=+inv+trk", "ct"), 0u);
  EXPECT_EQ(check_error("ip", "ct(commit,alg=ftp)"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("tcp", "ct(commit,alg=ftp)"), 0u);
  EXPECT_EQ(check_error("tcp", "ct(alg=ftp)"), 0u) << "alg without commit is accepted";
  EXPECT_EQ(check_error("tcp", "ct(commit,alg=tftp)"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ip", "ct(zone=NXM_OF_TCP_SRC[])"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ipv6", "ct(commit,nat(src=1.2.3.4))"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ip", "ct(commit,nat(src=fe80::1))"), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("ip", "load:5->ct_state"), code(OfError::BacBadSetArgument));
  EXPECT_EQ(check_error("ip", "pop:ct_mark"), code(OfError::BacBadSetArgument));
  EXPECT_EQ(check_error("ip", "move:ct_mark->reg0"), 0u) << "reading is fine";
}

// --- Errors of text

TEST(ActionText, ErrorsNameTokenAndExpectation) {
  const std::pair<std::string, std::string> kErrors[] = {
      {"load:5", "5: missing `->'"},
      {"load:5->", "5->: missing field name following `->'"},
      {"set_field:5", "5: missing `->'"},
      {"set_field:5->foo", "foo is not a valid OXM field name"},
      {"set_field:5->ct_state", "ct_state is read-only"},
      {"load:0x1ff->reg0[0..7]", "0x1ff->reg0[0..7]: value 0x1ff does not fit into 8 bits"},
      {"load:zz->reg0", "zz->reg0: cannot parse integer value"},
      {"ct(table=255)", "invalid table 0xff"},
      {"ct(foo=5)", "invalid argument to \"ct\" action: `foo'"},
      {"ct(alg=x)", "invalid conntrack helper \"x\""},
      {"ct(force)", "\"force\" flag requires \"commit\" flag."},
      {"ct(commit,exec(output:1))", "ct action doesn't support nested action output"},
      {"ct(commit,exec(set_field:1->reg0))", "ct action doesn't support nested modification of reg0"},
      {"ct(commit,exec(ct))", "ct action doesn't support nested action ct"},
      {"ct(commit,nat(random))", "Flags allowed only with \"src\" or \"dst\"."},
      {"ct(commit,nat(src,dst))", "May only specify one of \"src\" or \"dst\"."},
      {"ct(commit,nat(src=1.2.3.4-1.2.3.1))", "invalid nat range \"1.2.3.4-1.2.3.1\""},
      {"ct(commit,nat(src=1.2.3.4:70000))", "invalid nat range \"1.2.3.4:70000\""},
      {"ct(commit,nat(dst=1.2.3.4x))", "garbage (x) after nat range \"1.2.3.4x\" (pos: 7)"},
      {"nat", "Cannot have NAT action outside of \"ct\" action"},
      {"foo", "unknown action foo"},
      {"65536", "unknown action 65536"},
      {"output:foo", "foo: output to unknown port"},
      {"output(port=1,max_len=5)", "max_len 5 is less than the minimum value 14"},
      {"output(port=controller,max_len=100)", "output to unsupported truncate port: CONTROLLER"},
      {"resubmit(,)", "at least one \"in_port\" or \"table\" must be specified on resubmit"},
      {"resubmit(1,2,3)", "3: unknown parameter"},
      {"goto_table:3,output:1",
       "invalid instruction ordering: apply_actions must appear before goto_table, for OpenFlow 1.1+ "
       "compatibility"},
      {"goto_table:3,goto_table:4", "duplicate goto_table instruction not allowed"},
      {"drop,output:1", "\"drop\" must not be accompanied by any other action or instruction"},
      {"apply_actions(output:1)", "apply_actions is the default instruction"},
      {"write_actions(write_actions(output:1))", "write_actions instruction not allowed here"},
      {"note:0", "bad hex digit in `note' argument"},
      {"enqueue:1", "\"enqueue\" syntax is \"enqueue:PORT:QUEUE\" or \"enqueue(PORT,QUEUE)\""},
      {"push_vlan:0x8000", "0x8000: not a valid VLAN ethertype"},
      {"mod_vlan_vid:4096", "4096: not a valid VLAN VID"},
      {"mod_nw_tos:3", "3: not a valid TOS"},
      {"mod_nw_ecn:4", "4: not a valid ECN"},
      {"mod_tp_src:70000", "invalid source port \"70000\""},
      {"set_mpls_label:1048576", "1048576: not a valid MPLS label"},
      {"move:reg0[]", "reg0[]: missing `->' following source"},
      {"move:reg0[]->reg1[0..3]", "source field is 32 bits wide but destination is 4 bits wide"},
      {"controller(foo)", "unknown key \"foo\" parsing controller action"},
      {"controller(reason=foo)", "unknown reason \"foo\""},
      {"check_pkt_larger(1500)->reg0", "Only 1-bit destination field is allowed"},
      {"sample()", "non-zero \"probability\" must be specified on sample"},
      {"conjunction(5,3/2)", "clause index must be less than or equal to number of clauses"},
      {"conjunction(5,1/2),output:1", "(such as the \"output\" action used here)"},
      {"learn(table=255)", "table id 255 not valid for `learn' action"},
      {"learn(foo=5)", "unknown keyword foo"},
      {"learn(reg0[0..7]=reg1[0..3])", "bit widths of reg0[0..7] (8) and reg1[0..3] (4) differ"},
      {"delete_field:reg0", "expected tun_metadata0 to tun_metadata63"},
      {"multipath(eth_src,50,modulo_n,100,0,reg0[0..3])",
       "4-bit destination field has 16 possible values, less than specified n_links 100"},
      {"bundle(eth_src,0,hrw,ofport,foo:4)", "missing member delimiter, expected `members', got `foo'"},
  };
  for (const auto& [text, expected] : kErrors) EXPECT_THAT(error_of(text), HasSubstr(expected)) << text;
}

TEST(ActionText, NestingIsBounded) {
  std::string text = "output:1";
  for (int i = 0; i < 1000; ++i) text = "clone(" + text + ")";
  EXPECT_THAT(error_of(text), HasSubstr("nested deeper than 16"));
}

TEST(ActionText, DropIsTheEmptyList) {
  EXPECT_TRUE(parse_actions("drop")->empty());
  EXPECT_TRUE(parse_actions("")->empty());
  EXPECT_EQ(format_actions({}), "drop");
}

// --- Round trips

// text -> value -> wire -> value -> text: the second reading finds what the first wrote, in every version.
TEST(ActionRoundTrip, GeneratedLists) {
  testing::ActionGenerator generator(42);
  for (unsigned i = 0; i < 3000; ++i) {
    const std::string line = generator.flow(4, false).line();
    const auto flow = parse_flow(line);
    ASSERT_TRUE(flow.has_value()) << line << ": " << flow.error().message;
    const auto reparsed = parse_flow(format_flow(*flow));
    ASSERT_TRUE(reparsed.has_value()) << format_flow(*flow);
    EXPECT_EQ(format_flow(*reparsed), format_flow(*flow));
    EXPECT_TRUE(reparsed->actions == flow->actions) << line;
    for (std::uint8_t v = 1; v <= 6; ++v) {
      const auto version = static_cast<OfVersion>(v);
      auto seen = as_seen_by(flow->actions, version);
      ASSERT_TRUE(seen.has_value()) << line << ": " << seen.error().message;
      settle(*seen, flow->match);
      const auto again = as_seen_by(*seen, version);
      ASSERT_TRUE(again.has_value()) << line;
      EXPECT_EQ(format_actions(*again), format_actions(*seen)) << line;
    }
  }
}

TEST(ActionRoundTrip, MutatedBytesNeverCrash) {
  testing::ActionGenerator generator(7);
  Rng& rng = generator.rng();
  unsigned decoded = 0;
  for (unsigned i = 0; i < 5000; ++i) {
    const auto flow = parse_flow(generator.flow(3, false).line());
    ASSERT_TRUE(flow.has_value());
    const auto version = static_cast<OfVersion>(1 + rng.below(6));
    ByteWriter out;
    encode_actions(flow->actions, version, out);
    std::vector<std::uint8_t> bytes = out.take();
    if (bytes.empty()) continue;
    for (auto n = 1 + rng.below(3); n > 0; --n)
      bytes[rng.below(bytes.size())] = static_cast<std::uint8_t>(rng.next());
    if (const auto list = decode_actions(bytes, version)) {
      ++decoded;
      (void)format_actions(*list);
      (void)check(*list, flow->match);
    } else {
      EXPECT_NE(list.error().of_error, 0u) << list.error().message;
    }
  }
  EXPECT_GT(decoded, 500u);
}

TEST(ActionRoundTrip, MutatedTextIsRefusedOrUnderstood) {
  testing::ActionGenerator generator(11);
  Rng& rng = generator.rng();
  constexpr std::string_view kAlphabet = "()[],:=/->.x0159abfregctnatip \"";
  unsigned understood = 0;
  for (unsigned i = 0; i < 5000; ++i) {
    std::string line = generator.flow(3, false).line();
    for (auto n = 1 + rng.below(3); n > 0 && !line.empty(); --n) {
      const auto at = rng.below(line.size());
      if (rng.chance(30))
        line.erase(at, 1 + rng.below(4));
      else if (rng.chance(50))
        line[at] = kAlphabet[rng.below(kAlphabet.size())];
      else
        line.insert(at, 1, kAlphabet[rng.below(kAlphabet.size())]);
    }
    const auto flow = parse_flow(line);
    if (!flow) {
      EXPECT_FALSE(flow.error().message.empty()) << line;
      continue;
    }
    ++understood;
    const std::string printed = format_flow(*flow);
    const auto again = parse_flow(printed);
    ASSERT_TRUE(again.has_value()) << line << " printed as " << printed << ": " << again.error().message;
    EXPECT_EQ(format_flow(*again), printed) << line;
  }
  EXPECT_GT(understood, 50u);
}

// --- Checks

TEST(ActionCheck, OpenFlow10ForgivesWhat11Refuses) {
  const std::pair<std::string, std::string> kSoft[] = {{"", "mod_nw_src:1.2.3.4"},
                                                       {"", "mod_tp_dst:5"},
                                                       {"", "strip_vlan"},
                                                       {"", "dec_ttl"},
                                                       {"", "set_vlan_pcp:3"}};
  for (const auto& [match, actions] : kSoft) {
    EXPECT_EQ(check_error(match, actions, OfVersion::k10), 0u) << actions;
    EXPECT_EQ(check_error(match, actions, OfVersion::k11), code(OfError::BacMatchInconsistent)) << actions;
  }
  EXPECT_EQ(check_error("", "mod_vlan_vid:5,set_vlan_pcp:3"), 0u) << "a tag pushed on the way";
  EXPECT_EQ(check_error("", "push_mpls:0x8847,set_mpls_ttl:3"), 0u);
}

TEST(ActionCheck, TagsAreAStack) {
  constexpr auto kInconsistent = [] { return code(OfError::BacMatchInconsistent); };
  EXPECT_EQ(check_error("dl_vlan=3", "push_vlan:0x8100,strip_vlan,set_field:4101->vlan_vid"), 0u);
  EXPECT_EQ(check_error("", "push_vlan:0x8100,push_vlan:0x8100,strip_vlan,set_field:4101->vlan_vid"), 0u);
  EXPECT_EQ(check_error("", "push_vlan:0x8100,strip_vlan,set_field:4101->vlan_vid"), kInconsistent());
  EXPECT_EQ(check_error("dl_vlan=3", "strip_vlan,set_field:4101->vlan_vid"), kInconsistent());
}

TEST(ActionCheck, HardErrorsInEveryVersion) {
  EXPECT_EQ(check_error("", "set_field:1.2.3.4->ip_src", OfVersion::k10),
            code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("", "move:ip_src->reg0", OfVersion::k10), code(OfError::BacMatchInconsistent));
  EXPECT_EQ(check_error("", "output:none", OfVersion::k10), code(OfError::BacBadOutPort));
  EXPECT_EQ(check_error("", "enqueue(all,1)", OfVersion::k10), code(OfError::BacBadOutPort));
  EXPECT_EQ(check_error("", "group:0xffffff01", OfVersion::k10), code(OfError::BacBadOutGroup));
  EXPECT_EQ(check_error("", "resubmit(,4,ct)", OfVersion::k10), code(OfError::BacMatchInconsistent));
  const auto list = parse_actions("goto_table:3");
  EXPECT_EQ(check(*list, {}, {.table = 5}).error().of_error, code(OfError::BicBadTableId));
  EXPECT_TRUE(check(*list, {}, {.table = 2}).has_value());
}

TEST(ActionCheck, NotYetSupported) {
  const std::pair<std::string, std::string> kRefused[] = {
      {"encap(nsh)", "encap of anything but ethernet is not yet supported"},
      {"clone(encap(mpls))", "encap of anything but ethernet is not yet supported"},
      {"write_actions(dec_nsh_ttl)", "the dec_nsh_ttl action is not yet supported"},
  };
  for (const auto& [text, expected] : kRefused) {
    const Status status = check_executable(*parse_actions(text));
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().message, expected);
  }
  EXPECT_TRUE(
      check_executable(*parse_actions("ct(commit,exec(load:1->ct_mark)),resubmit(,3),clone(output:2),exit"))
          .has_value());
}

// --- Translation

/// Writes down what it is asked, and keeps a key.
class FakeTranslation : public Translation {
 public:
  flow::FlowKey packet;
  std::vector<std::string> log;
  bool ttl_left = true;
  std::vector<FieldId> absent;

  const flow::FlowKey& key() const override { return packet; }
  field::FieldValue read(const field::Subfield& sub) override {
    log.push_back("read " + field::format_subfield(sub));
    return field::get(packet, sub);
  }
  void write(const field::Subfield& sub, field::FieldValue value) override {
    field::set(packet, sub, value);
    log.push_back("write " + field::format_subfield(sub) + "=" + field::format_hex(value));
  }
  bool has(FieldId id) override { return std::ranges::find(absent, id) == absent.end(); }
  void unwildcard(FieldId id) override { log.push_back("look at " + std::string(field::spec(id).name)); }
  void output(std::uint32_t port, std::uint16_t max_len) override {
    log.push_back("output " + field::format_port(port) + (max_len != 0 ? " " + std::to_string(max_len) : ""));
  }
  void output_truncated(std::uint32_t port, std::uint32_t max_len) override {
    note("truncated", port, max_len);
  }
  void controller(const Controller& action) override {
    note("controller", action.max_len, action.id, action.reason);
  }
  void push_vlan(be16 tpid) override {
    packet.vlan[0].tci = be16{flow::kVlanPresent};
    note("push_vlan", tpid.host());
  }
  void pop_vlan() override { log.emplace_back("pop_vlan"); }
  void push_mpls(be16 type) override { note("push_mpls", type.host()); }
  void pop_mpls(be16 type) override { note("pop_mpls", type.host()); }
  void encap_ethernet() override { log.emplace_back("encap"); }
  void decap() override { log.emplace_back("decap"); }
  bool decrement_ttl() override {
    log.emplace_back("dec_ttl");
    return ttl_left;
  }
  bool decrement_mpls_ttl() override { return ttl_left; }
  void resubmit(std::uint32_t in_port, std::uint8_t table, bool ct) override {
    log.push_back("resubmit " + field::format_port(in_port) + " " + std::to_string(table) +
                  (ct ? " ct" : ""));
  }
  void goto_table(std::uint8_t table) override { note("goto", table); }
  void ct(const CtAction& action) override {
    request = action.resolve(*this);
    note("ct", request.zone);
  }
  void ct_clear() override { log.emplace_back("ct_clear"); }
  void push(const field::Subfield& sub) override { log.push_back("push " + field::format_subfield(sub)); }
  void pop(const field::Subfield& sub) override { log.push_back("pop " + field::format_subfield(sub)); }
  void clone(const ActionList& actions) override { log.push_back("clone " + format_actions(actions)); }
  void write_actions(const ActionList& actions) override {
    log.push_back("write_actions " + format_actions(actions));
  }
  void clear_actions() override { log.emplace_back("clear_actions"); }
  void write_metadata(std::uint64_t value, std::uint64_t mask) override { note("metadata", value, mask); }
  void check_pkt_larger(std::uint16_t size, const field::Subfield&) override { note("larger", size); }
  void sample(std::uint16_t p, std::uint32_t, std::uint32_t, std::uint32_t) override { note("sample", p); }
  void group(std::uint32_t id) override { note("group", id); }
  void meter(std::uint32_t id) override { note("meter", id); }
  void bundle(const Bundle& action) override { note("bundle", action.members.size()); }
  void multipath(const Multipath& action) override { note("multipath", action.max_link); }
  void learn(const Learn& action) override { note("learn", action.table); }
  void fin_timeout(std::uint16_t idle, std::uint16_t hard) override { note("fin_timeout", idle, hard); }
  void set_queue(std::uint32_t queue) override { note("queue", queue); }
  void exit() override { stopped_ = true; }
  bool stopped() const override { return stopped_; }

  conntrack::CtRequest request;

 private:
  template <typename... N>
  void note(const std::string& what, N... numbers) {
    std::string line = what;
    ((line += " " + std::to_string(numbers)), ...);
    log.push_back(line);
  }
  bool stopped_ = false;
};

std::vector<std::string> run(const std::string& text, FakeTranslation& t) {
  const auto list = parse_actions(text);
  EXPECT_TRUE(list.has_value()) << text;
  if (list) translate(*list, t);
  return t.log;
}

TEST(ActionTranslate, MaskedSetFieldWritesRuns) {
  FakeTranslation t;
  EXPECT_THAT(run("set_field:0x50f/0xf0f->reg0", t),
              ElementsAre("write NXM_NX_REG0[0..3]=0xf", "write NXM_NX_REG0[8..11]=0x5"));
}

TEST(ActionTranslate, MoveNeedsItsSource) {
  FakeTranslation t;
  field::set(t.packet, FieldId::Reg0, 0xabcd);
  t.absent = {FieldId::Ipv4Src};
  EXPECT_THAT(run("move:reg0[8..15]->reg1[0..7],move:ip_src->reg2", t),
              ElementsAre("read NXM_NX_REG0[8..15]", "write NXM_NX_REG1[0..7]=0xab"));
}

TEST(ActionTranslate, VlanTagComesWhereItIsNeeded) {
  FakeTranslation untagged;
  EXPECT_THAT(run("mod_vlan_vid:5,mod_vlan_pcp:3", untagged),
              ElementsAre("look at vlan_tci", "push_vlan 33024", "write NXM_OF_VLAN_TCI[0..11]=0x5",
                          "look at vlan_tci", "write NXM_OF_VLAN_TCI[13..15]=0x3"));
  FakeTranslation kept;
  EXPECT_THAT(run("set_vlan_vid:5", kept), ElementsAre("look at vlan_tci"));
}

TEST(ActionTranslate, ExhaustedTtlAndExitEndTheList) {
  FakeTranslation dead;
  dead.ttl_left = false;
  EXPECT_THAT(run("dec_ttl,output:1", dead), ElementsAre("dec_ttl"));
  FakeTranslation gone;
  EXPECT_THAT(run("output:1,exit,output:2", gone), ElementsAre("output 1"));
}

TEST(ActionTranslate, OutputFromRegister) {
  FakeTranslation t;
  field::set(t.packet, FieldId::Reg0, 0xfffd);
  EXPECT_THAT(
      run("output:reg0[0..15],enqueue(3,7)", t),
      ElementsAre("read NXM_NX_REG0[0..15]", "output CONTROLLER 65535", "queue 7", "output 3", "queue 0"));
}

TEST(ActionTranslate, InstructionsInOrder) {
  FakeTranslation t;
  EXPECT_THAT(run("output:1,clear_actions,write_actions(output:2),write_metadata:0x15/0xf,goto_table:9", t),
              ElementsAre("output 1", "clear_actions", "write_actions output:2", "metadata 5 15", "goto 9"));
}

TEST(ActionTranslate, CtRequestIsResolved) {
  FakeTranslation t;
  field::set(t.packet, FieldId::Reg0, 0x00420007);
  run("ct(commit,zone=reg0[16..31],exec(set_field:0x50/0xf0->ct_mark,move:reg0[0..3]->ct_mark[0..3],"
      "load:0x1d->ct_label[64..71]))",
      t);
  EXPECT_TRUE(t.request.commit);
  EXPECT_EQ(t.request.zone, 0x42);
  EXPECT_EQ(t.request.mark, 0x57u);
  EXPECT_EQ(t.request.mark_mask, 0xffu);
  EXPECT_EQ(t.request.label.hi.host(), 0x1du);
  EXPECT_EQ(t.request.label_mask.hi.host(), 0xffu);
  EXPECT_EQ(t.request.label_mask.lo.host(), 0u);
}

// --- Flows

TEST(FlowText, OptionsAndDefaults) {
  const auto flow = parse_flow(
      "table=1,priority=5,cookie=0x1234,idle_timeout=5,hard_timeout=6,send_flow_rem,tcp,actions=1");
  ASSERT_TRUE(flow.has_value()) << flow.error().message;
  EXPECT_EQ(flow->table, 1);
  EXPECT_EQ(flow->priority, 5);
  EXPECT_EQ(flow->new_cookie, 0x1234u);
  EXPECT_EQ(
      format_flow(*flow),
      "cookie=0x1234,table=1,idle_timeout=5,hard_timeout=6,send_flow_rem,priority=5,tcp,actions=output:1");
  EXPECT_EQ(format_flow_mod(*flow),
            "ADD table:1 priority=5,tcp cookie:0x1234 idle:5 hard:6 send_flow_rem actions=output:1");
  const auto bare = parse_flow("actions=drop");
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->table, kNoTable);
  EXPECT_EQ(bare->priority, kDefaultPriority);
}

TEST(FlowText, DumpLine) {
  const auto flow = parse_flow("table=2,priority=0,in_port=3,actions=NORMAL");
  ASSERT_TRUE(flow.has_value());
  EXPECT_EQ(
      format_flow_stats(*flow, {.packets = 3, .bytes = 294, .duration_ns = 1'500'000'000}),
      "cookie=0x0, duration=1.500s, table=2, n_packets=3, n_bytes=294, priority=0,in_port=3 actions=NORMAL");
  EXPECT_EQ(format_flow_without_stats(*flow), "table=2, priority=0,in_port=3 actions=NORMAL");
}

TEST(FlowText, Errors) {
  const std::pair<std::string, std::string> kErrors[] = {
      {"tcp", "must specify an action"},
      {"priority=70000,actions=1", "invalid priority \"70000\""},
      {"table=300,actions=1", "unknown table \"300\""},
      {"foo=1,actions=1", "unknown keyword foo"},
      {"foo,actions=1", "field foo missing value"},
      {"cookie=1/1,actions=1", "flow additions cannot use a cookie mask"},
      {"table=5,actions=goto_table:3", "OFPBIC_BAD_TABLE_ID"},
      {"actions=ct(commit)", "OFPBAC_MATCH_INCONSISTENT"},
  };
  for (const auto& [text, expected] : kErrors) {
    const auto flow = parse_flow(text);
    ASSERT_FALSE(flow.has_value()) << text;
    EXPECT_THAT(flow.error().message, HasSubstr(expected)) << text;
  }
}

TEST(FlowText, FilesNameTheirLines) {
  const FlowFile file = parse_flow_file(
      "# comment\n\ntcp,actions=1 # why\nfoo=3,actions=2\ndelete tcp\nmodify_strict udp,actions=drop\n",
      "f.flows");
  ASSERT_EQ(file.flows.size(), 3u);
  EXPECT_EQ(file.flows[1].command, FlowCommand::Delete);
  EXPECT_EQ(file.flows[2].command, FlowCommand::ModifyStrict);
  ASSERT_EQ(file.errors.size(), 1u);
  EXPECT_THAT(file.errors[0].message, ::testing::StartsWith("f.flows:4: unknown keyword foo"));
}

TEST(FlowText, ImpossibleMatchesWarn) {
  const auto flow = parse_flow("ct_state=+new+inv,actions=drop");
  ASSERT_TRUE(flow.has_value()) << flow.error().message;
  EXPECT_EQ(flow->warnings.size(), 1u);
}

TEST(FlowText, UsableProtocols) {
  const auto usable = [](const std::string& text) { return format_protocols(parse_flow(text)->usable); };
  EXPECT_EQ(usable("actions=output:1"), "any");
  EXPECT_EQ(usable("actions=strip_vlan"), "OpenFlow10,NXM");
  EXPECT_EQ(usable("actions=push_vlan:0x8100"), "OXM,OpenFlow11");
  EXPECT_EQ(usable("actions=meter:5"), "OXM-OpenFlow13,OXM-OpenFlow14,OXM-OpenFlow15");
  EXPECT_EQ(usable("table=1,actions=drop"), "OXM,OpenFlow10+table_id,NXM+table_id,OpenFlow11");
  EXPECT_EQ(usable("metadata=1,actions=drop"), "NXM,OXM,OpenFlow11");
  EXPECT_EQ(usable("tcp6,actions=drop"), "NXM,OXM");
}

struct TwoNames : field::NameResolver, TableNames {
  std::optional<std::uint32_t> port_number(std::string_view name) const override {
    return name == "eth0" ? std::optional<std::uint32_t>(7) : std::nullopt;
  }
  std::optional<std::string> port_name(std::uint32_t port) const override {
    return port == 7 ? std::optional<std::string>("eth0") : std::nullopt;
  }
  std::optional<std::uint8_t> table_number(std::string_view name) const override {
    return name == "acl" ? std::optional<std::uint8_t>(4) : std::nullopt;
  }
  std::optional<std::string> table_name(std::uint8_t table) const override {
    return table == 4 ? std::optional<std::string>("acl") : std::nullopt;
  }
};

TEST(FlowText, NamesOfPortsAndTables) {
  const TwoNames both;
  const Names names{.ports = &both, .tables = &both};
  const auto flow =
      parse_flow("table=acl,in_port=eth0,ip,actions=ct(table=acl),\"eth0\",eth0,resubmit(eth0,acl)",
                 FlowParseOptions{.names = names});
  ASSERT_TRUE(flow.has_value()) << flow.error().message;
  EXPECT_EQ(format_flow(*flow), "table=4,ip,in_port=7,actions=ct(table=4),output:7,output:7,resubmit(7,4)");
  EXPECT_THAT(format_flow(*flow, names),
              HasSubstr("ct(table=acl),output:eth0,output:eth0,resubmit(eth0,acl)"));
}

}  // namespace
}  // namespace sluice::action
