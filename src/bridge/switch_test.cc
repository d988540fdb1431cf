// Reconciliation on dummy ports, and a switch whose worker forwards while main changes everything about it.
#include "bridge/switch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "conntrack/tracker.h"
#include "port/dummy/dummy_port.h"
#include "tests/support/packet_dsl.h"

namespace sluice::bridge {
namespace {

using ::testing::ElementsAre;
using testing::Frame;
using ::testing::HasSubstr;

/// Opens dummy ports, but for one name.
struct Ports {
  std::map<std::string, port::DummyPort*> open;

  PortFactory factory() {
    return [this](const PortConfig& config) -> Result<std::unique_ptr<port::Port>> {
      if (config.name == "broken") return fail("broken is not there");
      auto dummy = std::make_unique<port::DummyPort>(config.name);
      open[config.name] = dummy.get();
      return dummy;
    };
  }
};

SwitchConfig two_ports(const std::string& flows) {
  SwitchConfig config;
  config.conntrack.max_connections = 1000;
  auto& br0 = config.bridges.emplace_back();
  br0.name = "br0";
  br0.local = LocalPort::None;
  br0.ports = {{"p1", "dummy", {}, {}}, {"p2", "dummy", {}, {}}};
  br0.flows = flows;
  return config;
}

class SwitchTest : public ::testing::Test {
 protected:
  void make(const SwitchConfig& config) {
    SwitchOptions options;
    options.secret = 5;
    options.make_port = ports_.factory();
    device_ = std::make_unique<Switch>(clock_, std::move(options), config);
  }
  std::vector<std::string> port_lines() const {
    std::vector<std::string> lines;
    for (const auto& port : device_->ports())
      lines.push_back(port.bridge + " " + port.name + " " +
                      (port.number ? std::to_string(*port.number) : "error: " + port.error));
    return lines;
  }
  std::string dump(const std::string& bridge = "br0") {
    return device_->dump_flows(*device_->find_bridge(bridge));
  }

  ManualClock clock_;
  Ports ports_;
  std::unique_ptr<Switch> device_;
};

TEST_F(SwitchTest, NumbersFollowTheConfiguration) {
  auto config = two_ports("");
  config.bridges[0].ports.push_back({"p9", "dummy", 9u, {}});
  config.bridges[0].ports.push_back({"p3", "dummy", {}, {}});
  make(config);
  EXPECT_TRUE(device_->reconcile(config).ok());
  EXPECT_THAT(port_lines(), ElementsAre("br0 p1 1", "br0 p2 2", "br0 p9 9", "br0 p3 3"));

  // A port goes, another comes: those that stay keep their numbers.
  config.bridges[0].ports.erase(config.bridges[0].ports.begin());
  config.bridges[0].ports.push_back({"p4", "dummy", {}, {}});
  EXPECT_TRUE(device_->reconcile(config).ok());
  EXPECT_THAT(port_lines(), ElementsAre("br0 p2 2", "br0 p9 9", "br0 p3 3", "br0 p4 1"));
}

TEST_F(SwitchTest, NumbersCountUpAndWishesAreGrantedWhenFree) {
  auto config = two_ports("");
  auto& br0 = config.bridges[0];
  br0.numbering = Numbering::CountUp;
  br0.ports = {{"broken", "dummy", {}, {}, {}, {}},
               {"p1", "dummy", {}, {}, {}, 5u},
               {"p2", "dummy", {}, {}, 7u, {}},
               {"p3", "dummy", {}, {}, 7u, {}},
               {"p4", "dummy", {}, {}, {}, {}}};
  make(config);
  device_->reconcile(config);
  EXPECT_THAT(port_lines(), ElementsAre("br0 broken error: broken is not there", "br0 p1 5", "br0 p2 7",
                                        "br0 p3 1", "br0 p4 2"))
      << "a port that fails takes no number";

  // What p2 held is free: p3 moves there, with the device that it has. Another port does not get what p4 had.
  auto* const p3 = ports_.open["p3"];
  br0.ports.erase(br0.ports.begin() + 2);
  br0.ports.pop_back();
  br0.ports.push_back({"p5", "dummy", {}, {}, {}, {}});
  device_->reconcile(config);
  EXPECT_THAT(port_lines(),
              ElementsAre("br0 broken error: broken is not there", "br0 p1 5", "br0 p3 7", "br0 p5 3"));
  EXPECT_EQ(ports_.open["p3"], p3);
  ASSERT_TRUE(device_->find_bridge("br0")->change_flow("in_port=7,actions=output:5", action::FlowCommand::Add,
                                                       clock_.now()));
  p3->inject(testing::build(testing::Ip4{} / testing::Udp{}));
  while (device_->datapath().poll() != 0) {
  }
  EXPECT_EQ(ports_.open["p1"]->sent_waiting(), 1u);
}

TEST_F(SwitchTest, VlansOfPortsChangeWhileTheyAreOpen) {
  auto config = two_ports("actions=NORMAL\n");
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  const auto passes = [&] {
    const auto before = ports_.open["p2"]->sent_waiting();
    ports_.open["p1"]->inject(testing::build(testing::Ip4{} / testing::Udp{}));
    while (device_->datapath().poll() != 0) {
    }
    return ports_.open["p2"]->sent_waiting() > before;
  };
  EXPECT_TRUE(passes());
  auto* const p1 = ports_.open["p1"];
  config.bridges[0].ports[0].vlan = {.mode = l2::VlanMode::Access, .tag = 3};
  config.bridges[0].ports[1].vlan = {.mode = l2::VlanMode::Access, .tag = 4};
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_FALSE(passes());
  config.bridges[0].ports[1].vlan.tag = 3;
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_TRUE(passes());
  EXPECT_EQ(ports_.open["p1"], p1);
}

TEST_F(SwitchTest, ADefaultFlowThatSomebodyDeletedStaysDeleted) {
  auto config = two_ports("");
  config.bridges[0].fail_mode = FailMode::Standalone;
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_THAT(dump(), HasSubstr("priority=0,actions=NORMAL\n"));
  ASSERT_TRUE(device_->find_bridge("br0")->change_flow("", action::FlowCommand::Delete, clock_.now()));
  config.bridges[0].ports.pop_back();
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_EQ(dump(), "");
  config.bridges[0].fail_mode = FailMode::Secure;
  ASSERT_TRUE(device_->reconcile(config).ok());
  config.bridges[0].fail_mode = FailMode::Standalone;
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_THAT(dump(), HasSubstr("priority=0,actions=NORMAL\n"));
}

TEST_F(SwitchTest, TheDatapathIdIsConfiguredOrTheBridgesAddress) {
  auto config = two_ports("");
  auto& br0 = config.bridges[0];
  br0.fallback_mac = *net::parse_mac("02:00:00:00:00:09");
  make(config);
  device_->reconcile(config);
  EXPECT_EQ(device_->datapath_id("br0"), 0x020000000009u) << "dummy ports do not count";
  br0.mac = *net::parse_mac("02:00:00:00:00:0a");
  device_->reconcile(config);
  EXPECT_EQ(device_->datapath_id("br0"), 0x02000000000au);
  br0.datapath_id = 0xabc;
  device_->reconcile(config);
  EXPECT_EQ(device_->datapath_id("br0"), 0xabcu);
  EXPECT_EQ(device_->datapath_id("no such bridge"), 0u);
}

TEST_F(SwitchTest, ABrokenPortHarmsNoOther) {
  auto config = two_ports("actions=output:p2\n");
  config.bridges[0].ports.insert(config.bridges[0].ports.begin(), {"broken", "dummy", {}, {}});
  make(config);
  const auto report = device_->reconcile(config);
  EXPECT_THAT(report.errors, ElementsAre("bridge br0: port broken: broken is not there"));
  EXPECT_THAT(port_lines(), ElementsAre("br0 broken error: broken is not there", "br0 p1 2", "br0 p2 3"));
  EXPECT_THAT(dump(), HasSubstr("actions=output:3"));
}

TEST_F(SwitchTest, ReloadKeepsCountersAndFlowsAddedByHand) {
  auto config = two_ports("priority=1,in_port=1,actions=output:2\npriority=2,udp,actions=drop\n");
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  auto* br0 = device_->find_bridge("br0");
  ASSERT_TRUE(br0->change_flow("priority=3,arp,actions=NORMAL", action::FlowCommand::Add, clock_.now()));
  ports_.open["p1"]->inject(testing::build(testing::Ip4{} / testing::Tcp{}));
  device_->datapath().poll();

  config.bridges[0].flows = "priority=1,in_port=1,actions=output:2\npriority=5,icmp,actions=output:1\n";
  ASSERT_TRUE(device_->reconcile(config).ok());
  const auto text = dump();
  EXPECT_THAT(text, HasSubstr("n_packets=1, n_bytes=54, priority=1,in_port=1,actions=output:2\n"));
  EXPECT_THAT(text, HasSubstr("priority=5,icmp,actions=output:1\n"));
  EXPECT_THAT(text, HasSubstr("priority=3,arp,actions=NORMAL\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("udp")));
}

TEST_F(SwitchTest, ABadFlowLeavesWhatRuns) {
  auto config = two_ports("priority=1,in_port=1,actions=output:2\n");
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  config.bridges[0].flows = "priority=9,actions=drop\npriority=1,ip,nw_src=10.0.0.300,actions=drop\n";
  const auto report = device_->reconcile(config);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_THAT(report.errors[0], HasSubstr("flows of bridge br0:2: "));
  EXPECT_THAT(report.errors[0], HasSubstr("10.0.0.300"));
  EXPECT_THAT(dump(), HasSubstr("priority=1,in_port=1,actions=output:2\n"));
  EXPECT_THAT(dump(), ::testing::Not(HasSubstr("priority=9")));
}

TEST_F(SwitchTest, StandaloneActsAsALearningSwitch) {
  auto config = two_ports("");
  config.bridges[0].fail_mode = FailMode::Standalone;
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_THAT(dump(), HasSubstr("priority=0,actions=NORMAL\n"));
}

TEST_F(SwitchTest, TableLimitIsAnErrorWithItsPlace) {
  auto config = two_ports("priority=1,actions=drop\npriority=2,actions=drop\n");
  config.bridges[0].table_limits[0] = 1;
  make(config);
  const auto report = device_->reconcile(config);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_THAT(report.errors[0], HasSubstr("flows of bridge br0:2: "));
  EXPECT_EQ(dump(), "");
}

TEST_F(SwitchTest, TwoBridgesKeepApart) {
  auto config = two_ports("actions=FLOOD\n");
  auto& br1 = config.bridges.emplace_back(config.bridges[0]);
  br1.name = "br1";
  br1.ports = {{"q1", "dummy", {}, {}}, {"q2", "dummy", {}, {}}};
  br1.flows = "ip,actions=ct(table=1)\ntable=1,actions=IN_PORT\n";
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  const auto frame = testing::build(testing::Ip4{} / testing::Udp{});
  ports_.open["p1"]->inject(frame);
  ports_.open["q1"]->inject(frame);
  while (device_->datapath().poll() != 0) {
  }
  EXPECT_EQ(ports_.open["p1"]->sent_waiting(), 0u);
  EXPECT_EQ(ports_.open["p2"]->sent_waiting(), 1u);
  EXPECT_EQ(ports_.open["q1"]->sent_waiting(), 1u);
  EXPECT_EQ(ports_.open["q2"]->sent_waiting(), 0u);

  config.bridges.pop_back();
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_EQ(device_->find_bridge("br1"), nullptr);
  ports_.open["p1"]->inject(frame);
  device_->datapath().poll();
  EXPECT_EQ(ports_.open["p2"]->sent_waiting(), 2u);
}

TEST_F(SwitchTest, ATableThatWouldNotFitIsMadeSmaller) {
  auto config = two_ports("");
  config.conntrack.max_connections = 1'000'000'000;
  SwitchOptions options;
  options.make_port = ports_.factory();
  options.memory_bytes = 25'600'000;
  device_ = std::make_unique<Switch>(clock_, std::move(options), config);
  EXPECT_THAT(
      device_->reconcile(config).warnings,
      ElementsAre("conntrack.max_connections is 100000 instead of 1000000000: a full table would take "
                  "256000000000 bytes, and this machine has 25600000"));
  EXPECT_EQ(device_->tracker().max_connections(), 100'000u);
  config.conntrack.max_connections = 50'000;
  EXPECT_THAT(device_->reconcile(config).warnings, ElementsAre());
  EXPECT_EQ(device_->tracker().max_connections(), 50'000u);
}

TEST_F(SwitchTest, ATableGrowsToTwiceWhatItWas) {
  auto config = two_ports("");
  make(config);
  config.conntrack.max_connections = 2000;
  EXPECT_THAT(device_->reconcile(config).warnings, ElementsAre());
  config.conntrack.max_connections = 2001;
  EXPECT_THAT(device_->reconcile(config).warnings,
              ElementsAre("conntrack.max_connections is 2000 instead of 2001: a table so much larger than at "
                          "the start needs a restart"));
  EXPECT_EQ(device_->tracker().max_connections(), 2000u);
}

TEST_F(SwitchTest, ConntrackSettings) {
  auto config = two_ports("");
  make(config);
  config.conntrack.max_connections = 500;
  config.conntrack.default_zone_limit = 7;
  config.conntrack.zone_limits = {{1, 5}, {2, 0}};
  config.conntrack.tcp_sequence_check = false;
  ASSERT_TRUE(device_->reconcile(config).ok());
  auto& tracker = device_->tracker();
  EXPECT_EQ(tracker.max_connections(), 500u);
  EXPECT_EQ(tracker.default_zone_limit(), 7u);
  EXPECT_EQ(tracker.zone_limit(1), 5u);
  EXPECT_EQ(tracker.zone_limit(2), 0u);
  EXPECT_FALSE(tracker.tcp_sequence_check());
  config.conntrack.zone_limits.erase(1);
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_EQ(tracker.zone_limit(1), std::nullopt);
}

TEST_F(SwitchTest, ConntrackSettingsOfCommandsOutliveOtherChanges) {
  using conntrack::IpVersion;
  auto config = two_ports("");
  config.conntrack.tcp_sequence_check = false;
  config.conntrack.zone_limits = {{1, 5}, {2, 6}};
  config.conntrack.strictness[1].liberal = true;
  make(config);
  ASSERT_TRUE(device_->reconcile(config).ok());
  auto& tracker = device_->tracker();
  auto& fragments = tracker.reassembler();
  tracker.set_max_connections(100);
  tracker.set_default_zone_limit(10);
  tracker.set_zone_limit(1, 8);
  tracker.set_zone_limit(3, 9);
  tracker.set_strictness(1, {});
  tracker.set_tcp_sequence_check(true);
  fragments.set_max_fragments(500);
  fragments.set_min_fragment(IpVersion::V4, 1000);
  fragments.set_enabled(IpVersion::V6, false);

  config.bridges[0].description = "another";
  config.conntrack.zone_limits[2] = 7;
  ASSERT_THAT(device_->reconcile(config).warnings, ElementsAre());
  EXPECT_EQ(tracker.max_connections(), 100u);
  EXPECT_EQ(tracker.default_zone_limit(), 10u);
  EXPECT_EQ(tracker.zone_limit(1), 8u);
  EXPECT_EQ(tracker.zone_limit(2), 7u);
  EXPECT_EQ(tracker.zone_limit(3), 9u);
  EXPECT_EQ(tracker.strictness(1), conntrack::Strictness{});
  EXPECT_TRUE(tracker.tcp_sequence_check());
  EXPECT_EQ(fragments.max_fragments(), 500u);
  EXPECT_EQ(fragments.min_fragment(IpVersion::V4), 1000u);
  EXPECT_FALSE(fragments.is_enabled(IpVersion::V6));

  config.conntrack.tcp_sequence_check = true;
  config.conntrack.max_connections = 900;
  config.conntrack.fragments.min_ipv4 = 300;
  config.conntrack.fragments.timeout_ipv6 = 7;
  ASSERT_TRUE(device_->reconcile(config).ok());
  config.conntrack.tcp_sequence_check = false;
  ASSERT_TRUE(device_->reconcile(config).ok());
  EXPECT_FALSE(tracker.tcp_sequence_check());
  EXPECT_EQ(tracker.max_connections(), 900u);
  EXPECT_EQ(fragments.min_fragment(IpVersion::V4), 300u);
  EXPECT_EQ(fragments.timeout(IpVersion::V6), Duration::seconds(7));
  EXPECT_EQ(fragments.max_fragments(), 500u);
}

class RealClock final : public Clock {
 public:
  Instant now() const override {
    return Instant{std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count()};
  }
};

// Packets pass on a worker thread while main replaces flows, removes and adds ports and whole bridges, dumps
// and traces. The assertion is what the sanitizers say, and that at the end every packet is accounted for.
TEST(SwitchThreaded, EverythingChangesUnderTraffic) {
  const RealClock clock;
  Ports ports;
  auto config = two_ports("ip,actions=ct(commit,table=1)\ntable=1,actions=NORMAL\n");
  SwitchOptions options;
  options.secret = 5;
  options.make_port = ports.factory();
  Switch device(clock, std::move(options), config);
  ASSERT_TRUE(device.reconcile(config).ok());
  ASSERT_TRUE(device.start());
  port::DummyPort& p1 = *ports.open["p1"];
  port::DummyPort& p2 = *ports.open["p2"];
  auto with_bridge = config;
  auto& br1 = with_bridge.bridges.emplace_back(config.bridges[0]);
  br1.name = "br1";
  br1.ports = {{"q1", "dummy", {}, {}}, {"q2", "dummy", {}, {}}};

  std::atomic<bool> stop{false};
  std::thread traffic([&] {
    for (std::uint16_t n = 0; !stop; ++n) {
      p1.inject(
          testing::build(testing::Ip4{} / testing::Udp{.sport = static_cast<std::uint16_t>(n % 200 + 1)}));
      p2.inject(testing::build(testing::Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} /
                               testing::Udp{.sport = 80, .dport = 7}));
      while (p1.take_sent()) {
      }
      while (p2.take_sent()) {
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(device.reconcile(round % 2 ? config : with_bridge).ok());
    auto* br0 = device.find_bridge("br0");
    ASSERT_TRUE(
        br0->change_flow("table=1,priority=9,udp,actions=output:2", action::FlowCommand::Add, device.now()));
    device.run();
    EXPECT_THAT(device.dump_flows(*br0), HasSubstr("table_id=1"));
    const std::vector<std::string> words = {
        "br0", "udp,in_port=1,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=80"};
    EXPECT_TRUE(device.trace(words));
    ASSERT_TRUE(br0->change_flow("table=1,udp", action::FlowCommand::Delete, device.now()));
    device.datapath().flush_flows();
    device.tracker().flush(std::nullopt);
  }
  stop = true;
  traffic.join();
  device.stop();
  const auto stats = device.datapath().stats();
  EXPECT_EQ(stats.unaccounted(), 0);
  EXPECT_GT(stats[datapath::Counter::Received], 0u);
}

}  // namespace
}  // namespace sluice::bridge
