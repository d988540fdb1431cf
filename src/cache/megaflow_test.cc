#include "cache/megaflow.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/rng.h"

namespace sluice::cache {
namespace {

using flow::FlowKey;
using flow::Mask;

constexpr Instant kNow{1'000'000'000};

FlowKey key_of(std::uint32_t in_port, std::uint32_t source, std::uint16_t port) {
  FlowKey key;
  key.in_port = be32{in_port};
  key.nw_src = be32{source};
  key.tp_dst = be16{port};
  return key;
}

Mask mask_source(unsigned prefix) {
  Mask mask;
  mask.bits.nw_src = net::ipv4_prefix_mask(prefix);
  return mask;
}

dp_action::Program to_port(std::uint32_t port) {
  return {dp_action::Output{port}};
}

std::uint32_t port_of(const Megaflow* megaflow) {
  return std::get<dp_action::Output>(megaflow->program[0]).port;
}

bool agree(const FlowKey& a, const FlowKey& b, const Mask& mask) {
  for (std::size_t i = 0; i < flow::kKeyWords; ++i)
    if (((flow::word_at(a, i) ^ flow::word_at(b, i)) & flow::word_at(mask.bits, i)) != 0) return false;
  return true;
}

struct Credits final : StatsSink {
  struct Sum {
    std::uint64_t packets = 0, bytes = 0, calls = 0;
    Instant last_used;
  };
  explicit Credits(Sum& sum) : sum_(sum) {}
  void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used, std::uint16_t) override {
    sum_.packets += packets;
    sum_.bytes += bytes;
    ++sum_.calls;
    sum_.last_used = last_used;
  }
  Sum& sum_;
};

TEST(Megaflow, CoversWhatItsMaskCovers) {
  MegaflowTable table({}, 1);
  table.insert(key_of(1, 0x0a000001, 80), mask_source(24), to_port(7), nullptr, 3, kNow);
  ASSERT_NE(table.find(key_of(1, 0x0a0000ff, 443)), nullptr);
  EXPECT_EQ(port_of(table.find(key_of(1, 0x0a0000ff, 443))), 7u);
  EXPECT_EQ(table.find(key_of(1, 0x0a000101, 80)), nullptr);
  EXPECT_EQ(table.find(key_of(2, 0x0a000001, 80)), nullptr) << "in_port is always part of the mask";
  FlowKey again = key_of(1, 0x0a000001, 80);
  again.recirc_id = be32{1};
  EXPECT_EQ(table.find(again), nullptr) << "recirc_id is always part of the mask";
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.masks(), 1u);
}

TEST(Megaflow, MatchIsTheMaskedKey) {
  MegaflowTable table({}, 1);
  const Megaflow& megaflow = table.insert(key_of(1, 0x0a000001, 80), mask_source(24), {}, nullptr, 3, kNow);
  const flow::Match match = megaflow.match();
  FlowKey expected = key_of(1, 0x0a000000, 0);
  EXPECT_TRUE(match.value == expected);
  EXPECT_EQ(match.mask.bits.nw_src.host(), 0xffffff00u);
  EXPECT_EQ(match.mask.bits.in_port.host(), 0xffffffffu);
  EXPECT_EQ(match.mask.bits.recirc_id.host(), 0xffffffffu);
  EXPECT_EQ(match.mask.bits.tp_dst.host(), 0u);
}

TEST(Megaflow, PipelineOnlyPartOfTheMaskIsIgnored) {
  MegaflowTable table({}, 1);
  Mask mask = mask_source(32);
  mask.bits.regs[3] = be32{0xffffffff};
  FlowKey key = key_of(1, 5, 0);
  key.regs[3] = be32{9};
  table.insert(key, mask, to_port(1), nullptr, 0, kNow);
  EXPECT_NE(table.find(key_of(1, 5, 0)), nullptr);
}

TEST(Megaflow, SameMaskAndKeyReplaces) {
  MegaflowTable table({}, 1);
  Credits::Sum sum;
  Megaflow& first =
      table.insert(key_of(1, 1, 0), mask_source(32), to_port(1), std::make_unique<Credits>(sum), 0, kNow);
  first.count(3, 180, 0, kNow);
  table.insert(key_of(1, 1, 0), mask_source(32), to_port(2), nullptr, 0, kNow);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.masks(), 1u);
  EXPECT_EQ(port_of(table.find(key_of(1, 1, 0))), 2u);
  EXPECT_FALSE(first.linked);
  first.count(1, 60, 0, kNow);  // the batch in progress still uses it
  EXPECT_EQ(sum.packets, 0u);
  table.reclaim();
  EXPECT_EQ(sum.packets, 4u);
  EXPECT_EQ(sum.bytes, 240u);
}

TEST(Megaflow, CreditsOnlyTheDifference) {
  MegaflowTable table({}, 1);
  Credits::Sum sum;
  Megaflow& m = table.insert(key_of(1, 1, 0), mask_source(32), {}, std::make_unique<Credits>(sum), 0, kNow);
  m.credit();
  EXPECT_EQ(sum.calls, 0u);
  m.count(2, 100, 0x02, kNow);
  m.credit();
  m.count(1, 50, 0x10, kNow + Duration::seconds(1));
  m.credit();
  m.credit();
  EXPECT_EQ(sum.calls, 2u);
  EXPECT_EQ(sum.packets, 3u);
  EXPECT_EQ(sum.bytes, 150u);
  EXPECT_EQ(sum.last_used, kNow + Duration::seconds(1));
  EXPECT_EQ(m.tcp_flags.load(), 0x12);
}

TEST(Megaflow, PastTheBoundOfMasksTheyAreExact) {
  MegaflowTable table({.megaflows = 1000, .masks_per_pass = 4}, 1);
  for (unsigned prefix = 32; prefix > 20; --prefix)
    table.insert(key_of(1, 0xc0000000u + (prefix << 16), 80), mask_source(prefix), to_port(prefix), nullptr,
                 0, kNow);
  EXPECT_EQ(table.masks(), 5u);
  EXPECT_EQ(table.exact_instead(), 8u);
  EXPECT_EQ(port_of(table.find(key_of(1, 0xc0000000u + (21u << 16), 80))), 21u);
  EXPECT_EQ(table.find(key_of(1, 0xc0000001u + (21u << 16), 80)), nullptr);
  // The bound is of one port and recirculation: others have their own.
  table.insert(key_of(2, 1, 80), mask_source(5), to_port(1), nullptr, 0, kNow);
  EXPECT_NE(table.find(key_of(2, 2, 80)), nullptr);
}

TEST(Megaflow, FullTableEvictsWhatWasNotUsedLately) {
  MegaflowTable table({.megaflows = 8, .masks_per_pass = 4}, 1);
  for (std::uint32_t i = 0; i < 8; ++i)
    table.insert(key_of(1, i, 0), mask_source(32), to_port(i), nullptr, 0, kNow)
        .count(1, 60, 0, kNow + Duration::seconds(i == 5 ? -1 : 1));
  table.insert(key_of(1, 100, 0), mask_source(32), to_port(100), nullptr, 0, kNow);
  EXPECT_EQ(table.size(), 8u);
  EXPECT_EQ(table.find(key_of(1, 5, 0)), nullptr);
  EXPECT_NE(table.find(key_of(1, 100, 0)), nullptr);
  table.reclaim();
  EXPECT_EQ(table.size(), 8u);
}

TEST(Megaflow, ASmallerLimitIsReachedInSteps) {
  MegaflowTable table({}, 1);
  const auto fill = [&] {
    for (std::uint32_t i = 0; i < 100; ++i)
      table.insert(key_of(1, i << 8, 80), mask_source(24), to_port(1), nullptr, 1, kNow);
  };
  fill();
  EXPECT_EQ(table.size(), 100u);
  table.set_limit(10);
  EXPECT_EQ(table.size(), 100u);
  table.trim(64);
  EXPECT_EQ(table.size(), 36u);
  table.insert(key_of(2, 0, 80), mask_source(24), to_port(1), nullptr, 1, kNow);
  EXPECT_EQ(table.size(), 35u) << "with each that comes";
  EXPECT_NE(table.find(key_of(2, 0, 80)), nullptr);
  table.trim(64);
  EXPECT_EQ(table.size(), 10u);
  table.reclaim();
  fill();
  EXPECT_EQ(table.size(), 10u);
  table.set_limit(0);
  table.trim(64);
  EXPECT_EQ(table.size(), 1u) << "one there must be, or nothing is forwarded";
}

TEST(Megaflow, BatchOverSeveralPasses) {
  MegaflowTable table({}, 1);
  for (std::uint32_t port = 1; port <= 3; ++port)
    table.insert(key_of(port, 0, 0), mask_source(0), to_port(port * 10), nullptr, 0, kNow);
  FlowKey keys[32];
  const FlowKey* refs[32];
  Megaflow* found[32];
  for (std::uint32_t i = 0; i < 32; ++i) {
    keys[i] = key_of(i % 4 + 1, i, 0);
    refs[i] = &keys[i];
  }
  EXPECT_EQ(table.look_up(refs, 32, found), 0x88888888u);
  for (std::uint32_t i = 0; i < 32; ++i) {
    if (i % 4 == 3) {
      EXPECT_EQ(found[i], nullptr);
    } else {
      EXPECT_EQ(port_of(found[i]), (i % 4 + 1) * 10);
    }
  }
  EXPECT_EQ(table.probes(), 24u);
}

TEST(Megaflow, MasksThatHitComeFirst) {
  MegaflowTable table({}, 1);
  for (unsigned prefix = 1; prefix <= 20; ++prefix)
    table.insert(key_of(1, 1u << (32 - prefix), 0), mask_source(prefix), to_port(prefix), nullptr, 0, kNow);
  const FlowKey last = key_of(1, 1u << 12, 0);
  auto cost = [&] {
    const auto before = table.probes();
    EXPECT_NE(table.find(last), nullptr);
    return table.probes() - before;
  };
  EXPECT_EQ(cost(), 20u);
  table.sort_masks();
  EXPECT_EQ(cost(), 1u);
}

// Any sequence of operations against a list of (match, port): what the table finds covers the key, and it
// finds something exactly when the list does. Megaflows made from one truth never disagree where they
// overlap.
TEST(Megaflow, BehavesAsAListOfMatches) {
  Rng rng(7);
  const auto truth = [](const FlowKey& key) { return key.in_port.host() * 1000 + key.recirc_id.host(); };
  for (int round = 0; round < 30; ++round) {
    MegaflowTable table({.megaflows = 100'000, .masks_per_pass = 1000}, rng.next());
    std::vector<Megaflow*> live;
    const auto random_key = [&] {
      FlowKey key =
          key_of(1 + static_cast<std::uint32_t>(rng.below(3)),
                 static_cast<std::uint32_t>(rng.below(16)) << 28, static_cast<std::uint16_t>(rng.below(4)));
      key.recirc_id = be32{static_cast<std::uint32_t>(rng.below(2))};
      key.ct_state = be32{static_cast<std::uint32_t>(rng.below(4))};
      return key;
    };
    for (int step = 0; step < 400; ++step) {
      if (rng.chance(60)) {
        Mask mask;
        if (rng.chance(50)) mask.bits.nw_src = net::ipv4_prefix_mask(static_cast<unsigned>(rng.below(5)));
        if (rng.chance(50)) mask.bits.tp_dst = be16{static_cast<std::uint16_t>(rng.below(4))};
        if (rng.chance(50)) mask.bits.ct_state = be32{static_cast<std::uint32_t>(rng.below(4))};
        const FlowKey key = random_key();
        Megaflow* const added = &table.insert(key, mask, to_port(truth(key)), nullptr, 0, kNow);
        std::erase_if(live, [](const Megaflow* m) { return !m->linked; });
        live.push_back(added);
      } else if (!live.empty()) {
        const auto victim = rng.below(live.size());
        table.remove(*live[victim]);
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(victim));
      }
      if (step % 16 == 0) table.reclaim();
      if (step % 50 == 0) table.sort_masks();
      ASSERT_EQ(table.size(), live.size());

      FlowKey keys[32];
      const FlowKey* refs[32];
      Megaflow* found[32];
      const auto n = static_cast<unsigned>(1 + rng.below(32));
      for (unsigned i = 0; i < n; ++i) {
        keys[i] = random_key();
        refs[i] = &keys[i];
      }
      const std::uint32_t misses = table.look_up(refs, n, found);
      for (unsigned i = 0; i < n; ++i) {
        bool covered = false;
        for (const Megaflow* m : live) covered = covered || agree(keys[i], m->match().value, m->mask());
        ASSERT_EQ(found[i] != nullptr, covered);
        ASSERT_EQ((misses >> i & 1) == 0, covered);
        if (!covered) continue;
        ASSERT_TRUE(agree(keys[i], found[i]->match().value, found[i]->mask()));
        ASSERT_EQ(port_of(found[i]), truth(keys[i]));
      }
    }
    std::size_t visited = 0;
    for (std::uint32_t i = 0; i < table.slots(); ++i) visited += table.at(i) != nullptr;
    EXPECT_EQ(visited, live.size());
    table.clear();
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.masks(), 0u);
  }
}

}  // namespace
}  // namespace sluice::cache
