#include "l2/bond.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sluice::l2 {
namespace {

using Verdict = BondView::Verdict;

class BondTest : public ::testing::Test {
 protected:
  void configure(BondSettings settings, unsigned members = 2) {
    std::map<std::uint32_t, BondMember> all;
    for (std::uint32_t n = 1; n <= members; ++n)
      all[n] = {.name = "m" + std::to_string(n), .mac = net::Mac::from_value(n)};
    bond.configure(settings, all, now);
  }
  void links(std::initializer_list<bool> up) {
    std::uint32_t port = 0;
    for (const bool is_up : up) bond.set_member(++port, is_up);
  }
  void run(std::int64_t milliseconds = 0, LacpStatus lacp = LacpStatus::Off) {
    now = now + Duration::milliseconds(milliseconds);
    bond.run(lacp, traffic, now);
  }

  Instant now{Duration::seconds(1).ns};
  Bond bond;
  std::vector<std::uint64_t> traffic;
};

TEST_F(BondTest, ActiveBackupFailsOverAndStays) {
  configure({});
  links({true, true});
  run();
  EXPECT_EQ(bond.view().active, 1u);
  links({false, true});
  run();
  EXPECT_EQ(bond.view().active, 2u);
  EXPECT_EQ(bond.view().member_of(17), 2u);
  links({true, true});
  run();
  EXPECT_EQ(bond.view().active, 2u) << "no reason to change again";
  links({false, false});
  run();
  EXPECT_EQ(bond.view().active, std::nullopt);
}

TEST_F(BondTest, PrimaryComesBack) {
  configure({.primary = "m2"});
  links({true, false});
  run();
  EXPECT_EQ(bond.view().active, 1u);
  links({true, true});
  run();
  EXPECT_EQ(bond.view().active, 2u);
}

TEST_F(BondTest, RemembersWhoWasActive) {
  configure({.last_active = net::Mac::from_value(2)});
  links({true, true});
  run();
  EXPECT_EQ(bond.view().active, 2u);
}

TEST_F(BondTest, DelaysHoldLinksThatFlap) {
  configure({.up_delay = Duration::seconds(5), .down_delay = Duration::seconds(2)});
  links({true, false});
  run();
  EXPECT_EQ(bond.view().active, 1u) << "the first one need not wait";
  links({true, true});
  run(4000);
  run(4000);
  EXPECT_FALSE(bond.view().is_enabled(2));
  run(1000);
  EXPECT_TRUE(bond.view().is_enabled(2));
  links({false, true});
  run(100);
  links({true, true});
  run(5000);
  EXPECT_EQ(bond.view().active, 1u) << "down for less than downdelay";
  links({false, true});
  run(100);
  run(2000);
  EXPECT_EQ(bond.view().active, 2u);
}

TEST_F(BondTest, WhatEachModeTakesIn) {
  configure({});
  links({true, true});
  run();
  EXPECT_EQ(bond.view().admits(1, false), Verdict::Accept);
  EXPECT_EQ(bond.view().admits(2, false), Verdict::Drop);
  configure({.mode = BondMode::BalanceSlb});
  run();
  EXPECT_EQ(bond.view().admits(2, false), Verdict::DropIfMoved);
  EXPECT_EQ(bond.view().admits(2, true), Verdict::Drop) << "only the active member takes broadcasts";
  links({true, false});
  run();
  EXPECT_EQ(bond.view().admits(2, false), Verdict::DropIfMoved) << "what still arrives is not lost";
  EXPECT_EQ(bond.view().admits(2, true), Verdict::Drop);
  links({true, true});
  run();
  run(0, LacpStatus::Negotiated);
  EXPECT_EQ(bond.view().admits(2, true), Verdict::Accept) << "the partner sends one copy";
  links({true, false});
  run(0, LacpStatus::Negotiated);
  EXPECT_EQ(bond.view().admits(2, false), Verdict::Drop);
  run(0, LacpStatus::Configured);
  EXPECT_EQ(bond.view().admits(1, false), Verdict::Drop);
  configure({.mode = BondMode::BalanceTcp, .lacp_fallback = true});
  run(0, LacpStatus::Configured);
  EXPECT_EQ(bond.mode(), BondMode::ActiveBackup);
  EXPECT_EQ(bond.view().admits(1, false), Verdict::Accept);
  configure({.mode = BondMode::BalanceTcp});
  run(0, LacpStatus::Off);
  EXPECT_EQ(bond.view().active, std::nullopt) << "it needs LACP";
}

TEST_F(BondTest, SharesGoToEnabledMembersOnly) {
  configure({.mode = BondMode::BalanceSlb}, 3);
  links({true, true, true});
  run();
  std::map<std::uint32_t, unsigned> count;
  for (unsigned share = 0; share < kBondHashes; ++share) ++count[*bond.view().member_of(share)];
  EXPECT_EQ(count.size(), 3u);
  for (const auto& [port, shares] : count) EXPECT_NEAR(shares, kBondHashes / 3, 1);
  const BondView before = bond.view();
  links({true, false, true});
  run();
  for (unsigned share = 0; share < kBondHashes; ++share) {
    EXPECT_NE(bond.view().member_of(share), 2u);
    if (before.member_of(share) != 2u) {
      EXPECT_EQ(bond.view().member_of(share), before.member_of(share)) << "others stay where they are";
    }
  }
}

TEST_F(BondTest, RebalancesByLoad) {
  configure({.mode = BondMode::BalanceSlb});
  links({true, true});
  run();
  traffic.assign(kBondHashes, 0);
  for (unsigned i = 0; i < 8; ++i) traffic[2 * i] = 1'000'000;  // all on one member
  ASSERT_EQ(bond.view().member_of(0), bond.view().member_of(2));
  EXPECT_FALSE(bond.rebalances(now));
  now = now + Duration::seconds(10);
  ASSERT_TRUE(bond.rebalances(now));
  run();
  unsigned on_first = 0;
  for (unsigned i = 0; i < 8; ++i) on_first += bond.view().member_of(2 * i) == 1u;
  EXPECT_EQ(on_first, 4u);
  EXPECT_NE(bond.show(now, 0).find("  hash 0: 976 kB load\n"), std::string::npos) << bond.show(now, 0);
}

TEST_F(BondTest, Commands) {
  configure({});
  links({true, true});
  run();
  EXPECT_EQ(bond.set_active("zz").error().message, "no such member");
  EXPECT_EQ(*bond.set_active("m1"), "no change");
  EXPECT_EQ(*bond.set_active("m2"), "done");
  run();
  EXPECT_EQ(bond.view().active, 2u);
  EXPECT_EQ(bond.migrate(3, "m1").error().message, "not an SLB bond");
  configure({.mode = BondMode::BalanceSlb});
  EXPECT_EQ(*bond.migrate(3, "m2"), "migrated");
  EXPECT_EQ(bond.view().member_of(3), 2u);
  EXPECT_EQ(bond.list_members(), "m1, m2");
  EXPECT_EQ(
      bond.show(now, 0),
      "bond_mode: balance-slb\nbond may use recirculation: no, Recirc-ID : -1\nbond-hash-basis: 0\n"
      "lb_output action: disabled, bond-id: -1\nall members active: false\nupdelay: 0 ms\ndowndelay: 0 ms\n"
      "next rebalance: 10000 ms\nlacp_status: off\nlacp_fallback_ab: false\nactive-backup primary: <none>\n"
      "active member mac: 00:00:00:00:00:02(m2)\n\nmember m1: enabled\n  may_enable: true\n\nmember m2: "
      "enabled\n"
      "  active member\n  may_enable: true\n\n");
}

}  // namespace
}  // namespace sluice::l2
