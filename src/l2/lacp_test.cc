#include "l2/lacp.h"

#include <gtest/gtest.h>

namespace sluice::l2 {
namespace {

Instant at(std::int64_t milliseconds) {
  return Instant{Duration::milliseconds(milliseconds).ns};
}

/// Two systems, joined by links 1 and 2: what one sends by a link the other receives.
class LacpPair : public ::testing::Test {
 protected:
  void configure(Lacp& end, std::uint64_t system, bool active, bool fast = false, bool falls_back = false) {
    std::map<std::uint32_t, LacpMember> members;
    for (std::uint16_t n = 1; n <= 2; ++n)
      members[n] = {.name = "m" + std::to_string(n), .number = n, .mac = net::Mac::from_value(system + n)};
    end.configure(
        {.active = active, .fast = fast, .falls_back = falls_back, .system = net::Mac::from_value(system)},
        members, now);
  }
  void links(bool up) {
    for (const std::uint32_t port : {1u, 2u}) {
      a.set_link(port, up, now);
      b.set_link(port, up, now);
    }
  }
  void pass(std::int64_t milliseconds) {
    for (std::int64_t i = 0; i < milliseconds; i += 100) {
      now = now + Duration::milliseconds(100);
      carry(a, b, sent_a);
      carry(b, a, sent_b);
    }
  }
  void carry(Lacp& from, Lacp& to, unsigned& sent) {
    for (const auto& out : from.run(now)) {
      ++sent;
      if (!cut.contains(out.port)) to.receive(out.port, out.frame, now);
    }
  }

  Instant now = at(1000);
  Lacp a, b;
  std::map<std::uint32_t, bool> cut;
  unsigned sent_a = 0, sent_b = 0;
};

TEST_F(LacpPair, ActiveEndsAgree) {
  configure(a, 0x100, true);
  configure(b, 0x200, true);
  EXPECT_EQ(a.status(), LacpStatus::Configured);
  links(true);
  pass(2000);
  EXPECT_EQ(a.status(), LacpStatus::Negotiated);
  for (const std::uint32_t port : {1u, 2u}) {
    EXPECT_TRUE(a.may_enable(port) && b.may_enable(port));
    EXPECT_TRUE(a.is_current(port));
  }
  EXPECT_EQ(a.format_status(), "active negotiated");
  EXPECT_EQ(a.show().substr(0, a.show().find(" m1")),
            "  status: active negotiated\n  sys_id: 00:00:00:00:01:00\n  sys_priority: 65534\n"
            "  aggregation key: 1\n  lacp_time: slow\n\nmember:");
  EXPECT_NE(a.show().find(
                "  partner sys_id: 00:00:00:00:02:00\n  partner sys_priority: 65534\n  partner port_id: 1\n"
                "  partner port_priority: 65535\n  partner key: 1\n"
                "  partner state: activity aggregation synchronized collecting distributing\n"),
            std::string::npos)
      << a.show();
}

TEST_F(LacpPair, WhoAgreesSpeaksEveryThirtySeconds) {
  configure(a, 0x100, true);
  configure(b, 0x200, true);
  links(true);
  pass(5000);
  sent_a = sent_b = 0;
  pass(60'000);
  EXPECT_EQ(sent_a, 4u) << "two links, two periods";
  configure(b, 0x200, true, true);
  pass(5000);
  sent_a = 0;
  pass(10'000);
  EXPECT_EQ(sent_a, 20u) << "the partner asks for a frame a second";
}

TEST_F(LacpPair, PassiveEndsAreSilentAndAnActiveOneWakesThem) {
  configure(a, 0x100, false);
  configure(b, 0x200, false);
  links(true);
  pass(10'000);
  EXPECT_EQ(sent_a + sent_b, 0u);
  EXPECT_EQ(a.status(), LacpStatus::Configured);
  configure(b, 0x200, true);
  pass(3000);
  EXPECT_TRUE(a.may_enable(1) && b.may_enable(2));
}

TEST_F(LacpPair, SilenceExpiresThenDefaults) {
  configure(a, 0x100, true, true);
  configure(b, 0x200, true, true);
  links(true);
  pass(3000);
  cut[1] = true;
  pass(2000);
  EXPECT_TRUE(a.may_enable(1)) << "one frame lost is nothing";
  pass(1500);
  EXPECT_FALSE(a.may_enable(1));
  EXPECT_NE(a.show().find("member: m1: expired"), std::string::npos);
  EXPECT_TRUE(a.may_enable(2));
  pass(3000);
  EXPECT_NE(a.show().find("member: m1: defaulted"), std::string::npos);
  EXPECT_EQ(a.status(), LacpStatus::Negotiated);
  cut.clear();
  pass(3000);
  EXPECT_TRUE(a.may_enable(1)) << "it comes back";
}

TEST_F(LacpPair, FallsBackOnlyIfNobodyIsThere) {
  configure(a, 0x100, true, false, true);
  a.set_link(1, true, now);
  a.set_link(2, true, now);
  EXPECT_FALSE(a.may_enable(1)) << "the partner has some seconds to speak";
  pass(5000);
  EXPECT_TRUE(a.may_enable(1));
  EXPECT_EQ(a.status(), LacpStatus::Configured);
  configure(b, 0x200, true);
  b.set_link(2, true, now);
  cut[1] = true;
  pass(3000);
  EXPECT_FALSE(a.may_enable(1));
  EXPECT_TRUE(a.may_enable(2));
}

TEST_F(LacpPair, LinksToDifferentSystemsAreNotOneAggregate) {
  configure(a, 0x100, true);
  configure(b, 0x200, true);
  Lacp other;
  configure(other, 0x300, true);
  links(true);
  other.set_link(2, true, now);
  for (int i = 0; i < 20; ++i) {
    now = now + Duration::milliseconds(100);
    for (const auto& out : a.run(now)) (out.port == 1 ? b : other).receive(out.port, out.frame, now);
    for (const auto& out : b.run(now))
      if (out.port == 1) a.receive(1, out.frame, now);
    for (const auto& out : other.run(now))
      if (out.port == 2) a.receive(2, out.frame, now);
  }
  EXPECT_TRUE(a.may_enable(1));
  EXPECT_FALSE(a.may_enable(2));
  EXPECT_NE(a.show().find("member: m2: current detached"), std::string::npos);
}

TEST_F(LacpPair, WhatIsNoLacpduIsCounted) {
  configure(a, 0x100, true);
  links(true);
  const std::vector<std::uint8_t> short_frame(60, 0);
  LacpFrame marker{};
  marker[14] = 2;
  LacpFrame wrong{};
  wrong[14] = 1;
  a.receive(1, short_frame, now);
  a.receive(1, marker, now);
  a.receive(1, wrong, now);
  EXPECT_EQ(a.show_statistics().substr(0, a.show_statistics().find("ink Exp")),
            "\nmember: m1:\n  TX PDUs: 0\n  RX PDUs: 3\n  RX Bad PDUs: 2\n  RX Marker Request PDUs: 1\n  L");
  EXPECT_FALSE(a.is_current(1));
}

}  // namespace
}  // namespace sluice::l2
