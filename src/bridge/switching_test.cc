// Patch ports, mirrors, policing and bonds of a whole switch on dummy ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bridge/bonds.h"
#include "bridge/switch.h"
#include "conntrack/tracker.h"
#include "port/dummy/dummy_port.h"
#include "tests/support/packet_dsl.h"

namespace sluice::bridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  std::map<std::string, port::DummyPort*> open_;
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
  send("p1");
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

}  // namespace
}  // namespace sluice::bridge
