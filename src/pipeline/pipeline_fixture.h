// A pipeline with ports 1 to 4 (datapath ports of the same numbers) and LOCAL (100), for its tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "action/group_spec.h"
#include "base/rcu.h"
#include "field/match_text.h"
#include "field/of_error.h"
#include "pipeline/pipeline.h"

namespace sluice::pipeline {

constexpr Instant at(std::int64_t seconds) {
  return Instant{Duration::seconds(seconds).ns};
}

inline flow::FlowKey key_of(const std::string& text) {
  const auto match = field::parse_match(text);
  EXPECT_TRUE(match.has_value()) << text << ": " << (match ? "" : match.error().message);
  if (!match) return {};
  flow::FlowKey key = match->value;
  if (key.vlan[0].tci.raw() != 0) key.vlan[0].tpid = be16{0x8100};
  return key;
}

class PipelineFixture : public ::testing::Test {
 protected:
  explicit PipelineFixture(std::uint32_t ports = 4) : pipeline(1) {
    pipeline.set_port(action::of_port::kLocal, {.dp_port = 100, .name = "br0", .vlan = {}});
    for (std::uint32_t port = 1; port <= ports; ++port)
      pipeline.set_port(port, {.dp_port = port, .name = "p" + std::to_string(port), .vlan = {}});
  }
  ~PipelineFixture() override { rcu::reclaim(); }

  static action::FlowSpec spec(const std::string& text,
                               action::FlowCommand command = action::FlowCommand::Add) {
    auto flow = action::parse_flow(text, {.command = command, .names = {}});
    EXPECT_TRUE(flow.has_value()) << text << ": " << (flow ? "" : flow.error().message);
    return flow ? *flow : action::FlowSpec{};
  }
  static action::GroupSpec group_spec(const std::string& text,
                                      action::GroupCommand command = action::GroupCommand::Add) {
    auto group = action::parse_group(text, command);
    EXPECT_TRUE(group.has_value()) << text << ": " << (group ? "" : group.error().message);
    return group ? *group : action::GroupSpec{};
  }
  FlowModResult mod(const std::string& text, action::FlowCommand command = action::FlowCommand::Add,
                    Instant now = at(1)) {
    auto done = pipeline.apply(spec(text, command), now);
    EXPECT_TRUE(done.has_value()) << text << ": " << (done ? "" : done.error().message);
    return done ? std::move(*done) : FlowModResult{};
  }
  /// The error of a change, "" if there was none.
  std::string change(std::vector<Modification> changes, std::size_t* failed = nullptr, Instant now = at(1)) {
    const auto done = pipeline.apply(changes, now, failed);
    if (done) return "";
    const auto code = field::of_error(done.error());
    return code ? std::string(field::of_error_name(*code)) : done.error().message;
  }
  std::string group(const std::string& text, action::GroupCommand command = action::GroupCommand::Add) {
    return change({group_spec(text, command)});
  }
  std::string flow(const std::string& text, action::FlowCommand command = action::FlowCommand::Add) {
    return change({spec(text, command)});
  }
  const TranslationResult& translate(const flow::FlowKey& key, bool learn = true, Instant now = at(1)) {
    pipeline.translate(key, learn, now, result);
    return result;
  }
  std::string actions(const std::string& packet) {
    return dp_action::format_program(translate(key_of(packet)).program);
  }
  std::vector<std::string> dump(const FlowFilter& filter = {}) {
    std::vector<std::string> lines;
    FlowInfo info;
    for (FlowCursor cursor = pipeline.dump(filter); cursor.next(info);)
      lines.push_back(action::format_flow(info.spec()));
    return lines;
  }
  /// Of all flows together.
  std::uint64_t packets() {
    std::uint64_t sum = 0;
    FlowInfo info;
    for (FlowCursor cursor = pipeline.dump(); cursor.next(info);) sum += info.packets;
    return sum;
  }
  std::vector<std::string> groups() {
    std::vector<std::string> lines;
    for (const action::GroupSpec& each : pipeline.groups()) lines.push_back(action::format_group(each));
    return lines;
  }
  std::string counters(std::uint32_t id) {
    const auto all = pipeline.group_counters(id, at(1));
    return all.empty() ? "" : action::format_group_counters(all[0]);
  }

  Pipeline pipeline;
  TranslationResult result;
};

}  // namespace sluice::pipeline
