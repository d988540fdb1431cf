// An index says of every flow what asking each monitor would.
#include "ofproto/monitor_index.h"

#include <gtest/gtest.h>

#include "action/flow_spec.h"
#include "base/rcu.h"
#include "base/rng.h"

namespace sluice::ofproto {
namespace {

using openflow::MonitorFlags;
using pipeline::FlowEvent;

constexpr Instant kNow{1'000'000'000};
/// What the pipeline replaced is gone when a test ends.
struct Reclaims {
  ~Reclaims() { rcu::reclaim(); }
};

constexpr FlowEvent::Kind kKinds[] = {FlowEvent::Kind::Added, FlowEvent::Kind::Modified,
                                      FlowEvent::Kind::Removed};

std::optional<MonitorFlags> asked_one_by_one(const std::vector<FlowMonitor>& monitors, FlowEvent::Kind kind,
                                             const pipeline::Rule& rule, const pipeline::Rule* old,
                                             bool own) {
  std::optional<MonitorFlags> flags;
  for (const auto& [filter, wanted] : monitors) {
    const bool asked = kind == FlowEvent::Kind::Added      ? wanted.add
                       : kind == FlowEvent::Kind::Modified ? wanted.modify
                                                           : wanted.removed;
    if (!asked || (wanted.only_own && !own)) continue;
    if (!pipeline::is_about(filter, rule) && !(old && pipeline::is_about(filter, *old))) continue;
    if (!flags) flags.emplace();
    flags->actions |= wanted.actions;
    flags->own |= wanted.own;
    flags->no_abbrev |= wanted.no_abbrev;
    flags->only_own |= wanted.only_own;
  }
  return flags;
}

/// Few values, so that monitors and flows meet.
std::string random_match(Rng& rng) {
  std::string text;
  if (rng.chance(50)) text += ",in_port=" + std::to_string(1 + rng.below(2));
  if (rng.chance(30)) text += ",reg0=" + std::to_string(rng.below(2)) + "/0x" + (rng.chance(50) ? "1" : "3");
  if (rng.chance(60)) {
    text += ",ip";
    if (rng.chance(60))
      text += ",nw_src=10.0." + std::to_string(rng.below(2)) + ".0/" + (rng.chance(50) ? "16" : "24");
    if (rng.chance(30)) text += ",nw_dst=10.1.0." + std::to_string(rng.below(2));
  }
  return text;
}

TEST(MonitorIndex, SaysWhatEachMonitorWould) {
  const Reclaims reclaims;
  Rng rng(11);
  pipeline::Pipeline pipeline(1);
  std::vector<pipeline::RuleRef> rules;
  for (unsigned i = 0; i < 300; ++i) {
    const auto flow =
        action::parse_flow("table=" + std::to_string(rng.below(3)) + ",priority=" + std::to_string(i) +
                               random_match(rng) + ",actions=output:" + std::to_string(1 + rng.below(3)),
                           action::FlowCommand::Add);
    ASSERT_TRUE(flow) << flow.error().message;
    ASSERT_TRUE(pipeline.apply(*flow, kNow));
  }
  auto walk = pipeline.walk();
  for (std::size_t budget = 10'000; pipeline::RuleRef rule = walk.next(budget);)
    rules.push_back(std::move(rule));
  ASSERT_EQ(rules.size(), 300u);
  unsigned about = 0, not_about = 0;
  for (unsigned round = 0; round < 30; ++round) {
    std::vector<FlowMonitor> monitors(1 + rng.below(12));
    MonitorIndex index;
    for (FlowMonitor& monitor : monitors) {
      monitor.filter.table = rng.chance(40) ? action::kNoTable : static_cast<std::uint8_t>(rng.below(3));
      monitor.filter.match =
          action::parse_flow("table=0" + random_match(rng), action::FlowCommand::Delete).value().match;
      if (rng.chance(30)) monitor.filter.out_port = static_cast<std::uint32_t>(1 + rng.below(3));
      if (rng.chance(5)) monitor.filter.out_group = 9;
      for (bool MonitorFlags::* flag : {&MonitorFlags::add, &MonitorFlags::removed, &MonitorFlags::modify,
                                        &MonitorFlags::actions, &MonitorFlags::own, &MonitorFlags::no_abbrev})
        monitor.flags.*flag = rng.chance(50);
      monitor.flags.only_own = rng.chance(20);
      index.add(monitor);
    }
    EXPECT_LE(index.shapes(), monitors.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const FlowEvent::Kind kind = kKinds[rng.below(3)];
      const pipeline::Rule& rule = *rules[i];
      const pipeline::Rule* old = kind == FlowEvent::Kind::Modified ? &rule : nullptr;
      const bool own = rng.chance(50);
      const auto expected = asked_one_by_one(monitors, kind, rule, old, own);
      ASSERT_EQ(index.flags_for(kind, rule, old, own), expected) << "round " << round << ", flow " << i;
      ++(expected ? about : not_about);
    }
  }
  EXPECT_GT(about, 500u);
  EXPECT_GT(not_about, 500u);
}

// A flow that was modified is told to those who asked for what it was.
TEST(MonitorIndex, AModifiedFlowIsAlsoWhatItWas) {
  const Reclaims reclaims;
  pipeline::Pipeline pipeline(1);
  const auto rule_with = [&](const char* text) {
    EXPECT_TRUE(pipeline.apply(action::parse_flow(text, action::FlowCommand::Add).value(), kNow));
    auto walk = pipeline.walk();
    std::size_t budget = 10;
    return walk.next(budget);
  };
  const pipeline::RuleRef old = rule_with("tcp,actions=output:1"), now = rule_with("tcp,actions=output:2");
  for (const std::uint32_t port : {1u, 2u, 3u}) {
    MonitorIndex index;
    index.add({.filter = {.out_port = port}, .flags = {.modify = true}});
    EXPECT_EQ(index.flags_for(FlowEvent::Kind::Modified, *now, old.get(), false).has_value(), port != 3)
        << port;
    EXPECT_EQ(index.flags_for(FlowEvent::Kind::Modified, *now, nullptr, false).has_value(), port == 2)
        << port;
  }
}

// A thousand monitors that differ in what they match are one look-up.
TEST(MonitorIndex, MonitorsOfOneShapeAreOneLookup) {
  MonitorIndex index;
  for (unsigned i = 0; i < 1000; ++i) {
    FlowMonitor monitor;
    monitor.filter.match =
        action::parse_flow("ip,nw_src=10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250),
                           action::FlowCommand::Delete)
            .value()
            .match;
    monitor.flags.add = true;
    index.add(monitor);
    monitor.flags.actions = true;
    index.add(monitor);
  }
  EXPECT_EQ(index.shapes(), 1u);
  index.add({.filter = {.table = 3}, .flags = {.add = true}});
  index.add({.filter = {.out_port = 3}, .flags = {.add = true}});
  EXPECT_EQ(index.shapes(), 3u);
}

}  // namespace
}  // namespace sluice::ofproto
