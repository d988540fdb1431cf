#include "pipeline/classifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace sluice::pipeline {
namespace {

using flow::FlowKey;
using flow::Mask;
using flow::Match;

/// Keys from few values each, so that rules and packets meet.
FlowKey random_key(Rng& rng) {
  FlowKey key{};
  key.in_port = be32{static_cast<std::uint32_t>(1 + rng.below(3))};
  key.ct_state = be32{static_cast<std::uint32_t>(rng.chance(50) ? 0 : 0x20 | rng.below(4))};
  key.regs[0] = be32{static_cast<std::uint32_t>(rng.below(3))};
  key.metadata = be64{rng.below(2)};
  key.eth_dst = net::Mac::from_value(rng.below(3));
  key.eth_type = be16{rng.chance(60) ? std::uint16_t{0x0800} : std::uint16_t{0x86dd}};
  const auto address = [&] {
    static constexpr std::uint32_t kBase[] = {0x0a000000, 0x0a010000, 0x0a010200, 0xc0a80000, 0};
    return kBase[rng.below(5)] | static_cast<std::uint32_t>(rng.below(4) << (rng.below(4) * 8));
  };
  if (key.eth_type.host() == 0x0800) {
    key.nw_src = be32{address()};
    key.nw_dst = be32{address()};
  } else {
    key.ipv6_src = {be64{0x20010db800000000 | rng.below(4)}, be64{address()}};
    key.ipv6_dst = {be64{0x20010db800000000}, be64{std::uint64_t{address()} << rng.below(32)}};
  }
  key.nw_proto = rng.chance(50) ? 6 : 17;
  key.tp_src = be16{static_cast<std::uint16_t>(rng.below(3))};
  key.tp_dst = be16{static_cast<std::uint16_t>(rng.chance(50) ? rng.below(4) : 0x100 << rng.below(4))};
  return key;
}

Mask random_mask(Rng& rng) {
  Mask mask{};
  const auto prefix = [&](unsigned width) {
    return static_cast<unsigned>(rng.chance(30) ? 0 : 1 + rng.below(width));
  };
  if (rng.chance(30)) mask.bits.in_port = be32{0xffffffff};
  if (rng.chance(20)) mask.bits.ct_state = be32{static_cast<std::uint32_t>(0x20 | rng.below(4))};
  if (rng.chance(20)) mask.bits.regs[0] = be32{0xffffffff};
  if (rng.chance(10)) mask.bits.metadata = be64{1};
  if (rng.chance(20)) mask.bits.eth_dst = net::Mac::from_value(0xffffffffffff);
  if (rng.chance(70)) {
    mask.bits.eth_type = be16{0xffff};
    if (rng.chance(50)) mask.bits.nw_src = net::ipv4_prefix_mask(prefix(32));
    if (rng.chance(30)) mask.bits.nw_dst = net::ipv4_prefix_mask(prefix(32));
    if (rng.chance(5)) mask.bits.nw_dst = be32{0x00ff00ff};  // no prefix
    if (rng.chance(20)) mask.bits.ipv6_src = net::ipv6_prefix_mask(prefix(128));
    if (rng.chance(20)) mask.bits.ipv6_dst = net::ipv6_prefix_mask(prefix(128));
    if (rng.chance(60)) {
      mask.bits.nw_proto = 0xff;
      if (rng.chance(30)) mask.bits.tp_src = be16{0xffff};
      if (rng.chance(60)) mask.bits.tp_dst = be16{static_cast<std::uint16_t>(0xffff0000u >> prefix(16))};
    }
  }
  return mask;
}

RuleRef make_rule(Classifier& classifier, const Match& match, std::uint16_t priority) {
  return Rule::create(classifier.shape(match.mask), match.value, 0, priority, {}, SharedActions::create({}),
                      Ref<RuleStats>::adopt(new RuleStats));
}

/// The naive model: the highest priority among the rules that match.
int best_priority(const std::vector<RuleRef>& rules, const FlowKey& key) {
  int best = -1;
  for (const RuleRef& rule : rules)
    if (rule->matches(key)) best = std::max<int>(best, rule->priority());
  return best;
}

int priority_of(const Rule* rule) {
  return rule ? rule->priority() : -1;
}

class ClassifierProperty : public ::testing::TestWithParam<int> {};

TEST_P(ClassifierProperty, EqualsLinearScanAndItsMaskSuffices) {
  Rng rng(static_cast<std::uint64_t>(GetParam()));
  Classifier classifier(rng.next());
  std::vector<RuleRef> rules;
  for (int round = 0; round < 120; ++round) {
    for (int i = 0; i < 3; ++i) {
      if (rules.empty() || rng.chance(65)) {
        Match match{};
        match.mask = random_mask(rng);
        match.value = flow::masked(random_key(rng), match.mask);
        const auto priority = static_cast<std::uint16_t>(rng.below(8));
        if (classifier.find(match, priority)) continue;
        rules.push_back(make_rule(classifier, match, priority));
        classifier.insert(rules.back().get());
        classifier.publish();
      } else {
        const std::size_t victim = rng.below(rules.size());
        classifier.remove(rules[victim].get());
        rules[victim] = rules.back();
        rules.pop_back();
      }
    }
    ASSERT_EQ(classifier.size(), rules.size());
    for (int i = 0; i < 40; ++i) {
      const FlowKey key = random_key(rng);
      Mask mask{};
      const int found = priority_of(classifier.lookup(key, 1, &mask));
      ASSERT_EQ(found, best_priority(rules, key));
      // Whatever the mask leaves open must not matter.
      for (int j = 0; j < 15; ++j) {
        FlowKey other = random_key(rng);
        for (unsigned word = 0; word < flow::kKeyWords; ++word) {
          const std::uint64_t bits = flow::word_at(mask.bits, word);
          // Few free bits change at a time in half of the cases, all in the others.
          const std::uint64_t noise =
              j % 2 ? flow::word_at(other, word)
                    : flow::word_at(key, word) ^ (rng.chance(30) ? 1ULL << rng.below(64) : 0);
          flow::set_word(other, word, (flow::word_at(key, word) & bits) | (noise & ~bits));
        }
        ASSERT_TRUE(flow::equal_under(key, other, mask));
        ASSERT_EQ(best_priority(rules, other), found);
        ASSERT_EQ(priority_of(classifier.lookup(other, 1, nullptr)), found);
      }
    }
  }
  for (const RuleRef& rule : rules) classifier.remove(rule.get());
  EXPECT_EQ(classifier.size(), 0u);
  EXPECT_EQ(classifier.subtables(), 0u);
  rcu::reclaim();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ClassifierProperty, ::testing::Range(1, 9));

Match tcp_to(std::uint32_t address, unsigned length, std::uint16_t port) {
  Match match{};
  match.mask.bits.eth_type = be16{0xffff};
  match.value.eth_type = be16{0x0800};
  match.mask.bits.nw_dst = net::ipv4_prefix_mask(length);
  match.value.nw_dst = be32{address};
  if (port) {
    match.mask.bits.nw_proto = 0xff;
    match.value.nw_proto = 6;
    match.mask.bits.tp_dst = be16{0xffff};
    match.value.tp_dst = be16{port};
  }
  return match;
}

FlowKey tcp_packet(std::uint32_t address, std::uint16_t port) {
  FlowKey key{};
  key.eth_type = be16{0x0800};
  key.nw_dst = be32{address};
  key.nw_proto = 6;
  key.tp_dst = be16{port};
  return key;
}

TEST(Classifier, TrieKeepsMaskToTheBitsThatDecide) {
  Classifier classifier(1);
  const RuleRef net8 = make_rule(classifier, tcp_to(0x0a000000, 8, 0), 1);
  const RuleRef host = make_rule(classifier, tcp_to(0x0a010101, 32, 80), 2);
  classifier.insert(net8.get());
  classifier.publish();
  classifier.insert(host.get());
  classifier.publish();
  // 10.129.0.0 differs from 10.1.1.1 in the ninth bit: nine bits tell, and ports don't matter.
  Mask mask{};
  EXPECT_EQ(classifier.lookup(tcp_packet(0x0a810000, 80), 1, &mask), net8.get());
  EXPECT_EQ(mask.bits.nw_dst.host(), 0xff800000u);
  EXPECT_EQ(mask.bits.tp_dst.host(), 0);
  // Another EtherType ends in the layer 2 stage.
  mask = {};
  FlowKey arp{};
  arp.eth_type = be16{0x0806};
  arp.nw_dst = be32{0x0a010101};
  EXPECT_EQ(classifier.lookup(arp, 1, &mask), nullptr);
  Mask expected{};
  expected.bits.eth_type = be16{0xffff};
  EXPECT_EQ(mask, expected);
  classifier.remove(net8.get());
  classifier.remove(host.get());
  rcu::reclaim();
}

TEST(Classifier, StopsWhenNoSubtableCanWin) {
  Classifier classifier(1);
  Match port{};
  port.mask.bits.in_port = be32{0xffffffff};
  port.value.in_port = be32{1};
  const RuleRef high = make_rule(classifier, port, 100),
                low = make_rule(classifier, tcp_to(0x0a000000, 8, 80), 10);
  classifier.insert(high.get());
  classifier.publish();
  classifier.insert(low.get());
  classifier.publish();
  FlowKey key = tcp_packet(0x0a000001, 80);
  key.in_port = be32{1};
  Mask mask{};
  EXPECT_EQ(classifier.lookup(key, 1, &mask), high.get());
  EXPECT_EQ(mask, port.mask);
}

TEST(Classifier, VersionsShowARuleExactlyFromAddedToRemoved) {
  Classifier classifier(1);
  const RuleRef old_rule = make_rule(classifier, tcp_to(0x0a000000, 8, 0), 5);
  old_rule->set_added(2);
  old_rule->set_removed(4);
  classifier.insert(old_rule.get());
  classifier.publish();
  const RuleRef new_rule = make_rule(classifier, tcp_to(0x0a000000, 8, 0), 5);
  new_rule->set_added(4);
  classifier.insert(new_rule.get());
  classifier.publish();
  const FlowKey key = tcp_packet(0x0a000001, 1);
  EXPECT_EQ(classifier.lookup(key, 1, nullptr), nullptr);
  EXPECT_EQ(classifier.lookup(key, 2, nullptr), old_rule.get());
  EXPECT_EQ(classifier.lookup(key, 3, nullptr), old_rule.get());
  EXPECT_EQ(classifier.lookup(key, 4, nullptr), new_rule.get());
  EXPECT_EQ(classifier.find(tcp_to(0x0a000000, 8, 0), 5), new_rule.get());
  classifier.remove(old_rule.get());
  EXPECT_EQ(classifier.lookup(key, 4, nullptr), new_rule.get());
}

TEST(Classifier, OverlapNeedsSamePriorityAndCompatibleValues) {
  Classifier classifier(1);
  const RuleRef rule = make_rule(classifier, tcp_to(0x0a000000, 8, 0), 5);
  classifier.insert(rule.get());
  classifier.publish();
  std::size_t looked_at = 0;
  EXPECT_TRUE(classifier.overlaps(tcp_to(0x0a010000, 16, 80), 5, looked_at));
  EXPECT_FALSE(classifier.overlaps(tcp_to(0x0a010000, 16, 80), 6, looked_at));
  EXPECT_FALSE(classifier.overlaps(tcp_to(0x0b000000, 8, 80), 5, looked_at));
}

/// Whether some key matches both.
bool meet(const Match& a, const Match& b) {
  for (unsigned word = 0; word < flow::kKeyWords; ++word)
    if (((flow::word_at(a.value, word) ^ flow::word_at(b.value, word)) & flow::word_at(a.mask.bits, word) &
         flow::word_at(b.mask.bits, word)) != 0)
      return false;
  return true;
}

bool within(const Match& inner, const Match& outer) {
  return inner.mask.covers(outer.mask) && flow::masked(inner.value, outer.mask) == outer.value;
}

TEST_P(ClassifierProperty, OverlapsAndNarrowerRulesAreThoseOfALinearScan) {
  Rng rng(static_cast<std::uint64_t>(GetParam()));
  Classifier classifier(rng.next());
  const auto random_match = [&] {
    Match match{};
    match.mask = random_mask(rng);
    match.value = flow::masked(random_key(rng), match.mask);
    return match;
  };
  std::vector<RuleRef> rules;
  for (int i = 0; i < 150; ++i) {
    const Match match = random_match();
    const auto priority = static_cast<std::uint16_t>(rng.below(3));
    if (classifier.find(match, priority)) continue;
    rules.push_back(make_rule(classifier, match, priority));
    classifier.insert(rules.back().get());
    std::size_t looked_at = 0;
    EXPECT_EQ(classifier.find(*rules.back(), looked_at), rules.back().get());
    if (rng.chance(20)) rules.back()->set_removed(2);
  }
  classifier.publish();
  for (int i = 0; i < 300; ++i) {
    // Half of them have the mask of a rule that is there.
    Match match = random_match();
    if (rng.chance(50)) {
      match.mask = rules[rng.below(rules.size())]->shape().mask();
      match.value = flow::masked(random_key(rng), match.mask);
    }
    const auto priority = static_cast<std::uint16_t>(rng.below(3));
    const bool expected = std::any_of(rules.begin(), rules.end(), [&](const RuleRef& rule) {
      return rule->priority() == priority && !rule->is_removed() && meet(rule->match(), match);
    });
    std::size_t looked_at = 0;
    EXPECT_EQ(classifier.overlaps(match, priority, looked_at), expected);
    std::size_t narrower = 0;
    classifier.for_each(match, [&](const Rule& rule) {
      EXPECT_TRUE(within(rule.match(), match));
      ++narrower;
    });
    EXPECT_EQ(narrower,
              static_cast<std::size_t>(std::count_if(rules.begin(), rules.end(), [&](const RuleRef& rule) {
                return within(rule->match(), match);
              })));
  }
  for (const RuleRef& rule : rules) classifier.remove(rule.get());
  rcu::reclaim();
}

TEST(Classifier, ReadersNeverMissAStableRuleWhileOthersComeAndGo) {
  Classifier classifier(7);
  const RuleRef stable = make_rule(classifier, tcp_to(0x0a010203, 32, 80), 500);
  classifier.insert(stable.get());
  classifier.publish();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> lookups{0}, wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      const rcu::ThreadRegistration registration;
      const FlowKey key = tcp_packet(0x0a010203, 80);
      while (!stop.load(std::memory_order_relaxed)) {
        Mask mask{};
        wrong += classifier.lookup(key, 1, &mask) != stable.get();
        ++lookups;
        rcu::quiescent();
      }
    });
  }
  Rng rng(3);
  std::vector<RuleRef> rules;
  while (lookups.load() < 2000 || rules.size() < 2000) {
    if (rules.size() < 2000 && rng.chance(60)) {
      const Match match =
          tcp_to(0x0a010200 | static_cast<std::uint32_t>(rng.below(1 << 20) << 4), 28 + rng.below(5) % 5, 0);
      Match normal = match;
      normal.value = flow::masked(match.value, match.mask);
      const auto priority = static_cast<std::uint16_t>(rng.below(400));
      if (classifier.find(normal, priority)) continue;
      rules.push_back(make_rule(classifier, normal, priority));
      classifier.insert(rules.back().get());
      classifier.publish();
    } else if (!rules.empty() && rng.chance(40)) {
      classifier.remove(rules.back().get());
      rules.pop_back();
    }
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  for (const RuleRef& rule : rules) classifier.remove(rule.get());
  rcu::reclaim();
}

// Changes of many rules at once, as FlowTables makes them, with masks that come and go: a reader of a version
// finds what a scan of that version's rules finds, and what the mask says decides it.
TEST(Classifier, ReadersOfAVersionFindItsRulesWhileManyChange) {
  constexpr unsigned kKeys = 64, kHistory = 1024;
  Rng rng(11);
  Classifier classifier(rng.next());
  std::vector<FlowKey> keys;
  for (unsigned i = 0; i < kKeys; ++i) keys.push_back(random_key(rng));
  // What each key finds in a version: written before the version is.
  std::vector<std::array<int, kKeys>> expected(kHistory);
  expected[1].fill(-1);
  std::atomic<std::uint64_t> version{1}, lookups{0}, wrong{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (unsigned r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      const rcu::ThreadRegistration registration;
      Rng own(100 + r);
      while (!stop.load(std::memory_order_relaxed)) {
        const std::uint64_t now = version.load(std::memory_order_acquire);
        const auto k = static_cast<unsigned>(own.below(kKeys));
        Mask mask{};
        const bool right = priority_of(classifier.lookup(keys[k], now, &mask)) == expected[now][k];
        // Another key that the mask does not tell apart finds the same.
        const auto other = static_cast<unsigned>(own.below(kKeys));
        const bool same = flow::masked(keys[other], mask) == flow::masked(keys[k], mask);
        const bool suffices = !same || expected[now][other] == expected[now][k];
        wrong += !right || !suffices;
        ++lookups;
        rcu::quiescent();
      }
    });
  }
  std::vector<RuleRef> rules, removed;
  for (std::uint64_t now = 1; now + 1 < kHistory; ++now) {
    for (std::uint64_t n = rng.below(8); n > 0 && rules.size() < 60; --n) {
      Match match{};
      match.mask = random_mask(rng);
      match.value = flow::masked(keys[rng.below(kKeys)], match.mask);
      const auto priority = static_cast<std::uint16_t>(rng.below(1000));
      if (classifier.find(match, priority)) continue;
      rules.push_back(make_rule(classifier, match, priority));
      rules.back()->set_added(now + 1);
      classifier.insert(rules.back().get());
    }
    for (std::uint64_t n = rng.below(8); n > 0 && !rules.empty(); --n) {
      std::swap(rules[rng.below(rules.size())], rules.back());
      rules.back()->set_removed(now + 1);
      removed.push_back(std::move(rules.back()));
      rules.pop_back();
    }
    for (unsigned k = 0; k < kKeys; ++k) expected[now + 1][k] = best_priority(rules, keys[k]);
    classifier.publish();
    version.store(now + 1, std::memory_order_release);
    if (!rng.chance(30)) continue;
    // Nobody is at an older version when the removed are unlinked; their memory goes a grace period later.
    rcu::synchronize();
    auto* unlinked = new std::vector<RuleRef>;
    for (const RuleRef& rule : removed) unlinked->push_back(classifier.unlink(rule.get()));
    removed.clear();
    classifier.publish();
    rcu::retire([unlinked] { delete unlinked; });
  }
  while (lookups.load() < 5000 && wrong.load() == 0) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  for (const RuleRef& rule : rules) classifier.remove(rule.get());
  for (const RuleRef& rule : removed) classifier.remove(rule.get());
  rcu::reclaim();
}

}  // namespace
}  // namespace sluice::pipeline
