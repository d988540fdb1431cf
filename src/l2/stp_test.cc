#include "l2/stp.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

namespace sluice::l2 {
namespace {

/// Bridges 0, 1, … whose ports are joined by links.
class StpNetwork : public ::testing::Test {
 protected:
  struct End {
    std::size_t bridge;
    std::uint32_t port;
    auto operator<=>(const End&) const = default;
  };

  void add_bridges(std::size_t count) {
    bridges.resize(count);
    ports.resize(count);
  }
  void join(End a, End b, std::uint32_t cost = 10) {
    peers[a] = b;
    peers[b] = a;
    for (const End& end : {a, b})
      ports[end.bridge][end.port] = {.name = "p" + std::to_string(end.port),
                                     .number = static_cast<std::uint8_t>(end.port),
                                     .cost = cost};
  }
  void start() {
    for (std::size_t i = 0; i < bridges.size(); ++i) {
      bridges[i].configure({.system = net::Mac::from_value(0x100 + i)}, ports[i], now);
      for (const auto& [port, settings] : ports[i]) bridges[i].set_link(port, true, now);
    }
  }
  void set_link(End a, bool up) {
    bridges[a.bridge].set_link(a.port, up, now);
    const End b = peers.at(a);
    bridges[b.bridge].set_link(b.port, up, now);
    down.erase(a), down.erase(b);
    if (!up) down.insert({a, b});
  }
  void pass(std::int64_t seconds) {
    for (std::int64_t i = 0; i < seconds * 4; ++i) {
      now = now + Duration::milliseconds(250);
      for (std::size_t from = 0; from < bridges.size(); ++from)
        for (const auto& out : bridges[from].run(now)) {
          const End end{from, out.port};
          if (down.contains(end)) continue;
          const End peer = peers.at(end);
          bridges[peer.bridge].receive(peer.port, out.frame, now);
          ++frames;
        }
    }
  }
  StpState state(End end) const { return bridges[end.bridge].status(now).at(end.port).state; }
  StpRole role(End end) const { return bridges[end.bridge].status(now).at(end.port).role; }
  /// Whether every bridge is reached from the first by exactly one way over forwarding links.
  bool is_tree() const {
    std::set<std::size_t> reached{0};
    std::deque<std::size_t> queue{0};
    std::size_t links = 0;
    for (const auto& [a, b] : peers)
      links += a < b && state(a) == StpState::Forwarding && state(b) == StpState::Forwarding;
    while (!queue.empty()) {
      const std::size_t at = queue.front();
      queue.pop_front();
      for (const auto& [a, b] : peers)
        if (a.bridge == at && state(a) == StpState::Forwarding && state(b) == StpState::Forwarding &&
            reached.insert(b.bridge).second)
          queue.push_back(b.bridge);
    }
    return reached.size() == bridges.size() && links == bridges.size() - 1;
  }

  Instant now{Duration::seconds(100).ns};
  std::vector<Stp> bridges;
  std::vector<std::map<std::uint32_t, StpPortSettings>> ports;
  std::map<End, End> peers;
  std::set<End> down;
  unsigned frames = 0;
};

TEST_F(StpNetwork, APortListensAndLearnsBeforeItForwards) {
  add_bridges(2);
  join({0, 1}, {1, 1});
  start();
  EXPECT_EQ(state({0, 1}), StpState::Listening);
  pass(14);
  EXPECT_EQ(state({0, 1}), StpState::Listening);
  pass(2);
  EXPECT_EQ(state({0, 1}), StpState::Learning);
  pass(16);
  EXPECT_EQ(state({0, 1}), StpState::Forwarding);
  EXPECT_EQ(role({0, 1}), StpRole::Designated) << "the lower address is the root";
  EXPECT_EQ(role({1, 1}), StpRole::Root);
  EXPECT_EQ(bridges[1].root_id(), bridges[0].bridge_id());
  EXPECT_EQ(bridges[1].root_cost(), 10u);
}

TEST_F(StpNetwork, ARingIsCutWhereTheWayIsLongest) {
  add_bridges(3);
  join({0, 1}, {1, 1});
  join({1, 2}, {2, 2}, 100);
  join({2, 1}, {0, 2});
  start();
  pass(40);
  EXPECT_TRUE(is_tree());
  EXPECT_EQ(state({2, 2}), StpState::Blocking) << "the bridge with the higher id gives way";
  EXPECT_EQ(role({2, 2}), StpRole::Alternate);
  EXPECT_EQ(state({1, 2}), StpState::Forwarding);

  for (Stp& bridge : bridges) bridge.take_topology_change();
  set_link({2, 1}, false);
  pass(60);
  EXPECT_EQ(state({2, 2}), StpState::Forwarding);
  EXPECT_EQ(role({2, 2}), StpRole::Root);
  for (Stp& bridge : bridges) EXPECT_TRUE(bridge.take_topology_change()) << "addresses have moved everywhere";
  set_link({2, 1}, true);
  pass(60);
  EXPECT_TRUE(is_tree());
}

TEST_F(StpNetwork, MeshesBecomeTrees) {
  add_bridges(5);
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = a + 1; b < 5; ++b)
      join({a, static_cast<std::uint32_t>(b + 1)}, {b, static_cast<std::uint32_t>(a + 1)},
           static_cast<std::uint32_t>(1 + (a * 7 + b * 3) % 5));
  start();
  pass(60);
  EXPECT_TRUE(is_tree());
  for (std::uint32_t port = 2; port <= 5; ++port) set_link({0, port}, false);  // the root is gone
  pass(100);
  unsigned forwarding = 0;
  for (const auto& [a, b] : peers)
    forwarding +=
        a < b && a.bridge != 0 && state(a) == StpState::Forwarding && state(b) == StpState::Forwarding;
  EXPECT_EQ(forwarding, 3u) << "the other four are a tree again";
  EXPECT_EQ(bridges[4].root_id(), bridges[1].bridge_id());
}

TEST_F(StpNetwork, TwoLinksOfOneBridgeToItself) {
  add_bridges(1);
  join({0, 1}, {0, 2});
  start();
  pass(40);
  EXPECT_EQ(state({0, 1}), StpState::Forwarding);
  EXPECT_EQ(state({0, 2}), StpState::Blocking) << "the loop is cut at the higher port";
}

TEST_F(StpNetwork, PriorityChoosesTheRoot) {
  add_bridges(2);
  join({0, 1}, {1, 1});
  start();
  bridges[1].configure({.priority = 4096, .system = net::Mac::from_value(0x101)}, ports[1], now);
  pass(10);
  EXPECT_EQ(bridges[0].root_id(), bridges[1].bridge_id());
  EXPECT_NE(bridges[1].show().find("  This bridge is the root\n"), std::string::npos);
  EXPECT_NE(bridges[0].show().find("  root-port       p1\n  root-path-cost  10\n"), std::string::npos);
}

TEST_F(StpNetwork, SilenceOfTheRootIsNoticed) {
  add_bridges(2);
  join({0, 1}, {1, 1});
  start();
  pass(40);
  down.insert({0, 1});  // frames are lost, the link stays up
  pass(18);
  EXPECT_EQ(bridges[1].root_id(), bridges[0].bridge_id());
  pass(5);
  EXPECT_EQ(bridges[1].root_id(), bridges[1].bridge_id()) << "after max age";
}

TEST_F(StpNetwork, WhatIsNoBpduIsCounted) {
  add_bridges(2);
  join({0, 1}, {1, 1});
  start();
  const std::vector<std::uint8_t> zeros(60, 0), none;
  bridges[0].receive(1, zeros, now);
  bridges[0].receive(1, none, now);
  EXPECT_EQ(bridges[0].status(now).at(1).errors, 2u);
  EXPECT_EQ(bridges[0].status(now).at(1).received, 0u);
}

TEST_F(StpNetwork, FramesAreFew) {
  add_bridges(3);
  join({0, 1}, {1, 1});
  join({1, 2}, {2, 2});
  join({2, 1}, {0, 2});
  start();
  pass(60);
  frames = 0;
  pass(20);
  EXPECT_EQ(frames, 30u) << "three links, a frame every two seconds";
}

}  // namespace
}  // namespace sluice::l2
