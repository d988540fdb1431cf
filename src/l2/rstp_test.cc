#include "l2/rstp.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "base/rng.h"
#include "l2/stp.h"

namespace sluice::l2 {
namespace {

/// Bridges whose ports are joined by links; some may speak STP only.
class RstpNetwork : public ::testing::Test {
 protected:
  struct End {
    std::size_t bridge;
    std::uint32_t port;
    auto operator<=>(const End&) const = default;
  };

  void join(End a, End b, std::uint32_t cost = 10) {
    peers[a] = b;
    peers[b] = a;
    for (const End& end : {a, b}) {
      if (bridges.size() <= end.bridge) bridges.resize(end.bridge + 1), ports.resize(end.bridge + 1);
      ports[end.bridge][end.port] = {.name = "p" + std::to_string(end.port),
                                     .number = static_cast<std::uint16_t>(end.port),
                                     .cost = cost};
    }
  }
  void edge(End end) {
    if (bridges.size() <= end.bridge) bridges.resize(end.bridge + 1), ports.resize(end.bridge + 1);
    ports[end.bridge][end.port] = {.name = "e", .number = static_cast<std::uint16_t>(end.port)};
  }
  void configure(std::size_t i, RstpSettings settings = {}) {
    settings.system = net::Mac::from_value(0x100 + i);
    bridges[i].configure(settings, ports[i], now);
    for (const auto& [port, wanted] : ports[i]) bridges[i].set_link(port, !down.contains({i, port}), now);
  }
  void start() {
    for (std::size_t i = 0; i < bridges.size(); ++i) configure(i);
  }
  void set_link(End a, bool up) {
    for (const End& end : {a, peers.at(a)}) {
      up ? down.erase(end) : down.insert(end).second;
      bridges[end.bridge].set_link(end.port, up, now);
    }
  }
  /// What bridges have to say now, and what others answer at once. After no frame is there a loop.
  void talk() {
    std::deque<std::pair<End, BpduFrame>> on_the_way;
    const auto speak = [&](std::size_t bridge) {
      for (const auto& out : bridges[bridge].run(now))
        on_the_way.emplace_back(End{bridge, out.port}, out.frame);
      ASSERT_FALSE(has_loop());
    };
    for (std::size_t bridge = 0; bridge < bridges.size(); ++bridge) speak(bridge);
    for (; !on_the_way.empty(); on_the_way.pop_front()) {
      ASSERT_LT(++frames, 100'000u) << "they never fall silent";
      const auto& [end, frame] = on_the_way.front();
      if (down.contains(end) || !peers.contains(end)) continue;
      const End peer = peers.at(end);
      bridges[peer.bridge].receive(peer.port, frame);
      speak(peer.bridge);
      if (HasFatalFailure()) return;
    }
  }
  void pass(std::int64_t seconds) {
    talk();
    for (std::int64_t i = 0; i < seconds; ++i) {
      now = now + Duration::seconds(1);
      ASSERT_NO_FATAL_FAILURE(talk());
    }
  }
  RstpState state(End end) const { return bridges[end.bridge].state(end.port); }
  RstpRole role(End end) const { return bridges[end.bridge].status(end.port, now)->role; }
  bool carries(End end) const {
    return !down.contains(end) && state(end) == RstpState::Forwarding &&
           state(peers.at(end)) == RstpState::Forwarding;
  }
  /// Bridges that are reached from `first` over links that carry traffic; `links`: how many of these there
  /// are.
  std::size_t reach(std::size_t first, std::size_t& ends) const {
    std::set<std::size_t> reached{first};
    std::deque<std::size_t> queue{first};
    ends = 0;
    while (!queue.empty()) {
      const std::size_t at = queue.front();
      queue.pop_front();
      for (const auto& [a, b] : peers) {
        if (a.bridge != at || !carries(a)) continue;
        ++ends;
        if (reached.insert(b.bridge).second) queue.push_back(b.bridge);
      }
    }
    return reached.size();
  }
  bool is_tree() const {
    std::size_t ends = 0;
    return reach(0, ends) == bridges.size() && ends == 2 * (bridges.size() - 1);
  }
  bool has_loop() const {
    for (std::size_t i = 0; i < bridges.size(); ++i) {
      std::size_t ends = 0;
      const std::size_t reached = reach(i, ends);
      if (ends > 2 * (reached - 1)) return true;
    }
    return false;
  }

  Instant now{Duration::seconds(100).ns};
  std::vector<Rstp> bridges;
  std::vector<std::map<std::uint32_t, RstpPortSettings>> ports;
  std::map<End, End> peers;
  std::set<End> down;
  unsigned frames = 0;
};

TEST_F(RstpNetwork, ALinkBetweenTwoForwardsAtOnce) {
  join({0, 1}, {1, 1});
  start();
  pass(0);
  EXPECT_EQ(role({0, 1}), RstpRole::Designated) << "the lower address is the root";
  EXPECT_EQ(role({1, 1}), RstpRole::Root);
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding) << "by proposal and agreement, not by waiting";
  EXPECT_EQ(state({1, 1}), RstpState::Forwarding);
  EXPECT_EQ(bridges[1].root_id(), bridges[0].bridge_id());
  EXPECT_EQ(bridges[1].root_cost(), 10u);
}

TEST_F(RstpNetwork, ALinkThatWasDownForLongIsNoEdge) {
  join({0, 1}, {1, 1});
  join({0, 2}, {1, 2}, 20);
  start();
  set_link({0, 2}, false);
  pass(10);
  set_link({0, 2}, true);
  EXPECT_EQ(state({0, 2}), RstpState::Discarding) << "before the other bridge was heard";
  EXPECT_EQ(state({1, 2}), RstpState::Discarding);
  pass(10);
  EXPECT_TRUE(is_tree());
}

TEST_F(RstpNetwork, WhoSleptDoesNotHoldItAgainstNeighbours) {
  join({0, 1}, {1, 1});
  join({0, 2}, {1, 2}, 20);
  start();
  pass(10);
  now = now + Duration::seconds(60);
  bridges[1].run(now);
  EXPECT_EQ(role({1, 2}), RstpRole::Alternate);
  EXPECT_EQ(state({1, 2}), RstpState::Discarding);
}

TEST_F(RstpNetwork, WithoutPortsABridgeIsTheRoot) {
  join({0, 1}, {1, 1});
  start();
  pass(3);
  EXPECT_NE(bridges[1].show().find("root-port       p1"), std::string::npos);
  ports[1].clear();
  configure(1);
  EXPECT_NE(bridges[1].show().find("This bridge is the root"), std::string::npos) << bridges[1].show();
  EXPECT_EQ(bridges[1].root_id(), bridges[1].bridge_id());
}

TEST_F(RstpNetwork, AnEdgePortForwardsWithinSeconds) {
  edge({0, 1});
  start();
  EXPECT_EQ(state({0, 1}), RstpState::Discarding);
  pass(2);
  EXPECT_EQ(state({0, 1}), RstpState::Discarding);
  pass(2);
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding);
  ports[0][1].auto_edge = false;
  bridges[0] = {};
  configure(0);
  pass(18);
  EXPECT_EQ(state({0, 1}), RstpState::Discarding);
  pass(10);
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding) << "by time alone";
  ports[0][1].admin_edge = true;
  bridges[0] = {};
  configure(0);
  pass(0);
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding);
}

TEST_F(RstpNetwork, AnEdgeOnlyAsLongAsItMayBeOne) {
  edge({0, 1});
  start();
  pass(8);
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding);
  (void)bridges[0].run(now);
  ports[0][1].auto_edge = false;
  configure(0);
  const auto out = bridges[0].run(now);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_NE(out[0].frame[bpdu::kFlagsAt] & bpdu::kTopologyChange, 0) << "a link of the tree it is now";
  EXPECT_EQ(state({0, 1}), RstpState::Forwarding);
}

TEST_F(RstpNetwork, ARingIsCutAndHealsAtOnce) {
  join({0, 1}, {1, 1});
  join({1, 2}, {2, 2}, 100);
  join({2, 1}, {0, 2});
  start();
  pass(4);
  EXPECT_TRUE(is_tree());
  EXPECT_EQ(role({2, 2}), RstpRole::Alternate) << "the bridge with the higher id gives way";
  EXPECT_EQ(state({2, 2}), RstpState::Discarding);
  EXPECT_EQ(state({1, 2}), RstpState::Forwarding);
  pass(10);
  for (Rstp& bridge : bridges) bridge.take_flushes();
  set_link({2, 1}, false);
  pass(1);
  EXPECT_TRUE(is_tree());
  EXPECT_EQ(role({2, 2}), RstpRole::Root);
  EXPECT_FALSE(bridges[0].take_flushes().empty()) << "addresses behind the root have moved";
  set_link({2, 1}, true);
  pass(3);
  EXPECT_TRUE(is_tree());
  EXPECT_EQ(role({2, 2}), RstpRole::Alternate);
}

TEST_F(RstpNetwork, TwoPortsOfOneBridgeOnOneLink) {
  join({0, 1}, {0, 2});
  start();
  pass(5);
  EXPECT_EQ(role({0, 1}), RstpRole::Designated);
  EXPECT_EQ(role({0, 2}), RstpRole::Backup);
  EXPECT_EQ(state({0, 2}), RstpState::Discarding);
}

TEST_F(RstpNetwork, PriorityAndCostChoose) {
  join({0, 1}, {1, 1});
  join({0, 2}, {1, 2});
  start();
  configure(1, {.priority = 4096});
  pass(4);
  EXPECT_EQ(bridges[0].root_id(), bridges[1].bridge_id());
  EXPECT_EQ(role({0, 1}), RstpRole::Root) << "the lower port number of the other side";
  EXPECT_EQ(role({0, 2}), RstpRole::Alternate);
  ports[0][1].cost = 1000;
  configure(0);
  pass(4);
  EXPECT_EQ(role({0, 2}), RstpRole::Root);
  EXPECT_TRUE(is_tree());
}

TEST_F(RstpNetwork, SilenceOfTheRootIsNoticed) {
  join({0, 1}, {1, 1});
  join({1, 2}, {2, 1});
  start();
  pass(5);
  EXPECT_EQ(bridges[2].root_id(), bridges[0].bridge_id());
  down = {{0, 1}, {1, 1}};  // nothing arrives, and nobody says so
  pass(7);
  EXPECT_EQ(bridges[2].root_id(), bridges[1].bridge_id()) << "after three hello times";
}

TEST_F(RstpNetwork, AnyNetworkBecomesATreeAndStaysOne) {
  Rng rng(5);
  for (unsigned round = 0; round < 20; ++round) {
    bridges.clear(), ports.clear(), peers.clear(), down.clear();
    frames = 0;
    constexpr std::size_t kBridges = 7;
    std::uint32_t port = 0;
    const auto cost = [&] { return static_cast<std::uint32_t>(rng.below(50) + 1); };
    for (std::size_t i = 1; i < kBridges; ++i, port += 2)
      join({rng.below(i), port + 1}, {i, port + 2}, cost());
    for (unsigned extra = 0; extra < 5; ++extra, port += 2)
      join({rng.below(kBridges), port + 1}, {rng.below(kBridges), port + 2}, cost());
    start();
    pass(30);
    ASSERT_TRUE(is_tree()) << "round " << round;
    // An extra link goes and comes: the tree stays whole, or is mended.
    const End torn{peers.rbegin()->first};
    set_link(torn, false);
    pass(30);
    std::size_t ends = 0;
    const std::size_t reached = reach(0, ends);
    EXPECT_EQ(ends, 2 * (reached - 1)) << "round " << round;
    set_link(torn, true);
    pass(30);
    ASSERT_TRUE(is_tree()) << "round " << round;
  }
}

TEST_F(RstpNetwork, FramesAreFew) {
  join({0, 1}, {1, 1});
  start();
  pass(20);
  frames = 0;
  pass(20);
  EXPECT_LE(frames, 12u) << "a hello of the designated port every two seconds";
}

TEST_F(RstpNetwork, WhatIsNoBpduIsCounted) {
  edge({0, 1});
  start();
  BpduFrame frame{};
  bridges[0].receive(1, frame);
  bridges[0].receive(1, Bytes(frame.data(), 16));
  bridges[0].receive(9, frame);
  frame = bpdu::frame_of({}, bpdu::kRapid, bpdu::kRapidEnd);
  bridges[0].receive(1, frame);  // version 0
  EXPECT_EQ(bridges[0].status(now).at(1).errors, 3u);
  EXPECT_EQ(bridges[0].status(now).at(1).received, 0u);
  Rng rng(2);
  for (unsigned i = 0; i < 2000; ++i) {
    for (std::size_t at = bpdu::kVersionAt; at < frame.size(); ++at)
      frame[at] = static_cast<std::uint8_t>(rng.next());
    frame[bpdu::kVersionAt] = 2;
    frame[bpdu::kTypeAt] = std::array{bpdu::kRapid, bpdu::kConfiguration, bpdu::kNotification}[i % 3];
    bridges[0].receive(1, frame);
    now = now + Duration::milliseconds(100);
    bridges[0].run(now);
  }
  pass(100);
  EXPECT_EQ(bridges[0].root_id(), bridges[0].bridge_id()) << "noise is forgotten";
}

/// One bridge of each protocol, joined by two links.
class RstpWithStp : public ::testing::Test {
 protected:
  void pass(unsigned seconds) {
    for (unsigned i = 0; i < seconds * 4; ++i) {
      now = now + Duration::milliseconds(250);
      for (const auto& out : rapid.run(now)) {
        last_type = out.frame[bpdu::kTypeAt];
        stp.receive(out.port, out.frame, now);
      }
      for (const auto& out : stp.run(now))
        if (!stp_silent) rapid.receive(out.port, out.frame);
    }
  }
  void start(std::uint16_t rapid_priority) {
    rapid.configure({.priority = rapid_priority, .system = net::Mac::from_value(1)},
                    {{1, {.name = "p1", .number = 1}}, {2, {.name = "p2", .number = 2}}}, now);
    stp.configure({.system = net::Mac::from_value(2)},
                  {{1, {.name = "p1", .number = 1}}, {2, {.name = "p2", .number = 2}}}, now);
    for (std::uint32_t port : {1u, 2u}) {
      rapid.set_link(port, true, now);
      stp.set_link(port, true, now);
    }
  }

  Instant now{Duration::seconds(100).ns};
  Rstp rapid;
  Stp stp;
  bool stp_silent = false;
  std::uint8_t last_type = 0;
};

TEST_F(RstpWithStp, TheRootSpeaksTheOthersLanguage) {
  start(4096);
  pass(80);
  EXPECT_EQ(stp.root_id(), rapid.bridge_id());
  EXPECT_EQ(stp.status(now).at(1).state, StpState::Forwarding);
  EXPECT_EQ(stp.status(now).at(2).state, StpState::Blocking);
  EXPECT_EQ(rapid.status(now).at(1).state, RstpState::Forwarding);
}

TEST_F(RstpWithStp, ALeafWaitsAndTellsOfChanges) {
  start(61440);
  pass(80);
  EXPECT_EQ(rapid.root_id(), stp.bridge_id());
  EXPECT_EQ(rapid.status(now).at(1).state, RstpState::Forwarding);
  EXPECT_EQ(rapid.status(now).at(2).role, RstpRole::Alternate);
  stp.take_topology_change();
  rapid.set_link(1, false, now);
  stp.set_link(1, false, now);
  pass(60);
  EXPECT_EQ(rapid.status(now).at(2).state, RstpState::Forwarding);
  EXPECT_EQ(last_type, bpdu::kNotification) << "what the other understands";
}

TEST_F(RstpWithStp, ForcedVersionIsStp) {
  rapid.configure({.system = net::Mac::from_value(1), .stp_only = true}, {{1, {.name = "p1", .number = 1}}},
                  now);
  rapid.set_link(1, true, now);
  stp_silent = true;
  pass(10);
  EXPECT_EQ(last_type, bpdu::kConfiguration);
  EXPECT_EQ(rapid.status(now).at(1).state, RstpState::Discarding) << "nobody may think himself at the edge";
}

TEST_F(RstpWithStp, RapidAgainWhenItIsAsked) {
  start(4096);
  pass(60);
  EXPECT_EQ(last_type, bpdu::kConfiguration);
  stp_silent = true;
  pass(10);
  EXPECT_EQ(last_type, bpdu::kConfiguration) << "it can't know";
  rapid.configure(
      {.priority = 4096, .system = net::Mac::from_value(1)},
      {{1, {.name = "p1", .number = 1, .mcheck = true}}, {2, {.name = "p2", .number = 2, .mcheck = true}}},
      now);
  pass(10);
  EXPECT_EQ(last_type, bpdu::kRapid);
}

}  // namespace
}  // namespace sluice::l2
