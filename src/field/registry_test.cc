// Properties of every row of the registry, and of what is generic over them: a new row is tested by existing.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/rng.h"
#include "field/field.h"
#include "net/protocol.h"

namespace sluice::field {
namespace {

FieldValue random128(Rng& rng) {
  return FieldValue{rng.next()} << 64 | rng.next();
}

/// Values that a field can hold: ends, single bits and random ones.
std::vector<FieldValue> samples(const FieldSpec& f, Rng& rng) {
  std::vector<FieldValue> values{0, f.valid_bits()};
  for (unsigned bit = f.low_zero_bits; bit < f.bits; ++bit) values.push_back(FieldValue{1} << bit);
  for (int i = 0; i < 8; ++i) values.push_back(random128(rng) & f.valid_bits());
  // Eight bits of ct_state have a meaning; of arp_op eight have room.
  if (f.id == FieldId::ArpOp || f.id == FieldId::CtState)
    for (FieldValue& v : values) v &= 0xff;
  return values;
}

flow::FlowKey random_key(Rng& rng) {
  flow::FlowKey key;
  for (std::size_t i = 0; i < flow::kKeyWords; ++i) flow::set_word(key, i, rng.next());
  key.ct_state = be32{key.ct_state.host() & 0xff};
  return key;
}

class EveryField : public ::testing::TestWithParam<FieldId> {
 protected:
  const FieldSpec& field() const { return spec(GetParam()); }
  Rng rng_{static_cast<std::uint64_t>(GetParam()) + 1};
};

TEST_P(EveryField, IsFoundByEachOfItsNames) {
  for (const auto name :
       {field().name, field().alias, field().nxm.name, field().oxm.name, field().onf.name}) {
    if (!name.empty()) {
      EXPECT_EQ(find_field(name), &field()) << name;
    }
  }
}

TEST_P(EveryField, ReadsWhatWasWritten) {
  flow::FlowKey key = random_key(rng_);
  for (const FieldValue value : samples(field(), rng_)) {
    set(key, field().id, value);
    EXPECT_TRUE(get(key, field().id) == value) << field().name << " " << format_hex(value);
  }
}

TEST_P(EveryField, WritingChangesOnlyItsOwnBits) {
  for (const FieldValue value : samples(field(), rng_)) {
    const flow::FlowKey before = random_key(rng_);
    flow::FlowKey after = before;
    set(after, field().id, value);
    flow::Mask own;
    unwildcard(own, field().id);
    if (field().id >= FieldId::Icmpv4Type && field().id <= FieldId::Icmpv6Code)
      continue;  // own covers 16 bits
    for (std::size_t i = 0; i < flow::kKeyWords; ++i)
      EXPECT_EQ((flow::word_at(before, i) ^ flow::word_at(after, i)) & ~flow::word_at(own.bits, i), 0u)
          << field().name << " word " << i;
  }
}

TEST_P(EveryField, UnwildcardingShowsEveryChangeOfTheField) {
  flow::Mask mask;
  unwildcard(mask, field().id);
  for (const FieldValue value : samples(field(), rng_)) {
    flow::FlowKey a{}, b{};
    set(a, field().id, value);
    set(b, field().id, 0);
    if (value != get(b, field().id)) {
      EXPECT_FALSE(flow::equal_under(a, b, mask)) << field().name << " " << format_hex(value);
    }
  }
}

TEST_P(EveryField, SubfieldsReadAndWriteTheirBitsOnly) {
  if (field().format == Format::Port && field().bits == 16) return;  // reserved ports fold
  for (int i = 0; i < 32; ++i) {
    const auto offset = static_cast<std::uint16_t>(rng_.below(field().bits));
    const auto width = static_cast<std::uint16_t>(1 + rng_.below(field().bits - offset));
    const Subfield sub{field().id, offset, width};
    flow::FlowKey key = random_key(rng_);
    const FieldValue before = get(key, field().id);
    const FieldValue bits = random128(rng_) & ones(width);
    set(key, sub, bits);
    const FieldValue mask = ones(width) << offset;
    const FieldValue keepable = field().id == FieldId::ArpOp ? 0xff : field().valid_bits();
    const FieldValue expected = ((before & ~mask) | bits << offset) & keepable;
    EXPECT_TRUE(get(key, field().id) == expected) << format_subfield(sub);
    EXPECT_TRUE(get(key, sub) == ((expected & mask) >> offset)) << format_subfield(sub);
  }
}

TEST_P(EveryField, SubfieldTextReadsBack) {
  for (int i = 0; i < 16; ++i) {
    const auto offset = static_cast<std::uint16_t>(rng_.below(field().bits));
    const auto width = static_cast<std::uint16_t>(1 + rng_.below(field().bits - offset));
    const Subfield sub{field().id, offset, width};
    const auto parsed = parse_subfield(format_subfield(sub));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(*parsed, sub) << format_subfield(sub);
  }
  const auto whole = parse_subfield(field().name);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(*whole, (Subfield{field().id, 0, field().bits}));
}

TEST_P(EveryField, AMatchHoldsWhatItWasGiven) {
  for (const FieldValue sample : samples(field(), rng_)) {
    flow::Match match;
    const FieldValue mask =
        field().mask == MaskPolicy::Bitwise ? random128(rng_) & field().valid_bits() : field().valid_bits();
    set_match(match, field().id, sample & mask, mask);
    const ValueMask got = get(match, field().id);
    const FieldValue meaningful = field().id == FieldId::CtState ? 0xff : ~FieldValue{0};
    EXPECT_TRUE(got.mask == (mask & meaningful)) << field().name << " " << format_hex(got.mask);
    EXPECT_TRUE(got.value == (sample & mask & meaningful)) << field().name << " " << format_hex(got.value);
    EXPECT_TRUE(flow::masked(match.value, match.mask) == match.value)
        << "a match has no value outside its mask";
    // A key with the value meets the match.
    flow::FlowKey key{};
    set(key, field().id, sample);
    EXPECT_TRUE(match.matches(key)) << field().name << " " << format_hex(sample);
    set_match(match, field().id, 0, 0);
    EXPECT_TRUE(get(match, field().id).mask == 0);
  }
}

TEST_P(EveryField, TextOfAValueReadsBack) {
  for (const FieldValue sample : samples(field(), rng_)) {
    FieldValue mask = field().valid_bits();
    if (field().mask == MaskPolicy::Bitwise && rng_.chance(60)) mask &= random128(rng_);
    if (field().id == FieldId::CtState) mask &= 0xff;
    if (field().id == FieldId::IpFrag || mask == 0) continue;  // IpFrag: value_test.cc
    if (field().id == FieldId::VlanVid) mask = 0x1fff;  // a number without a mask includes the presence bit
    const bool no_such_port = field().format == Format::Port && sample >= 0xff00 && sample < 0xffffff00;
    if (no_such_port && field().bits == 32) continue;
    const std::string text = format_value(field(), sample & mask, mask);
    const auto parsed = parse_value(field(), text);
    ASSERT_TRUE(parsed.has_value()) << field().name << ": " << text << ": " << parsed.error().message;
    EXPECT_TRUE(parsed->value == (sample & mask)) << field().name << ": " << text;
    EXPECT_TRUE(parsed->mask == mask) << field().name << ": " << text << " " << format_hex(parsed->mask);
  }
}

TEST_P(EveryField, ATextMaskIsRefusedWhereTheFieldTakesNone) {
  const std::string value = format_value(field(), 1 & field().valid_bits(), field().valid_bits());
  const std::string mask = field().format == Format::Mac    ? "ff:ff:ff:00:00:00"
                           : field().format == Format::Ipv6 ? "64"
                                                            : "1";
  const auto parsed = parse_value(field(), value + "/" + mask);
  if (field().mask == MaskPolicy::None) {
    ASSERT_FALSE(parsed.has_value()) << field().name;
    EXPECT_NE(parsed.error().message.find(field().name), std::string::npos) << parsed.error().message;
  }
}

std::vector<FieldId> all_ids() {
  std::vector<FieldId> ids;
  for (const FieldSpec& f : all_fields()) ids.push_back(f.id);
  return ids;
}
INSTANTIATE_TEST_SUITE_P(Registry, EveryField, ::testing::ValuesIn(all_ids()),
                         [](const auto& test) { return std::string(spec(test.param).name); });

TEST(Registry, DocumentsEveryFieldInASentence) {
  for (const FieldSpec& f : all_fields()) EXPECT_TRUE(f.doc.ends_with(".")) << f.name;
}

TEST(Registry, DoesNotFindWhatIsNotThere) {
  EXPECT_EQ(find_field(""), nullptr);
  EXPECT_EQ(find_field("reg16"), nullptr);
  EXPECT_EQ(find_field("NXM_NX_REG0[]"), nullptr);
}

TEST(Registry, WideRegistersAreViewsOfNarrowOnesMostSignificantFirst) {
  flow::FlowKey key{};
  set(key, FieldId::Xxreg1, FieldValue{0x1111111122222222} << 64 | 0x3333333344444444);
  EXPECT_TRUE(get(key, FieldId::Reg4) == 0x11111111);
  EXPECT_TRUE(get(key, FieldId::Reg7) == 0x44444444);
  EXPECT_TRUE(get(key, FieldId::Xreg2) == 0x1111111122222222);
  EXPECT_TRUE(get(key, FieldId::Xreg3) == 0x3333333344444444);
  EXPECT_TRUE(get(key, FieldId::Reg3) == 0);
}

TEST(Registry, InPortFoldsReservedPortsToSixteenBits) {
  flow::FlowKey key{};
  set(key, FieldId::InPort, 0xfffe);
  EXPECT_EQ(key.in_port.host(), 0xfffffffeu);
  EXPECT_TRUE(get(key, FieldId::InPort) == 0xfffe);
  set(key, FieldId::InPort, 7);
  EXPECT_TRUE(get(key, FieldId::InPortOxm) == 7);
}

TEST(Registry, WritingAVlanNumberAddsTheTag) {
  flow::FlowKey key{};
  set(key, FieldId::VlanVid, 5);
  EXPECT_EQ(key.vlan[0].tci.host(), 0x1005);
  set(key, FieldId::VlanPcp, 3);
  EXPECT_EQ(key.vlan[0].tci.host(), 0x7005);
  EXPECT_TRUE(get(key, FieldId::VlanVid) == 5);
}

TEST(Registry, DscpLeavesEcnAlone) {
  flow::FlowKey key{};
  set(key, FieldId::IpEcn, 3);
  set(key, FieldId::IpDscp, 0x28);
  EXPECT_EQ(key.nw_tos, 0x2b);
  set(key, FieldId::IpDscpShifted, 1);
  EXPECT_EQ(key.nw_tos, 0x07);
}

// Prerequisites.

flow::Match ip_match(std::uint16_t eth_type, int protocol) {
  flow::Match match;
  set_match(match, FieldId::EthType, eth_type, 0xffff);
  if (protocol >= 0) set_match(match, FieldId::IpProto, static_cast<FieldValue>(protocol), 0xff);
  return match;
}

TEST(Prerequisites, AreMetByWhatTheMatchFixes) {
  const flow::Match any, tcp = ip_match(0x0800, 6), udp6 = ip_match(0x86dd, 17), icmp6 = ip_match(0x86dd, 58),
                         arp = ip_match(0x0806, -1), mpls = ip_match(0x8847, -1);
  EXPECT_TRUE(prerequisites_met(Prereq::None, any));
  EXPECT_TRUE(prerequisites_met(Prereq::Ethernet, any));
  EXPECT_FALSE(prerequisites_met(Prereq::Ip, any));
  EXPECT_TRUE(prerequisites_met(Prereq::Tcp, tcp));
  EXPECT_FALSE(prerequisites_met(Prereq::Udp, tcp));
  EXPECT_TRUE(prerequisites_met(Prereq::Ipv4, tcp));
  EXPECT_FALSE(prerequisites_met(Prereq::Ipv6, tcp));
  EXPECT_TRUE(prerequisites_met(Prereq::Udp, udp6));
  EXPECT_TRUE(prerequisites_met(Prereq::Ip, udp6));
  EXPECT_TRUE(prerequisites_met(Prereq::Icmpv6, icmp6));
  EXPECT_FALSE(prerequisites_met(Prereq::Icmpv4, icmp6));
  EXPECT_TRUE(prerequisites_met(Prereq::Arp, arp));
  EXPECT_TRUE(prerequisites_met(Prereq::Mpls, mpls));
}

TEST(Prerequisites, NeighbourDiscoveryNeedsItsTypeAndNoOtherCode) {
  flow::Match match = ip_match(0x86dd, 58);
  EXPECT_FALSE(prerequisites_met(Prereq::Nd, match));
  set_match(match, FieldId::Icmpv6Type, 135, 0xff);
  EXPECT_TRUE(prerequisites_met(Prereq::Nd, match));
  EXPECT_TRUE(prerequisites_met(Prereq::NdSolicit, match));
  EXPECT_FALSE(prerequisites_met(Prereq::NdAdvert, match));
  set_match(match, FieldId::Icmpv6Code, 1, 0xff);
  EXPECT_FALSE(prerequisites_met(Prereq::Nd, match));
}

TEST(Prerequisites, PortsNeedAPacketWithATransportHeader) {
  flow::Match match = ip_match(0x0800, 6);
  set_match(match, FieldId::IpFrag, 1, 3);
  EXPECT_TRUE(prerequisites_met(Prereq::Tcp, match));
  set_match(match, FieldId::IpFrag, 3, 3);
  EXPECT_FALSE(prerequisites_met(Prereq::Tcp, match));
}

TEST(Prerequisites, ConnectionFieldsNeedAValidTrackedState) {
  flow::Match match;
  EXPECT_FALSE(prerequisites_met(Prereq::CtTracked, match));
  set_match(match, FieldId::CtState, 0x20, 0x20);
  EXPECT_FALSE(prerequisites_met(Prereq::CtTracked, match)) << "+trk may be invalid";
  set_match(match, FieldId::CtState, 0x20, 0x30);
  EXPECT_TRUE(prerequisites_met(Prereq::CtTracked, match));
  set_match(match, FieldId::CtState, 0x02, 0x02);
  EXPECT_TRUE(prerequisites_met(Prereq::CtTracked, match)) << "+est implies both";
}

TEST(Prerequisites, PacketTypeStandsForTheEtherType) {
  flow::Match match;
  set_match(match, FieldId::PacketType, 0x10800, ones(32));
  EXPECT_TRUE(prerequisites_met(Prereq::Ipv4, match));
  EXPECT_FALSE(prerequisites_met(Prereq::Ethernet, match));
}

}  // namespace
}  // namespace sluice::field
