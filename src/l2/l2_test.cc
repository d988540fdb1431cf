#include <gtest/gtest.h>

#include <array>

#include <atomic>
#include <map>
#include <thread>

#include "base/rcu.h"
#include "base/rng.h"
#include "l2/mac_table.h"
#include "l2/vlan.h"

namespace sluice::l2 {
namespace {

net::Mac mac(std::uint64_t value) {
  return net::Mac::from_value(value);
}
Instant at(std::int64_t seconds) {
  return Instant{Duration::seconds(seconds).ns};
}

TEST(MacTable, LearnsMovesAndAges) {
  MacTable table(1);
  EXPECT_TRUE(table.would_change(mac(1), 0, 5, at(1)));
  EXPECT_TRUE(table.learn(mac(1), 0, 5, at(1)));
  EXPECT_FALSE(table.learn(mac(1), 0, 5, at(100)));  // only a refresh
  EXPECT_EQ(table.lookup(mac(1), 0, at(100)), 5u);
  EXPECT_EQ(table.lookup(mac(1), 7, at(100)), std::nullopt);  // another VLAN
  EXPECT_TRUE(table.learn(mac(1), 0, 6, at(200)));
  EXPECT_EQ(table.lookup(mac(1), 0, at(500)), 6u);
  EXPECT_EQ(table.lookup(mac(1), 0, at(501)), std::nullopt);
  EXPECT_EQ(table.expire(at(500)), 0u);
  EXPECT_EQ(table.expire(at(501)), 1u);
  EXPECT_EQ(table.size(), 0u);
}

TEST(MacTable, WhatBecameOfEntriesIsCounted) {
  MacTable table(1, {.max_entries = 2});
  const auto counts = [&] {
    const auto c = table.counts();
    return std::array{c.learned, c.expired, c.evicted, c.moved};
  };
  using Counts = std::array<std::uint64_t, 4>;
  table.add_static(mac(9), 0, 1);
  table.remove(mac(9), 0);
  EXPECT_EQ(counts(), (Counts{0, 0, 0, 0}));
  table.learn(mac(1), 0, 5, at(1));
  table.learn(mac(1), 0, 5, at(2));
  table.learn(mac(1), 0, 6, at(3));
  EXPECT_EQ(counts(), (Counts{1, 0, 0, 1}));
  table.learn(mac(2), 0, 5, at(4));
  table.learn(mac(3), 0, 5, at(5));
  EXPECT_EQ(counts(), (Counts{3, 0, 1, 1}));
  table.learn(mac(3), 0, 7, at(400));  // it had expired, and is learned again
  EXPECT_EQ(counts(), (Counts{4, 1, 1, 1}));
  EXPECT_EQ(table.expire(at(401)), 1u);
  table.flush();
  EXPECT_EQ(counts(), (Counts{4, 2, 1, 1}));
  table.clear_counts();
  EXPECT_EQ(counts(), (Counts{0, 0, 0, 0}));
}

TEST(MacTable, StaticEntriesNeitherMoveNorAge) {
  MacTable table(1);
  table.add_static(mac(1), 3, 9);
  EXPECT_FALSE(table.learn(mac(1), 3, 4, at(1)));
  EXPECT_EQ(table.expire(at(10'000)), 0u);
  EXPECT_EQ(table.flush(), 0u);
  EXPECT_EQ(table.lookup(mac(1), 3, at(10'000)), 9u);
  EXPECT_TRUE(table.remove(mac(1), 3));
  EXPECT_FALSE(table.remove(mac(1), 3));
}

TEST(MacTable, VersionOfAnAddressChangesWithItAlone) {
  MacTable table(1, {.max_entries = 100});
  const auto unknown = table.watch(mac(1), 0);
  for (std::uint64_t i = 2; i <= 50; ++i) table.learn(mac(i), 0, 1, at(1));
  EXPECT_TRUE(unknown.unchanged());
  table.learn(mac(1), 0, 1, at(1));
  EXPECT_FALSE(unknown.unchanged()) << "it appeared";
  const auto known = table.watch(mac(1), 0);
  const std::uint64_t changes = table.changes();
  table.learn(mac(1), 0, 1, at(2));
  EXPECT_TRUE(known.unchanged()) << "only seen again";
  EXPECT_EQ(table.changes(), changes);
  table.learn(mac(1), 0, 2, at(3));
  EXPECT_FALSE(known.unchanged()) << "it moved";
  EXPECT_EQ(table.changes(), changes + 1);
  const auto moved = table.watch(mac(1), 0);
  EXPECT_EQ(table.expire(at(302)), 49u);
  EXPECT_TRUE(moved.unchanged());
  EXPECT_EQ(table.expire(at(400)), 1u);
  EXPECT_FALSE(moved.unchanged()) << "it went";
}

TEST(MacTable, NothingIsLearnedWithoutRoom) {
  MacTable table(1, {.max_entries = 0});
  EXPECT_FALSE(table.would_change(mac(1), 0, 1, at(1)));
  EXPECT_FALSE(table.learn(mac(1), 0, 1, at(1)));
}

TEST(MacTable, FullTableForgetsWhatWasNotSeenForLong) {
  MacTable table(1, {.max_entries = 8});
  for (std::uint64_t i = 1; i <= 8; ++i) table.learn(mac(i), 0, 1, at(static_cast<std::int64_t>(i)));
  table.learn(mac(1), 0, 1, at(20));
  EXPECT_TRUE(table.learn(mac(100), 0, 2, at(21)));
  EXPECT_EQ(table.size(), 8u);
  EXPECT_EQ(table.lookup(mac(2), 0, at(21)), std::nullopt);
  EXPECT_EQ(table.lookup(mac(1), 0, at(21)), 1u);
  const auto entries = table.entries();
  ASSERT_EQ(entries.size(), 8u);
  EXPECT_EQ(entries.back().mac, mac(100));
}

TEST(MacTable, EqualsAMap) {
  Rng rng(5);
  MacTable table(rng.next(), {.max_entries = 1000});
  std::map<std::pair<std::uint64_t, std::uint16_t>, std::uint32_t> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t address = rng.below(100);
    const auto vlan = static_cast<std::uint16_t>(rng.below(3));
    const auto port = static_cast<std::uint32_t>(rng.below(4));
    const auto it = model.find({address, vlan});
    if (rng.chance(40)) {
      EXPECT_EQ(table.learn(mac(address), vlan, port, at(1)), it == model.end() || it->second != port);
      model[{address, vlan}] = port;
    } else if (rng.chance(40)) {
      EXPECT_EQ(table.remove(mac(address), vlan), it != model.end());
      model.erase({address, vlan});
    } else if (rng.chance(1)) {
      table.flush_port(port);
      std::erase_if(model, [&](const auto& entry) { return entry.second == port; });
    }
    const auto found = model.find({address, vlan});
    EXPECT_EQ(table.lookup(mac(address), vlan, at(1)),
              found == model.end() ? std::nullopt : std::optional<std::uint32_t>(found->second));
    EXPECT_EQ(table.size(), model.size());
  }
  rcu::reclaim();
}

TEST(MacTable, WorkersLearnAndLookUpAtOnce) {
  MacTable table(1, {.max_entries = 256});
  table.learn(mac(0xabcdef), 1, 77, at(1));
  table.add_static(mac(0xabcdef), 2, 78);
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&, worker] {
      const rcu::ThreadRegistration registration;
      Rng rng(worker);
      for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t address = 1 + rng.below(200);
        table.learn(mac(address), 0, static_cast<std::uint32_t>(address % 5), at(1));
        // An address is always behind the same port here, or not known.
        const auto port = table.lookup(mac(address), 0, at(1));
        if (port && *port != address % 5) ++wrong;
        if (rng.chance(30)) table.remove(mac(1 + rng.below(200)), 0);
        if (table.lookup(mac(0xabcdef), 2, at(1)) != 78u) ++wrong;
        rcu::quiescent();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(wrong.load(), 0u);
  rcu::reclaim();
}

constexpr be16 kTag5{0x1005}, kUntagged{0}, kPriorityTag{0x7000};

TEST(Vlan, AccessPortTakesUntaggedOnly) {
  const VlanConfig port{.mode = VlanMode::Access, .tag = 9};
  EXPECT_EQ(input_vlan(port, kUntagged), 9);
  EXPECT_EQ(input_vlan(port, kPriorityTag), 9);
  EXPECT_EQ(input_vlan(port, kTag5), std::nullopt);
  EXPECT_EQ(output_tci(port, 9, 0), kUntagged);
  EXPECT_TRUE(port.carries(9));
  EXPECT_FALSE(port.carries(5));
}

TEST(Vlan, TrunkCarriesItsVlans) {
  VlanConfig port;
  EXPECT_EQ(input_vlan(port, kTag5), 5);
  EXPECT_EQ(input_vlan(port, kUntagged), 0);
  EXPECT_EQ(output_tci(port, 5, 3), be16{0x7005});
  EXPECT_EQ(output_tci(port, 0, 3), kUntagged);
  port.priority_tags = true;
  EXPECT_EQ(output_tci(port, 0, 3), kPriorityTag);
  port.trunks.set(6);
  EXPECT_EQ(input_vlan(port, kTag5), std::nullopt);
  EXPECT_EQ(input_vlan(port, kUntagged), std::nullopt);
  EXPECT_EQ(input_vlan(port, be16{0x1006}), 6);
}

TEST(Vlan, NativeModesDifferOnTheWayOut) {
  VlanConfig port{.mode = VlanMode::NativeTagged, .tag = 5};
  port.trunks.set(6);
  EXPECT_EQ(input_vlan(port, kUntagged), 5);
  EXPECT_EQ(input_vlan(port, kTag5), 5);
  EXPECT_EQ(input_vlan(port, be16{0x1007}), std::nullopt);
  EXPECT_EQ(output_tci(port, 5, 0), kTag5);
  port.mode = VlanMode::NativeUntagged;
  EXPECT_EQ(output_tci(port, 5, 0), kUntagged);
  EXPECT_EQ(output_tci(port, 6, 0), be16{0x1006});
}

}  // namespace
}  // namespace sluice::l2
