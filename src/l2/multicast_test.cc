#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/rcu.h"
#include "base/rng.h"
#include "l2/multicast_message.h"
#include "l2/multicast_table.h"
#include "net/address.h"
#include "net/checksum.h"

namespace sluice::l2 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Instant at(std::int64_t seconds) {
  return Instant{Duration::seconds(seconds).ns};
}
be128 group(const std::string& text) {
  const auto v4 = net::parse_ipv4(text);
  return v4 ? net::v4_mapped(*v4) : *net::parse_ipv6(text);
}

class MulticastTest : public ::testing::Test {
 protected:
  ~MulticastTest() override { rcu::reclaim(); }
  std::vector<std::uint32_t> find(const std::string& text, std::uint16_t vlan = 0) const {
    const auto ports = table_.find(group(text), vlan);
    return {ports.begin(), ports.end()};
  }
  std::vector<std::uint32_t> routers(std::uint16_t vlan = 0) const {
    std::vector<std::uint32_t> ports;
    table_.routers(vlan, ports);
    return ports;
  }

  MulticastTable table_{7};
};

TEST_F(MulticastTest, TheTableGrowsWithItsLimit) {
  table_.join(group("225.0.0.1"), 0, 1, at(0));
  const Watch known = table_.watch(group("225.0.0.1"), 0), unknown = table_.watch(group("225.0.0.9"), 0);
  const std::uint64_t changes = table_.changes();
  table_.configure({.max_groups = 2047});
  EXPECT_TRUE(known.unchanged() && unknown.unchanged()) << "as many buckets as before";
  for (const std::uint32_t most : {1'000'000u, 10u, 1'000'000u}) {
    table_.configure({.max_groups = most});
    EXPECT_FALSE(known.unchanged() || unknown.unchanged());
    EXPECT_GT(table_.changes(), changes);
    EXPECT_THAT(find("225.0.0.1"), IsEmpty());
    for (std::uint32_t i = 0; i < 50'000; ++i) table_.join({.hi = {}, .lo = be64{i}}, 0, 1, at(0));
    EXPECT_EQ(table_.entries().size(), std::min(most, 50'000u));
    EXPECT_EQ(table_.find({.hi = {}, .lo = be64{49'999}}, 0).size(), 1u);
    EXPECT_EQ(table_.find({.hi = {}, .lo = be64{7}}, 0).size(), most > 10 ? 1u : 0u);
    const Watch watch = table_.watch({.hi = {}, .lo = be64{49'999}}, 0);
    table_.leave({.hi = {}, .lo = be64{49'999}}, 0, 1);
    EXPECT_FALSE(watch.unchanged());
  }
}

TEST_F(MulticastTest, PortsJoinLeaveAndAge) {
  table_.join(group("225.0.0.1"), 0, 1, at(0));
  table_.join(group("225.0.0.1"), 0, 2, at(10));
  table_.join(group("225.0.0.1"), 7, 3, at(10));
  table_.join(group("ff05::1"), 0, 4, at(10));
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(1, 2));
  EXPECT_THAT(find("225.0.0.1", 7), ElementsAre(3));
  EXPECT_THAT(find("ff05::1"), ElementsAre(4));
  EXPECT_THAT(find("225.0.0.2"), IsEmpty());
  table_.leave(group("225.0.0.1"), 0, 9);
  table_.leave(group("225.0.0.9"), 0, 1);
  table_.expire(at(299));
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(1, 2));
  table_.expire(at(300));
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(2));
  table_.leave(group("225.0.0.1"), 0, 2);
  EXPECT_THAT(find("225.0.0.1"), IsEmpty());
  table_.expire(at(310));
  EXPECT_THAT(table_.entries(), IsEmpty());
}

TEST_F(MulticastTest, ARouterHearsAllAndIsForgottenByItself) {
  table_.join(group("225.0.0.1"), 0, 2, at(0));
  table_.hear_router(0, 1, at(0));
  table_.hear_router(5, 2, at(0));
  table_.join(group("225.0.0.1"), 0, 1, at(1));
  table_.join(group("225.0.0.1"), 5, 1, at(1));
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(2)) << "of another VLAN's router it is an ordinary port";
  EXPECT_THAT(find("225.0.0.1", 5), ElementsAre(1));
  EXPECT_THAT(routers(), ElementsAre(1));
  table_.hear_router(0, 1, at(100));
  table_.expire(at(180));
  EXPECT_THAT(routers(5), IsEmpty());
  EXPECT_THAT(routers(), ElementsAre(1));
  table_.flush_groups();
  EXPECT_THAT(routers(), ElementsAre(1));
  table_.expire(at(280));
  EXPECT_THAT(routers(), IsEmpty());
}

TEST_F(MulticastTest, VersionsChangeWithPortsOnly) {
  const auto watch = table_.watch(group("225.0.0.1"), 0);
  const auto routers_watch = table_.watch_routers();
  table_.join(group("225.0.0.1"), 0, 1, at(0));
  EXPECT_FALSE(watch.unchanged());
  const auto joined = table_.watch(group("225.0.0.1"), 0);
  const auto changes = table_.changes();
  table_.join(group("225.0.0.1"), 0, 1, at(5));
  table_.leave(group("225.0.0.1"), 0, 2);
  table_.expire(at(20));
  EXPECT_TRUE(joined.unchanged());
  EXPECT_EQ(table_.changes(), changes);
  EXPECT_TRUE(routers_watch.unchanged());
  table_.hear_router(0, 3, at(5));
  EXPECT_FALSE(routers_watch.unchanged());
  EXPECT_TRUE(joined.unchanged());
  const auto heard = table_.watch_routers();
  table_.hear_router(0, 3, at(6));
  EXPECT_TRUE(heard.unchanged());
  table_.flush_port(1);
  EXPECT_FALSE(joined.unchanged());
  EXPECT_TRUE(heard.unchanged());
  table_.flush_port(3);
  EXPECT_FALSE(heard.unchanged());
}

TEST_F(MulticastTest, TheGroupThatWasHeardLongestAgoMakesRoom) {
  table_.configure({.max_groups = 3});
  for (unsigned i = 1; i <= 3; ++i) table_.join(group("225.0.0." + std::to_string(i)), 0, 1, at(i));
  table_.join(group("225.0.0.1"), 0, 2, at(4));
  table_.join(group("225.0.0.4"), 0, 1, at(5));
  EXPECT_THAT(find("225.0.0.2"), IsEmpty());
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(1, 2));
  table_.configure({.max_groups = 1});
  EXPECT_EQ(table_.entries().size(), 1u);
  EXPECT_THAT(find("225.0.0.4"), ElementsAre(1));
}

TEST_F(MulticastTest, IsAMapWhateverHappens) {
  Rng rng(11);
  std::map<std::pair<unsigned, unsigned>, std::int64_t> model;  // (group, port) -> heard
  for (std::int64_t now = 0; now < 20'000; ++now) {
    const auto wanted = static_cast<unsigned>(rng.below(3000)),
               port = static_cast<unsigned>(rng.below(4) + 1);
    const be128 address = net::v4_mapped(be32{0xe1000000 + wanted});
    if (rng.below(4) == 0) {
      table_.leave(address, 0, port);
      model.erase({wanted, port});
    } else {
      table_.join(address, 0, port, at(now / 10));
      model[{wanted, port}] = now / 10;
    }
    if (now % 100 == 0) {
      table_.expire(at(now / 10));
      std::erase_if(model, [&](const auto& entry) { return now / 10 - entry.second >= 300; });
    }
    if (now % 500 != 0) continue;
    ASSERT_EQ(table_.entries().size(), model.size());
    for (unsigned i = 0; i < 3000; i += 7)
      for (unsigned p = 1; p <= 4; ++p) {
        const auto ports = table_.find(net::v4_mapped(be32{0xe1000000 + i}), 0);
        ASSERT_EQ(std::count(ports.begin(), ports.end(), p), model.contains({i, p}) ? 1 : 0);
      }
  }
}

// --- Messages

using Raw = std::vector<std::uint8_t>;

void append(Raw& to, const std::string& address) {
  const be128 full = group(address);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&full);
  to.insert(to.end(), bytes + (net::is_v4_mapped(full) ? 12 : 0), bytes + 16);
}

struct Record {
  std::uint8_t type;
  std::string group;
  std::vector<std::string> sources{};
};

Raw message(std::uint8_t type, const std::vector<Record>& records) {
  Raw text{type, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(records.size())};
  for (const Record& record : records) {
    text.insert(text.end(), {record.type, 0, 0, static_cast<std::uint8_t>(record.sources.size())});
    append(text, record.group);
    for (const auto& source : record.sources) append(text, source);
  }
  return text;
}
Raw message(std::uint8_t type, const std::string& address) {
  Raw text{type, 0, 0, 0};
  if (type >= mld::kQuery) text.resize(8);
  append(text, address);
  return text;
}

Raw igmp_frame(Raw text, const std::string& source = "10.0.0.1") {
  const be16 sum = net::checksum(text);
  std::memcpy(text.data() + 2, &sum, 2);
  Raw frame{1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0};
  const auto length = static_cast<std::uint8_t>(20 + text.size());
  frame.insert(frame.end(), {0x45, 0, 0, length, 0, 0, 0, 0, 1, 2, 0, 0});
  append(frame, source);
  append(frame, "224.0.0.22");
  frame.insert(frame.end(), text.begin(), text.end());
  frame.resize(std::max<std::size_t>(frame.size(), 60));  // Ethernet's padding
  return frame;
}

Raw mld_frame(Raw text, const std::string& source = "fe80::1") {
  net::ChecksumSum sum;
  sum.add128(group(source));
  sum.add128(group("ff02::16"));
  sum.add16(be16{static_cast<std::uint16_t>(text.size())});
  sum.add16(be16{58});
  sum.add(text);
  const be16 done = sum.finish();
  std::memcpy(text.data() + 2, &done, 2);
  Raw frame{0x33, 0x33, 0, 0, 0, 0x16, 2, 0, 0, 0, 0, 1, 0x86, 0xdd};
  const auto length = static_cast<std::uint8_t>(8 + text.size());
  frame.insert(frame.end(), {0x60, 0, 0, 0, 0, length, 0, 1});
  append(frame, source);
  append(frame, "ff02::16");
  frame.insert(frame.end(), {58, 0, 5, 2, 0, 0, 1, 0});  // router alert
  frame.insert(frame.end(), text.begin(), text.end());
  return frame;
}

class MessageTest : public MulticastTest {
 protected:
  void hear(const Raw& frame, std::uint32_t port = 1, bool one_listener = true) {
    hear_multicast(table_, frame, 0, port, one_listener, at(1));
  }
};

TEST_F(MessageTest, Igmp) {
  hear(igmp_frame(message(igmp::kReport1, "225.0.0.1")));
  hear(igmp_frame(message(igmp::kReport2, "225.0.0.2")), 2);
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(1));
  EXPECT_THAT(find("225.0.0.2"), ElementsAre(2));
  hear(igmp_frame(message(igmp::kLeave, "225.0.0.1")));
  hear(igmp_frame(message(igmp::kLeave, "225.0.0.2")));
  EXPECT_THAT(find("225.0.0.1"), IsEmpty());
  EXPECT_THAT(find("225.0.0.2"), ElementsAre(2)) << "port 1 was not there";
  hear(igmp_frame(message(igmp::kReport2, "10.1.1.1")));
  hear(igmp_frame(message(0x30, "225.0.0.3")));
  EXPECT_EQ(table_.entries().size(), 1u);
  hear(igmp_frame(message(igmp::kQuery, "0.0.0.0"), "0.0.0.0"), 3);
  EXPECT_THAT(routers(), IsEmpty());
  hear(igmp_frame(message(igmp::kQuery, "0.0.0.0")), 3);
  EXPECT_THAT(routers(), ElementsAre(3));
}

TEST_F(MessageTest, OneOfManyWhoLeavesDoesNotSpeakForTheOthers) {
  hear(igmp_frame(message(igmp::kReport2, "225.0.0.1")), 1, false);
  hear(mld_frame(message(mld::kReport1, "ff05::1")), 1, false);
  hear(igmp_frame(message(igmp::kLeave, "225.0.0.1")), 1, false);
  hear(igmp_frame(message(igmp::kReport3, {{3, "225.0.0.1"}})), 1, false);
  hear(mld_frame(message(mld::kDone, "ff05::1")), 1, false);
  EXPECT_THAT(find("225.0.0.1"), ElementsAre(1));
  EXPECT_THAT(find("ff05::1"), ElementsAre(1));
}

TEST_F(MessageTest, Version3) {
  hear(igmp_frame(message(igmp::kReport3, {{4, "226.0.0.1"},
                                           {3, "226.0.0.2"},
                                           {3, "226.0.0.3", {"1.1.1.1"}},
                                           {2, "226.0.0.4"},
                                           {5, "226.0.0.5", {"1.1.1.1", "2.2.2.2"}}})));
  EXPECT_THAT(find("226.0.0.1"), ElementsAre(1));
  EXPECT_THAT(find("226.0.0.2"), IsEmpty());
  EXPECT_THAT(find("226.0.0.3"), ElementsAre(1));
  EXPECT_THAT(find("226.0.0.4"), ElementsAre(1));
  EXPECT_THAT(find("226.0.0.5"), ElementsAre(1));
  hear(igmp_frame(message(igmp::kReport3, {{3, "226.0.0.1"}, {1, "226.0.0.4"}})));
  EXPECT_THAT(find("226.0.0.1"), IsEmpty());
  EXPECT_THAT(find("226.0.0.4"), IsEmpty());
  EXPECT_EQ(table_.entries().size(), 2u);
}

TEST_F(MessageTest, Mld) {
  hear(mld_frame(message(mld::kReport1, "ff05::1")));
  hear(mld_frame(message(mld::kReport2, {{4, "ff05::2"}, {3, "ff05::3"}, {6, "ff05::4", {"fe80::9"}}})));
  EXPECT_THAT(find("ff05::1"), ElementsAre(1));
  EXPECT_THAT(find("ff05::2"), ElementsAre(1));
  EXPECT_THAT(find("ff05::4"), ElementsAre(1));
  hear(mld_frame(message(mld::kDone, "ff05::1")));
  EXPECT_EQ(table_.entries().size(), 2u);
  hear(mld_frame(message(mld::kQuery, "::"), "::"), 2);
  EXPECT_THAT(routers(), IsEmpty());
  hear(mld_frame(message(mld::kQuery, "::")), 2);
  EXPECT_THAT(routers(), ElementsAre(2));
}

TEST_F(MessageTest, WhatIsDamagedChangesNothing) {
  for (const bool v6 : {false, true}) {
    const Raw whole =
        v6 ? mld_frame(message(mld::kReport2, {{4, "ff05::2", {"fe80::1"}}, {4, "ff05::3"}}))
           : igmp_frame(message(igmp::kReport3, {{4, "226.0.0.1", {"1.1.1.1"}}, {4, "226.0.0.2"}}));
    const std::size_t begins = v6 ? 62 : 34;  // Ethernet, IP, options
    for (std::size_t at = begins; at < whole.size(); ++at) {
      Raw flipped = whole;
      flipped[at] ^= 0x10;
      hear(flipped);
      hear({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)});
    }
    EXPECT_THAT(table_.entries(), IsEmpty());
    // A record that claims more sources than there are, with a right checksum.
    Raw text = v6 ? message(mld::kReport2, {{4, "ff05::2"}}) : message(igmp::kReport3, {{4, "226.0.0.1"}});
    text[11] = 9;
    hear(v6 ? mld_frame(text) : igmp_frame(text));
    text[11] = 0;
    text[7] = 200;
    EXPECT_THAT(table_.entries(), IsEmpty());
    hear(v6 ? mld_frame(text) : igmp_frame(text));
    EXPECT_EQ(table_.entries().size(), 1u) << "the one record that is there";
    table_.flush();
  }
}

TEST_F(MessageTest, NoiseIsHarmless) {
  Rng rng(3);
  for (unsigned round = 0; round < 20'000; ++round) {
    Raw text(rng.below(60) + 8);
    for (auto& byte : text) byte = static_cast<std::uint8_t>(rng.next());
    text[0] = round % 2 ? std::uint8_t{mld::kReport2} : std::uint8_t{igmp::kReport3};
    text[2] = text[3] = text[6] = 0;
    hear(round % 2 ? mld_frame(text) : igmp_frame(text));
  }
  EXPECT_LE(table_.entries().size(), table_.config().max_groups);
}

}  // namespace
}  // namespace sluice::l2
