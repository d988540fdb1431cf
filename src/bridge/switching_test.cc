// Patch ports, mirrors, policing and bonds of a whole switch on dummy ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bridge/bonds.h"
#include "bridge/switch.h"
#include "conntrack/tracker.h"
#include "port/dummy/dummy_port.h"
#include "tests/support/packet_dsl.h"

namespace sluice::bridge {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SwitchingTest : public ::testing::Test {
 protected:
  SwitchingTest() { config_.conntrack.max_connections = 1000; }

  BridgeConfig& add_bridge(const std::string& name, const std::string& flows) {
    auto& bridge = config_.bridges.emplace_back();
    bridge.name = name;
    bridge.local = LocalPort::None;
    bridge.flows = flows;
    return bridge;
  }
  static PortConfig dummy(const std::string& name, std::uint32_t number) {
    PortConfig port;
    port.name = name;
    port.type = "dummy";
    port.number = number;
    return port;
  }
  static PortConfig patch(const std::string& name, const std::string& peer, std::uint32_t number) {
    PortConfig port = dummy(name, number);
    port.type = "patch";
    port.options["peer"] = peer;
    return port;
  }
  void reconcile() {
    if (!device_) {
      SwitchOptions options;
      options.secret = 5;
      options.make_port = [this](const PortConfig& port) -> Result<std::unique_ptr<port::Port>> {
        auto made = std::make_unique<port::DummyPort>(port.name);
        open_[port.name] = made.get();
        return made;
      };
      device_ = std::make_unique<Switch>(clock_, std::move(options), config_);
    }
    EXPECT_THAT(device_->reconcile(config_).errors, IsEmpty());
    const auto configured = [this](const std::string& name) {
      return std::any_of(config_.bridges.begin(), config_.bridges.end(), [&](const BridgeConfig& bridge) {
        return std::any_of(bridge.ports.begin(), bridge.ports.end(),
                           [&](const PortConfig& port) { return port.name == name; });
      });
    };
    std::erase_if(open_, [&](const auto& entry) { return !configured(entry.first); });
  }
  void send(const std::string& port, std::uint8_t host = 1) {
    open_[port]->inject(testing::build(testing::Eth{.src = net::Mac::from_value(0x020000000000 + host),
                                                    .dst = net::Mac::from_value(0x02ffffffffff)} /
                                       testing::Ip4{} / testing::Udp{}));
    while (device_->datapath().poll() != 0) {
    }
  }
  /// Frames that left since the last time: "p2 x3".
  std::vector<std::string> sent() {
    std::vector<std::string> text;
    for (const auto& [name, port] : open_) {
      unsigned count = 0;
      while (port->take_sent()) ++count;
      if (count != 0) text.push_back(name + " x" + std::to_string(count));
    }
    return text;
  }
  PortStatus port(const std::string& name) {
    for (const auto& status : device_->ports())
      if (status.name == name) return status;
    return {};
  }

  ManualClock clock_;
  SwitchConfig config_;
  std::map<std::string, port::DummyPort*> open_;  ///< owned by the datapath
  std::unique_ptr<Switch> device_;
};

TEST_F(SwitchingTest, PatchPortsJoinBridges) {
  add_bridge("br0", "in_port=1,actions=output:10\nin_port=10,actions=output:1\n").ports = {
      dummy("p1", 1), patch("a", "b", 10)};
  add_bridge("br1", "in_port=11,actions=output:2\nin_port=2,actions=output:11\n").ports = {
      dummy("q2", 2), patch("b", "a", 11)};
  reconcile();
  send("p1");
  send("p1");
  EXPECT_THAT(sent(), ElementsAre("q2 x2"));
  send("q2");
  EXPECT_THAT(sent(), ElementsAre("p1 x1"));
  device_->push_stats();
  EXPECT_EQ(port("a").datapath->tx_packets, 2u);
  EXPECT_EQ(port("a").datapath->rx_packets, 1u);
  EXPECT_EQ(port("b").datapath->rx_packets, 2u);
  EXPECT_EQ(port("b").peer, "a");
  EXPECT_THAT(device_->dump_flows(*device_->find_bridge("br1")), HasSubstr("n_packets=2"));

  // The other bridge goes, and comes back.
  auto br1 = config_.bridges.back();
  config_.bridges.pop_back();
  reconcile();
  send("p1");
  EXPECT_THAT(sent(), IsEmpty());
  EXPECT_EQ(port("a").error, "No usable peer 'b' exists in 'netdev' datapath.");
  EXPECT_EQ(port("a").number, 10u) << "it keeps its number";
  config_.bridges.push_back(br1);
  reconcile();
  EXPECT_EQ(port("a").error, "");
  send("p1");
  EXPECT_THAT(sent(), ElementsAre("q2 x1"));
}

TEST_F(SwitchingTest, WhatTheTrackerSaysIsHiddenBehindAPatchPort) {
  add_bridge("br0", "table=0,ip,actions=ct(commit,table=1,zone=3)\ntable=1,ct_state=+trk,actions=output:10\n")
      .ports = {dummy("p1", 1), patch("a", "b", 10)};
  add_bridge("br1",
             "ct_state=-trk,ip,actions=ct(commit,table=1,zone=4)\ntable=1,ct_state=+trk,ct_zone=4,actions="
             "output:2\n")
      .ports = {dummy("q2", 2), patch("b", "a", 11)};
  reconcile();
  send("p1");
  send("p1");
  EXPECT_THAT(sent(), ElementsAre("q2 x2"));
  EXPECT_EQ(device_->tracker().connections(), 2u) << "one in each zone";
}

TEST_F(SwitchingTest, MirrorsCopyAndCount) {
  auto& br0 = add_bridge("br0", "actions=NORMAL\n");
  br0.ports = {dummy("p1", 1), dummy("p2", 2), dummy("p3", 3)};
  br0.mirrors = {{.name = "m", .all_ports = true, .output = "p3"}};
  reconcile();
  send("p1", 1);
  EXPECT_THAT(sent(), ElementsAre("p2 x1", "p3 x1"))
      << "a packet has one copy, though it comes in and leaves";
  send("p3", 3);
  EXPECT_THAT(sent(), IsEmpty()) << "the port is for copies";
  device_->push_stats();
  EXPECT_EQ(device_->find_bridge("br0")->pipeline().mirrors().at(0).copied->packets(), 1u);
  config_.bridges[0].mirrors.clear();
  reconcile();
  send("p1", 1);
  EXPECT_THAT(sent(), ElementsAre("p2 x1", "p3 x1"));
}

TEST_F(SwitchingTest, PolicingDropsWhatGoesBeyondTheRate) {
  auto& br0 = add_bridge("br0", "actions=output:2\n");
  br0.ports = {dummy("p1", 1), dummy("p2", 2)};
  br0.ports[0].policing = {.kpps = 1, .burst_kpackets = 1};
  reconcile();
  for (int i = 0; i < 1200; ++i) send("p1");
  EXPECT_THAT(sent(), ElementsAre("p2 x1000"));
  EXPECT_EQ(device_->datapath().stats()[packet::DropReason::PolicingExceeded], 200u);
  clock_.advance(Duration::milliseconds(100));
  for (int i = 0; i < 200; ++i) send("p1");
  EXPECT_THAT(sent(), ElementsAre("p2 x100")) << "a thousand packets a second";
  config_.bridges[0].ports[0].policing = {};
  reconcile();
  for (int i = 0; i < 200; ++i) send("p1");
  EXPECT_THAT(sent(), ElementsAre("p2 x200"));
}

class BondedTest : public SwitchingTest {
 protected:
  void make(l2::BondSettings settings, std::optional<l2::LacpSettings> lacp = std::nullopt) {
    auto& br0 = add_bridge("br0", "actions=NORMAL\n");
    br0.ports = {dummy("b1", 11), dummy("b2", 12), dummy("p1", 1)};
    for (int i : {0, 1}) {
      br0.ports[i].bond = "bond0";
      br0.ports[i].speaks_lacp = lacp.has_value();
    }
    br0.bonds = {{"bond0", settings, lacp}};
    reconcile();
  }
};

TEST_F(BondedTest, ActiveBackupFailsOver) {
  make({});
  send("p1");
  EXPECT_THAT(sent(), ElementsAre("b1 x1"));
  send("b2", 2);
  EXPECT_THAT(sent(), IsEmpty()) << "the backup takes nothing";
  send("b1", 2);
  EXPECT_THAT(sent(), ElementsAre("p1 x1"));
  open_["b1"]->set_link(false);
  device_->run();
  // The neighbour is shown the address behind p1, not the one behind the bond.
  const auto shown = open_["b2"]->take_sent();
  ASSERT_TRUE(shown);
  const net::Mac host = net::Mac::from_value(0x020000000001);
  std::vector<std::uint8_t> expected(6, 0xff);
  const auto append = [&](const std::vector<std::uint8_t>& bytes) {
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  };
  const std::vector<std::uint8_t> address(host.bytes.begin(), host.bytes.end());
  append(address);
  append({0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3});
  append(address);
  append({0, 0, 0, 0});
  append(address);
  append({0, 0, 0, 0});
  EXPECT_EQ(std::vector<std::uint8_t>(shown->bytes.begin(), shown->bytes.end()), expected);
  EXPECT_THAT(sent(), IsEmpty());
  send("p1");
  EXPECT_THAT(sent(), ElementsAre("b2 x1"));
  device_->run();
  EXPECT_THAT(sent(), IsEmpty()) << "once";
  // Without an active member for a while the neighbours forget.
  open_["b2"]->set_link(false);
  device_->run();
  EXPECT_THAT(sent(), IsEmpty());
  open_["b2"]->set_link(true);
  device_->run();
  EXPECT_THAT(sent(), ElementsAre("b2 x1"));
}

TEST_F(BondedTest, BalanceSlbSpreadsSources) {
  make({.mode = l2::BondMode::BalanceSlb});
  for (std::uint8_t host = 1; host < 10; ++host) send("p1", host);
  unsigned first = 0, second = 0;
  while (open_["b1"]->take_sent()) ++first;
  while (open_["b2"]->take_sent()) ++second;
  EXPECT_EQ(first + second, 9u);
  EXPECT_GT(first, 0u);
  EXPECT_GT(second, 0u);
}

TEST_F(BondedTest, BalanceTcpWaitsForLacpAndHashesFlows) {
  make({.mode = l2::BondMode::BalanceTcp}, l2::LacpSettings{.fast = true});
  (void)sent();
  send("p1");
  EXPECT_THAT(sent(), IsEmpty()) << "no partner yet";
  // The partner.
  l2::Lacp partner;
  const std::map<std::uint32_t, l2::LacpMember> members{{11, {.name = "x1", .number = 1}},
                                                        {12, {.name = "x2", .number = 2}}};
  partner.configure({.fast = true, .system = net::Mac::from_value(0x77)}, members, clock_.now());
  for (const std::uint32_t port : {11u, 12u}) partner.set_link(port, true, clock_.now());
  for (int i = 0; i < 6; ++i) {
    clock_.advance(Duration::milliseconds(500));
    for (const auto& out : partner.run(clock_.now())) open_[out.port == 11 ? "b1" : "b2"]->inject(out.frame);
    while (device_->datapath().poll() != 0) {
    }
    device_->run();
    for (const auto& [name, number] : {std::pair("b1", 11u), std::pair("b2", 12u)})
      while (const auto frame = open_[name]->take_sent()) partner.receive(number, frame->bytes, clock_.now());
  }
  ASSERT_EQ(partner.status(), l2::LacpStatus::Negotiated);
  EXPECT_TRUE(partner.may_enable(11) && partner.may_enable(12));
  EXPECT_EQ(port("b1").lacp_current, true);
  EXPECT_EQ(port("p1").lacp_current, std::nullopt);
  for (std::uint16_t flow = 1; flow <= 64; ++flow) {
    open_["p1"]->inject(testing::build(testing::Ip4{} / testing::Udp{.sport = flow}));
    while (device_->datapath().poll() != 0) {
    }
  }
  unsigned first = 0, second = 0;
  while (open_["b1"]->take_sent()) ++first;
  while (open_["b2"]->take_sent()) ++second;
  EXPECT_EQ(first + second, 64u);
  EXPECT_GT(first, 10u);
  EXPECT_GT(second, 10u);
  EXPECT_LT(device_->datapath().stats().megaflows, 64u + 10u);
}

TEST_F(SwitchingTest, MulticastIsLearnedFromReportsInTheBridgeThatSeesThem) {
  add_bridge("br0", "actions=NORMAL\n").ports = {dummy("p1", 1), dummy("p2", 2), patch("a", "b", 10)};
  add_bridge("br1", "actions=NORMAL\n").ports = {dummy("q1", 1), dummy("q2", 2), patch("b", "a", 11)};
  for (auto& bridge : config_.bridges) bridge.multicast.emplace();
  reconcile();
  const auto deliver = [&](const std::string& port, std::vector<std::uint8_t> frame) {
    open_[port]->inject(std::move(frame));
    while (device_->datapath().poll() != 0) {
    }
    device_->deliver_own_frames();
    device_->deliver_memberships();
  };
  const auto igmp = [](std::uint8_t type, std::uint8_t sum_high, std::uint8_t sum_low) {
    const std::uint8_t text[] = {type, 0, sum_high, sum_low, 225, 0, 0, 1};
    return testing::build(testing::Eth{.dst = *net::parse_mac("01:00:5e:00:00:01")} /
                          testing::Ip4{.dst = "225.0.0.1", .proto = std::uint8_t{2}} /
                          testing::Payload{.data = std::string(std::begin(text), std::end(text))});
  };
  const auto data = testing::build(testing::Eth{.dst = *net::parse_mac("01:00:5e:00:00:01")} /
                                   testing::Ip4{.dst = "225.0.0.1"} / testing::Udp{});
  const auto groups = [&](const std::string& bridge) {
    return device_->find_bridge(bridge)->dump_multicast(device_->now());
  };
  deliver("q1", data);
  EXPECT_THAT(sent(), ElementsAre("p1 x1", "p2 x1", "q2 x1"));
  deliver("p1", igmp(0x16, 0x08, 0xfe));
  EXPECT_THAT(sent(), IsEmpty()) << "no router, and nothing of it in the other bridge";
  EXPECT_THAT(groups("br0"), HasSubstr("\n    1     0  225.0.0.1           0\n"));
  EXPECT_THAT(groups("br1"), Not(HasSubstr("225.0.0.1")));
  deliver("p2", data);
  EXPECT_THAT(sent(), ElementsAre("p1 x1")) << "megaflows follow";
  // A router behind the patch port: reports go there, and from there on.
  deliver("q2", igmp(0x11, 0x0d, 0xfe));
  EXPECT_THAT(sent(), ElementsAre("p1 x1", "p2 x1", "q1 x1"));
  EXPECT_THAT(groups("br1"), HasSubstr("\n    2     0  querier               0\n"));
  EXPECT_THAT(groups("br0"), HasSubstr("\n   10     0  querier               0\n"));
  deliver("p1", igmp(0x16, 0x08, 0xfe));
  EXPECT_THAT(sent(), ElementsAre("q2 x1"));
  EXPECT_THAT(groups("br1"), HasSubstr("\n   11     0  225.0.0.1           0\n"));
  deliver("p1", igmp(0x17, 0x07, 0xfe));
  EXPECT_THAT(groups("br0"), Not(HasSubstr("225.0.0.1")));
  EXPECT_THAT(groups("br1"), Not(HasSubstr("225.0.0.1")));
  sent();
  // Time and configuration.
  deliver("p1", igmp(0x16, 0x08, 0xfe));
  clock_.advance(Duration::seconds(300));
  device_->run();
  EXPECT_EQ(groups("br0"), " port  VLAN  GROUP                Age\n");
  deliver("p1", igmp(0x16, 0x08, 0xfe));
  config_.bridges[0].multicast.reset();
  reconcile();
  EXPECT_EQ(groups("br0"), " port  VLAN  GROUP                Age\n");
  sent();
  deliver("p1", igmp(0x16, 0x08, 0xfe));
  EXPECT_THAT(sent(), Not(IsEmpty())) << "an ordinary packet again";
  EXPECT_EQ(groups("br0"), " port  VLAN  GROUP                Age\n");
}

TEST_F(SwitchingTest, RapidSpanningTreeCutsALoopOfPatchPorts) {
  for (unsigned i = 0; i < 3; ++i) {
    const std::string own = std::to_string(i), next = std::to_string((i + 1) % 3),
                      last = std::to_string((i + 2) % 3);
    auto& bridge = add_bridge("br" + own, "actions=NORMAL\n");
    bridge.ports = {dummy("p" + own, 1), patch("a" + own, "b" + next, 2), patch("b" + own, "a" + last, 3)};
    bridge.rstp.emplace().system = net::Mac::from_value(0x10 + i);
  }
  reconcile();
  const auto pass = [&](unsigned seconds) {
    for (unsigned i = 0; i < seconds; ++i) {
      clock_.advance(Duration::seconds(1));
      device_->run();
    }
    (void)sent();
  };
  const auto roles = [&](l2::RstpRole role) {
    unsigned count = 0;
    for (const auto& status : device_->ports()) count += status.rstp && status.rstp->role == role;
    return count;
  };
  pass(6);
  EXPECT_EQ(roles(l2::RstpRole::Root), 2u);
  EXPECT_EQ(roles(l2::RstpRole::Alternate), 1u);
  EXPECT_EQ(port("a2").rstp->state, l2::RstpState::Forwarding);
  EXPECT_EQ(port("b2").rstp->role, l2::RstpRole::Alternate);
  EXPECT_EQ(port("p1").rstp->state, l2::RstpState::Forwarding) << "an edge";
  send("p0");
  EXPECT_THAT(sent(), ElementsAre("p1 x1", "p2 x1"));
  send("p1", 7);
  EXPECT_THAT(sent(), ElementsAre("p0 x1", "p2 x1"));
  // The root's link to br1 goes: the way leads over br2 at once, and br0 forgets where addresses were.
  auto& ports = config_.bridges[0].ports;
  std::erase_if(ports, [](const PortConfig& port) { return port.name == "a0"; });
  reconcile();
  pass(2);
  EXPECT_EQ(roles(l2::RstpRole::Alternate), 0u);
  send("p0");
  EXPECT_THAT(sent(), ElementsAre("p1 x1", "p2 x1"));
  // Without the protocol all ports forward.
  for (auto& bridge : config_.bridges) bridge.rstp.reset();
  reconcile();
  EXPECT_EQ(port("p1").rstp, std::nullopt);
  send("p2", 9);
  EXPECT_THAT(sent(), ElementsAre("p0 x1", "p1 x1"));
}

TEST_F(SwitchingTest, BpdusOverAPatchPortToABridgeWithoutATree) {
  auto& speaker = add_bridge("br0", "actions=NORMAL\n");
  speaker.ports = {patch("a", "b", 1)};
  speaker.rstp.emplace().system = net::Mac::from_value(0x10);
  add_bridge("br1", "actions=NORMAL\n").ports = {patch("b", "a", 1), dummy("p", 2), patch("c", "d", 3)};
  auto& listener = add_bridge("br2", "actions=NORMAL\n");
  listener.ports = {patch("d", "c", 1), dummy("q", 2)};
  listener.rstp.emplace().system = net::Mac::from_value(0x11);
  const auto pass = [&](unsigned seconds) {
    for (unsigned i = 0; i < seconds; ++i) {
      clock_.advance(Duration::seconds(1));
      device_->run();
      while (device_->datapath().poll() != 0) {
      }
    }
  };
  reconcile();
  pass(6);
  EXPECT_THAT(sent(), Not(Contains(HasSubstr("p x")))) << "NORMAL drops frames to reserved addresses";
  EXPECT_EQ(port("d").rstp->role, l2::RstpRole::Designated);
  config_.bridges[1].forward_bpdu = true;
  reconcile();
  pass(6);
  EXPECT_THAT(sent(), Contains(HasSubstr("p x"))) << "the bridge is a wire";
  EXPECT_EQ(port("a").rstp->role, l2::RstpRole::Designated);
  EXPECT_EQ(port("d").rstp->role, l2::RstpRole::Root) << "in the third bridge there is a tree again";
  config_.bridges[1].forward_bpdu = false;
  config_.bridges[1].flows = "in_port=1,actions=2\n";
  reconcile();
  sent();
  pass(9);
  EXPECT_THAT(sent(), Contains(HasSubstr("p x"))) << "a flow decides, as of any packet";
  EXPECT_EQ(port("d").rstp->role, l2::RstpRole::Designated);
}

TEST_F(SwitchingTest, AFloodOfOwnFramesIsCut) {
  add_bridge("br0", "actions=NORMAL\n").ports = {dummy("p1", 1), dummy("p2", 2)};
  config_.bridges[0].rstp.emplace();
  reconcile();
  auto frame = l2::bpdu::frame_of({}, l2::bpdu::kRapid, l2::bpdu::kRapidEnd);
  frame[l2::bpdu::kVersionAt] = l2::bpdu::kRapidVersion;
  const auto heard = [&](const std::string& name, unsigned frames) {
    const auto before = port(name).rstp->received;
    for (unsigned i = 0; i < frames; ++i) {
      open_[name]->inject({frame.begin(), frame.end()});
      while (device_->datapath().poll() != 0) {
      }
    }
    device_->deliver_own_frames();
    return port(name).rstp->received - before;
  };
  device_->run();
  EXPECT_EQ(heard("p1", 300), 100u);
  EXPECT_EQ(device_->upcalls().own_frames().dropped(), 200u);
  EXPECT_EQ(heard("p2", 20), 20u) << "another port's do not suffer";
  clock_.advance(Duration::milliseconds(500));
  device_->run();
  EXPECT_EQ(heard("p1", 300), 25u);
}

TEST_F(SwitchingTest, AChainOfBridgesFollowsAddresses) {
  constexpr unsigned kBridges = 7;
  for (unsigned i = 0; i < kBridges; ++i) {
    const auto n = std::to_string(i);
    auto& ports = add_bridge("br" + n, "actions=NORMAL\n").ports;
    ports = {dummy("p" + n, 1), patch("l" + n, "r" + std::to_string(i - 1), 2),
             patch("r" + n, "l" + std::to_string(i + 1), 3)};
    if (i == 0) ports.erase(ports.begin() + 1);
    if (i + 1 == kBridges) ports.pop_back();
  }
  reconcile();
  const auto send_to = [&](const std::string& port, std::uint8_t from, std::uint8_t to) {
    open_[port]->inject(testing::build(testing::Eth{.src = net::Mac::from_value(0x020000000000 + from),
                                                    .dst = net::Mac::from_value(0x020000000000 + to)} /
                                       testing::Ip4{} / testing::Udp{}));
    while (device_->datapath().poll() != 0) {
    }
    return sent();
  };
  send_to("p6", 6, 0);
  EXPECT_THAT(send_to("p0", 1, 6), ElementsAre("p6 x1"));
  EXPECT_THAT(send_to("p0", 1, 6), ElementsAre("p6 x1"));
  send_to("p4", 6, 0);
  EXPECT_THAT(send_to("p0", 1, 6), ElementsAre("p4 x1")) << "it moved, in bridges that a megaflow looked at";
  send_to("p5", 9, 0);
  EXPECT_THAT(send_to("p0", 1, 6), ElementsAre("p4 x1"));
  send_to("p6", 6, 0);
  EXPECT_THAT(send_to("p0", 1, 6), ElementsAre("p6 x1"));
}

}  // namespace
}  // namespace sluice::bridge
