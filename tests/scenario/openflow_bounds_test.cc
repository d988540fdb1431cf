// What a controller can make the switch spend, at worst: memory of replies that are not read, turns of others
// that wait, packets that go through more than there is. Counts and bytes, no times: what had no bound here
// would not end.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "action/all_actions.h"
#include "action/group_spec.h"
#include "base/rng.h"
#include "pipeline/translator.h"
#include "tests/scenario/openflow_scenario.h"

namespace sluice::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class OpenFlowBounds : public OpenFlowScenario {
 protected:
  /// Flows straight into the tables: cookie and priority are their number.
  void add_flows(unsigned count, const std::string& actions = "output:1") {
    std::vector<action::FlowSpec> flows(count);
    for (unsigned i = 0; i < count; ++i) {
      action::FlowSpec& flow = flows[i];
      flow.priority = static_cast<std::uint16_t>(i);
      flow.new_cookie = i;
      flow.match.value.metadata = be64{i};
      flow.match.mask.bits.metadata = be64{~std::uint64_t{0}};
      flow.actions = action::parse_actions(actions).value();
    }
    ASSERT_TRUE(device().bridge().pipeline().apply(flows, device().clock.now()));
  }
  static std::multiset<std::uint64_t> cookies(const std::vector<std::vector<std::uint8_t>>& messages) {
    std::multiset<std::uint64_t> all;
    for (const auto& bytes : messages) {
      const auto message = decode(bytes);
      if (const auto* flows = message ? as<FlowStatsReply>(*message) : nullptr)
        for (const auto& entry : flows->entries) all.insert(entry.flow.new_cookie.value());
      if (const auto* updates = message ? as<FlowUpdates>(*message) : nullptr)
        for (const auto& update : updates->entries)
          if (update.event == UpdateEvent::Initial || update.event == UpdateEvent::Added)
            all.insert(update.flow.new_cookie.value());
    }
    return all;
  }
};

constexpr std::size_t kPieceBytes = 64 << 10;

TEST_F(OpenFlowBounds, WhoAsksAndDoesNotReadWaitsForHimself) {
  begin();
  add_flows(10'000);
  for (unsigned i = 1; i <= 100; ++i) {
    const auto group = "group_id=" + std::to_string(i) + ",type=all" + [] {
      std::string buckets;
      for (unsigned bucket = 0; bucket < 100; ++bucket) buckets += ",bucket=actions=output:1";
      return buckets;
    }();
    ASSERT_TRUE(device().bridge().pipeline().apply(action::parse_group(group).value(), device().clock.now()));
  }
  const auto client = connect(k14), other = connect(k13);
  std::vector<std::uint8_t> requests;
  for (unsigned i = 0; i < 200; ++i)
    for (const auto& request : {client->encoded(FlowStatsRequest{}), client->encoded(GroupDescRequest{}),
                                client->encoded(GroupStatsRequest{}), client->encoded(PortDescRequest{}),
                                client->encoded(TableFeaturesRequest{})})
      requests.insert(requests.end(), request.begin(), request.end());
  client->receive(requests);
  for (unsigned turn = 0; turn < 100'000; ++turn) {
    client->serve_turn();
    // The largest reply that is not made in pieces is that of all tables' features.
    ASSERT_LE(client->session().output_bytes(), ofproto::peer_limits::kServeBelowBytes + (2 << 20));
  }
  EXPECT_FALSE(client->serve_turn());
  EXPECT_THAT(other->ask(BarrierRequest{}), HasSubstr("BARRIER_REPLY"));
  // As he reads, he is served.
  const std::size_t before = client->messages().size();
  EXPECT_GT(before, 0u);
  client->serve();
  EXPECT_GT(client->messages().size(), 0u);
}

TEST_F(OpenFlowBounds, DumpsOfManyFlowsLeaveTurnsToOthers) {
  begin();
  constexpr unsigned kFlows = 20'000;
  add_flows(kFlows);
  const auto client = connect(k14), other = connect(k13);
  client->receive(client->encoded(FlowStatsRequest{}));
  std::vector<std::vector<std::uint8_t>> messages;
  unsigned turns = 0;
  for (bool more = true; more; ++turns) {
    more = client->serve_turn();
    for (auto& message : client->messages()) messages.push_back(std::move(message));
    ASSERT_EQ(other->flow("priority=" + std::to_string(turns) + ",udp,actions=2"), "");
  }
  EXPECT_GE(turns, kFlows / 128 / ofproto::peer_limits::kMessagesPerTurn);
  const auto seen = cookies(messages);
  EXPECT_EQ(seen.size(), kFlows);
  for (const auto& bytes : messages) EXPECT_LE(bytes.size(), kPieceBytes);
  EXPECT_EQ(decode(messages.back())->more, false);
  EXPECT_EQ(decode(messages.front())->more, true);

  client->receive(client->encoded(AggregateRequest{}));
  EXPECT_GE(client->serve(), 1u);
  EXPECT_THAT(client->output(), HasSubstr("flow_count=" + std::to_string(kFlows + turns)));
  // One that nothing matches goes through all of them as well, and says so.
  FlowStatsRequest none;
  none.cookie = ~std::uint64_t{0};
  none.cookie_mask = ~std::uint64_t{0};
  const auto empty = client->ask(none);
  EXPECT_THAT(empty, AllOf(HasSubstr("OFPST_FLOW reply"), Not(HasSubstr("cookie"))));
}

// However flows change meanwhile: each that was there before and after is told exactly once.
TEST_F(OpenFlowBounds, ADumpTellsEachFlowThatStaysOnce) {
  begin();
  constexpr unsigned kFlows = 6'000;
  add_flows(kFlows);
  pipeline::Pipeline& pipeline = device().bridge().pipeline();
  Rng rng(7);
  for (unsigned round = 0; round < 5; ++round) {
    std::set<std::uint64_t> before;
    pipeline::FlowInfo flow;
    for (auto all = pipeline.dump(); all.next(flow);) before.insert(flow.cookie);
    std::multiset<std::uint64_t> told;
    std::set<std::uint64_t> deleted;
    auto dump = pipeline.dump();
    while (!dump.at_end()) {
      std::size_t budget = 50 + rng.below(200);
      while (const auto rule = dump.next(budget)) told.insert(rule->cookie());
      std::vector<action::FlowSpec> changes(rng.below(20));
      for (auto& change : changes) {
        const std::uint64_t which = rng.below(kFlows);
        change.match.value.metadata = be64{which};
        change.match.mask.bits.metadata = be64{~std::uint64_t{0}};
        change.priority = static_cast<std::uint16_t>(which);
        change.new_cookie = which;
        change.actions = action::parse_actions("output:" + std::to_string(1 + rng.below(3))).value();
        switch (rng.below(3)) {
          case 0:
            change.command = action::FlowCommand::DeleteStrict;
            deleted.insert(which);
            break;
          case 1:
            change.command = action::FlowCommand::ModifyStrict;
            change.new_cookie.reset();
            break;
          default:
            break;
        }
      }
      // Some fail at their end and are undone.
      if (rng.below(3) == 0) {
        auto& bad = changes.emplace_back();
        bad.actions = action::parse_actions("group:9").value();
        EXPECT_FALSE(pipeline.apply(changes, device().clock.now()));
      } else {
        EXPECT_TRUE(pipeline.apply(changes, device().clock.now()));
      }
    }
    for (const std::uint64_t cookie : before) {
      if (deleted.contains(cookie))
        ASSERT_LE(told.count(cookie), 1u);
      else
        ASSERT_EQ(told.count(cookie), 1u) << cookie;
    }
    for (const std::uint64_t cookie : told) ASSERT_TRUE(before.contains(cookie));
  }
}

TEST_F(OpenFlowBounds, PacketsOfABundleComeToABoundedNumberOfActions) {
  begin();
  const auto client = connect(k14);
  std::string outputs = "actions=2";
  for (unsigned i = 1; i < 4000; ++i) outputs += i % 2 == 0 ? ",2" : ",3";
  ASSERT_EQ(client->flow("priority=1," + outputs), "");
  PacketOut out;
  field::set_match(out.metadata, field::FieldId::InPortOxm, 1, 0xffffffff);
  out.actions = action::parse_actions("resubmit(,0)").value();
  out.packet = build(Ip4{} / Udp{});
  for (const unsigned packets : {60u, 70u}) {
    client->bundle(1, BundleControlType::OpenRequest);
    ASSERT_EQ(client->bundle_add(
                  1, FlowMod{action::parse_flow("tcp,actions=drop", action::FlowCommand::Add).value()}),
              "");
    for (unsigned i = 0; i < packets; ++i) ASSERT_EQ(client->bundle_add(1, out), "");
    const std::string said = client->bundle(1, BundleControlType::CommitRequest);
    if (packets == 60)
      EXPECT_THAT(said, HasSubstr("type=COMMIT_REPLY"));
    else
      EXPECT_THAT(said, AllOf(HasSubstr("OFPBFC_MSG_TOO_MANY"), HasSubstr("OFPBFC_MSG_FAILED")));
    EXPECT_EQ(client->flow("tcp", action::FlowCommand::Delete), "");
  }
}

TEST_F(OpenFlowBounds, MonitorsOfManyFlowsGoInSlices) {
  begin();
  constexpr unsigned kFlows = 10'000;
  add_flows(kFlows);
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  for (std::uint32_t id = 0; id < 3; ++id) {
    MonitorRequest& monitor = request.entries.emplace_back();
    monitor.id = id;
    monitor.table = action::kNoTable;
    monitor.flags = {.initial = true, .add = true, .removed = true, .modify = true};
  }
  client->receive(client->encoded(request));
  std::vector<std::vector<std::uint8_t>> messages;
  const auto read = [&] {
    for (auto& message : client->messages()) messages.push_back(std::move(message));
  };
  // Flows come while the answer is made, and a change of the first.
  unsigned turns = 0;
  for (bool more = true; more; ++turns) {
    more = client->session().serve_next();
    read();
    ASSERT_EQ(other->flow("cookie=" + std::to_string(100'000 + turns) + ",priority=" + std::to_string(turns) +
                          ",udp,actions=2"),
              "");
  }
  read();
  EXPECT_GT(turns, kFlows / ofproto::monitor_limits::kSlice);
  std::multiset<std::uint64_t> seen = cookies(messages);
  for (std::uint64_t i = 0; i < kFlows; ++i) ASSERT_EQ(seen.count(i), 1u) << i;
  for (std::uint64_t i = 0; i < turns; ++i) ASSERT_EQ(seen.count(100'000 + i), 1u) << i;

  // A pause in which all flows change ends in slices too; what is told is the last state, and what happens
  // meanwhile is not lost.
  client->unsent_bytes = 1 << 20;
  EXPECT_EQ(other->flow("cookie=200000,priority=1,tcp,actions=1"), "");
  EXPECT_THAT(client->output(), HasSubstr("PAUSED"));
  EXPECT_EQ(other->flow("actions=3", action::FlowCommand::Modify), "");
  EXPECT_EQ(client->output(), "");
  client->unsent_bytes = 0;
  agent->run();
  EXPECT_TRUE(client->session().is_working());
  client->messages();
  EXPECT_EQ(other->flow("cookie=200001,priority=2,tcp,actions=1"), "");
  const std::string first = client->output();
  client->serve();
  const std::string rest = client->output();
  EXPECT_THAT(rest, HasSubstr("RESUMED"));
  EXPECT_THAT(first + rest, HasSubstr("event=ADDED table=0 cookie=0x30d41 "));
  EXPECT_FALSE(client->session().is_working());
  EXPECT_EQ(other->flow("cookie=200002,priority=3,tcp,actions=1"), "");
  EXPECT_THAT(client->output(), HasSubstr("event=ADDED table=0 cookie=0x30d42 "));
}

TEST_F(OpenFlowBounds, WhoDoesNotReadWhileAPauseEndsIsNotBuried) {
  begin();
  constexpr unsigned kFlows = 20'000;
  add_flows(kFlows);
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  MonitorRequest& monitor = request.entries.emplace_back();
  monitor.id = 1;
  monitor.table = action::kNoTable;
  monitor.flags = {.add = true, .removed = true, .modify = true, .actions = true};
  client->ask(request);
  client->unsent_bytes = 1 << 20;
  other->flow("cookie=200000,priority=1,tcp,actions=1");
  client->messages();
  ASSERT_EQ(other->flow("actions=3", action::FlowCommand::Modify), "");
  client->unsent_bytes = 0;
  agent->run();
  ASSERT_TRUE(client->session().is_working());
  // Now he reads nothing, and everything changes again and again.
  client->unsent_bytes = ofproto::peer_limits::kServeBelowBytes;
  for (unsigned i = 0; i < 50; ++i) {
    client->serve();
    ASSERT_EQ(other->flow("actions=" + std::to_string(1 + i % 3), action::FlowCommand::Modify), "");
    ASSERT_LE(client->session().output_bytes(), 2 * ofproto::peer_limits::kAsyncBelowBytes);
  }
  EXPECT_GT(client->session().output_bytes(), ofproto::peer_limits::kAsyncBelowBytes);
  // He reads: his picture becomes the switch's.
  client->unsent_bytes = 0;
  std::map<std::uint64_t, std::string> picture;
  bool resumed = false;
  const auto read = [&] {
    for (const auto& bytes : client->messages()) {
      const auto message = decode(bytes);
      ASSERT_TRUE(message);
      for (const auto& update : as<FlowUpdates>(*message)->entries) {
        resumed = resumed || update.event == UpdateEvent::Resumed;
        if (update.event == UpdateEvent::Modified)
          picture[update.flow.new_cookie.value()] = action::format_actions(update.flow.actions);
      }
    }
  };
  for (unsigned i = 0; i < 100 && client->session().is_working(); ++i) {
    client->serve_turn();
    read();
  }
  read();
  EXPECT_TRUE(resumed);
  EXPECT_EQ(picture.size(), kFlows + 1);  // and the flow that began the pause
  for (const auto& [cookie, actions] : picture) ASSERT_EQ(actions, "output:2") << cookie;
}

// What packets learn while a pause ends is told once: by the walk over the flows, or as it happens.
TEST_F(OpenFlowBounds, FlowsThatPacketsLearnWhileAPauseEndsAreToldOnce) {
  begin();
  constexpr unsigned kFlows = 10'000;
  add_flows(kFlows);
  const auto client = connect(k14), other = connect(k13);
  ASSERT_EQ(other->flow("priority=65535,in_port=1,udp,actions=learn(table=1,cookie=0x100000,"
                        "eth_type=0x800,nw_proto=17,NXM_OF_UDP_DST[]),output:2"),
            "");
  FlowMonitorRequest request;
  MonitorRequest& monitor = request.entries.emplace_back();
  monitor.id = 1;
  monitor.table = 1;
  monitor.flags = {.add = true, .removed = true, .modify = true};
  client->ask(request);
  client->unsent_bytes = 1 << 20;
  EXPECT_EQ(other->flow("cookie=200000,table=1,priority=1,tcp,actions=1"), "");
  EXPECT_THAT(client->output(), HasSubstr("PAUSED"));
  EXPECT_EQ(other->flow("cookie=200001,table=1,priority=2,tcp,actions=1"), "");
  client->unsent_bytes = 0;
  agent->run();
  unsigned learned = 0;
  std::vector<std::vector<std::uint8_t>> messages;
  for (bool more = true; more && learned < 100;) {
    ++learned;
    send(1, Ip4{} / Udp{.dport = static_cast<std::uint16_t>(learned)});
    more = client->session().serve_next();
    for (auto& message : client->messages()) messages.push_back(std::move(message));
  }
  agent->run();
  for (auto& message : client->messages()) messages.push_back(std::move(message));
  EXPECT_GE(learned, 3u);
  const auto seen = cookies(messages);
  EXPECT_EQ(seen.count(200001), 1u);
  EXPECT_EQ(seen.count(0x100000), learned);
}

// However few flows there are: one that changes before it is told is told as it is then.
TEST_F(OpenFlowBounds, MonitorsBeginWithFlowsAsTheyAreWhenTheyAreTold) {
  begin();
  constexpr unsigned kFlows = 100;
  add_flows(kFlows);
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  for (std::uint32_t id = 0; id < 1000; ++id) {
    MonitorRequest& monitor = request.entries.emplace_back();
    monitor.id = id;
    monitor.table = action::kNoTable;
    monitor.flags = {.initial = true, .actions = true};
  }
  client->receive(client->encoded(request));
  // The request, and one slice of its answer.
  ASSERT_TRUE(client->session().serve_next());
  ASSERT_TRUE(client->session().serve_next());
  ASSERT_TRUE(client->session().is_working());
  ASSERT_EQ(other->flow("actions=output:3", action::FlowCommand::Modify), "");
  client->serve();
  std::set<std::uint64_t> seen;
  unsigned before = 0;
  for (const auto& bytes : client->messages()) {
    const auto message = decode(bytes);
    ASSERT_TRUE(message);
    for (const auto& update : as<FlowUpdates>(*message)->entries) {
      ASSERT_EQ(update.event, UpdateEvent::Initial);
      EXPECT_TRUE(seen.insert(update.flow.new_cookie.value()).second);
      const std::string actions = action::format_actions(update.flow.actions);
      if (actions == "output:1" && before + 1 == seen.size())
        ++before;
      else
        EXPECT_EQ(actions, "output:3") << update.flow.new_cookie.value();
    }
  }
  EXPECT_EQ(seen.size(), kFlows);
  EXPECT_GE(before, 1u);
  EXPECT_LE(before, ofproto::monitor_limits::kSlice / 1000 + 1);
}

// Of a flow that came in a pause the controller may have been told before the pause ends: then it is told
// when it goes, too.
TEST_F(OpenFlowBounds, WhatAnAnswerInAPauseToldIsToldWhenItGoes) {
  begin();
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  MonitorRequest& monitor = request.entries.emplace_back();
  monitor.id = 1;
  monitor.table = action::kNoTable;
  monitor.flags = {.add = true, .removed = true, .modify = true};
  client->ask(request);
  client->unsent_bytes = 1 << 20;
  EXPECT_EQ(other->flow("cookie=1,priority=1,tcp,actions=1"), "");
  EXPECT_THAT(client->output(), HasSubstr("PAUSED"));
  EXPECT_EQ(other->flow("cookie=2,priority=2,tcp,actions=1"), "");
  monitor.id = 2;
  monitor.flags.initial = true;
  EXPECT_THAT(client->ask(request), HasSubstr("event=INITIAL table=0 cookie=0x2 "));
  EXPECT_EQ(other->flow("cookie=3,priority=3,tcp,actions=1"), "");
  EXPECT_EQ(other->flow("priority=3,tcp", action::FlowCommand::DeleteStrict), "");
  EXPECT_EQ(client->output(), "") << "he never knew it";
  EXPECT_EQ(other->flow("priority=2,tcp", action::FlowCommand::DeleteStrict), "");
  EXPECT_THAT(client->output(), HasSubstr("event=DELETED reason=delete table=0 cookie=0x2 "));
  client->unsent_bytes = 0;
  agent->run();
  EXPECT_THAT(client->output(), HasSubstr("RESUMED"));
}

// Where the end of a pause goes over the flows twice, what the first walk told is told when it goes.
TEST_F(OpenFlowBounds, WhatTheFirstOfTwoWalksToldIsToldWhenItGoes) {
  begin();
  add_flows(10'000);
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  MonitorRequest& monitor = request.entries.emplace_back();
  monitor.id = 1;
  monitor.table = action::kNoTable;
  monitor.flags = {.add = true, .removed = true, .modify = true};
  client->ask(request);
  client->unsent_bytes = 1 << 20;
  EXPECT_EQ(other->flow("cookie=200000,table=1,priority=1,tcp,actions=1"), "");
  EXPECT_THAT(client->output(), HasSubstr("PAUSED"));
  EXPECT_EQ(other->flow("cookie=200001,table=1,priority=2,tcp,actions=1"), "");
  client->unsent_bytes = 0;
  agent->run();
  ASSERT_TRUE(client->session().is_working());
  // He stops to read: another walk is to follow. Then a flow comes that this one finds at its end.
  client->unsent_bytes = ofproto::peer_limits::kServeBelowBytes + ofproto::peer_limits::kAsyncBelowBytes + 1;
  EXPECT_EQ(other->flow("cookie=200002,table=1,priority=3,tcp,actions=1"), "");
  EXPECT_EQ(other->flow("cookie=200003,table=1,priority=4,tcp,actions=1"), "");
  client->unsent_bytes = 0;
  std::string told;
  for (bool more = true; more && told.find("cookie=0x30d43 ") == std::string::npos;) {
    more = client->session().serve_next();
    told += client->output();
  }
  ASSERT_THAT(told, AllOf(HasSubstr("event=ADDED table=1 cookie=0x30d43 "), Not(HasSubstr("RESUMED"))));
  EXPECT_EQ(other->flow("table=1,priority=4,tcp", action::FlowCommand::DeleteStrict), "");
  EXPECT_THAT(client->output(), HasSubstr("event=DELETED reason=delete table=1 cookie=0x30d43 "));
  client->serve();
  EXPECT_THAT(client->output(), HasSubstr("RESUMED"));
}

TEST_F(OpenFlowBounds, GroupsThatWatchGroupsAreATreeWithoutEnd) {
  begin();
  const auto client = connect(k15);
  const auto group = [&](const std::string& text) {
    return client->fails(GroupMod{action::parse_group(text).value()});
  };
  // 64 buckets each watch the next group, of which the last watches a port that is not there: 64 to the 20th.
  for (unsigned id = 20; id > 0; --id) {
    std::string text = "group_id=" + std::to_string(id) + ",type=ff";
    for (unsigned bucket = 0; bucket < 64; ++bucket)
      text += id == 20 ? ",bucket=watch_port:99,actions=output:2"
                       : ",bucket=watch_group:" + std::to_string(id + 1) + ",actions=output:2";
    ASSERT_EQ(group(text), "");
  }
  ASSERT_EQ(client->flow("actions=group:1"), "");
  send(1, Ip4{} / Udp{});
  ASSERT_EQ(group("group_id=30,type=ff,bucket=watch_port:3,actions=output:2"), "");
  ASSERT_EQ(client->flow("actions=group:30"), "");
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
}

TEST_F(OpenFlowBounds, GroupsOfGroupsEnd) {
  begin();
  const auto client = connect(k15);
  for (unsigned id = 20; id > 0; --id) {
    std::string text = "group_id=" + std::to_string(id) + ",type=all";
    for (unsigned bucket = 0; bucket < 64; ++bucket)
      text += id == 20 ? ",bucket=actions=output:2" : ",bucket=actions=group:" + std::to_string(id + 1);
    ASSERT_EQ(client->fails(GroupMod{action::parse_group(text).value()}), "");
  }
  ASSERT_EQ(client->flow("actions=group:1"), "");
  pipeline::TranslationResult result;
  flow::FlowKey key{};
  key.in_port = be32{1};
  device().bridge().pipeline().translate(key, false, device().clock.now(), result);
  EXPECT_EQ(result.drop, packet::DropReason::ResubmitLimit);
  EXPECT_LE(result.program.size(), pipeline::kMaxActions + 64);
}

TEST_F(OpenFlowBounds, AllGroupsFitABoundedMemory) {
  begin();
  const auto client = connect(k15);
  // Sixty thousand bytes, and some that say what they are.
  action::GroupSpec large =
      action::parse_group("group_id=1,type=all,bucket=actions=controller(userdata=01)").value();
  std::get<action::Controller>(large.buckets[0].actions.begin()->variant()).userdata.resize(60'000);
  const auto apply = [&](unsigned id, action::GroupSpec spec, action::GroupCommand command) {
    spec.id = id;
    spec.command = command;
    return client->fails(GroupMod{std::move(spec)});
  };
  const auto add_large = [&](unsigned id) { return apply(id, large, action::GroupCommand::Add); };
  const action::GroupSpec small = action::parse_group("group_id=1,type=all,bucket=actions=output:1").value();
  unsigned next = 1;
  while (next < 100'000 && add_large(next).empty()) ++next;
  constexpr unsigned kMost = pipeline::FlowTables::kMaxAllGroupsBytes / 60'000;
  EXPECT_LE(next - 1, kMost);
  EXPECT_GE(next - 1, kMost - 2);
  EXPECT_EQ(add_large(next), "OFPGMFC_OUT_OF_BUCKETS");
  EXPECT_EQ(apply(next++, small, action::GroupCommand::Add), "");
  // What becomes less makes room, and what is undone has taken none.
  EXPECT_EQ(apply(1, small, action::GroupCommand::Modify), "");
  const std::vector<pipeline::Modification> undone = {[&] {
                                                        action::GroupSpec another = large;
                                                        another.id = next;
                                                        return another;
                                                      }(),
                                                      small};
  EXPECT_FALSE(device().bridge().change(undone, device().clock.now()));
  EXPECT_EQ(apply(1, large, action::GroupCommand::Modify), "");
  EXPECT_EQ(apply(next - 1, large, action::GroupCommand::Modify), "OFPGMFC_OUT_OF_BUCKETS");
  EXPECT_EQ(add_large(next), "OFPGMFC_OUT_OF_BUCKETS");
  EXPECT_EQ(apply(2, {}, action::GroupCommand::Delete), "");
  EXPECT_EQ(add_large(next), "");
  EXPECT_EQ(add_large(2), "OFPGMFC_OUT_OF_BUCKETS");
}

TEST_F(OpenFlowBounds, DumpsOfManyMetersLeaveTurnsToOthers) {
  begin();
  constexpr unsigned kMeters = 3'000, kBands = 8;
  std::string bands;
  for (unsigned band = 1; band <= kBands; ++band) bands += " type=drop rate=" + std::to_string(band * 100);
  for (unsigned id = 1; id <= kMeters; ++id)
    ASSERT_TRUE(device().bridge().change_meter("meter=" + std::to_string(id * 3) + " kbps bands=" + bands,
                                               action::MeterCommand::Add, device().clock.now()));
  const auto client = connect(k14);
  const auto asked = [&](Body request) {
    client->receive(client->encoded(std::move(request)));
    std::vector<std::uint32_t> ids;
    unsigned slices = 0;
    for (bool more = true; more; ++slices) {
      more = client->serve_turn();
      EXPECT_LE(client->session().output_bytes(), ofproto::peer_limits::kSlicesPerTurn * kPieceBytes);
      for (const auto& bytes : client->messages()) {
        EXPECT_LE(bytes.size(), kPieceBytes);
        const auto message = decode(bytes).value();
        if (const auto* stats = as<MeterStatsReply>(message))
          for (const auto& entry : stats->entries) ids.push_back(entry.id);
        if (const auto* config = as<MeterConfigReply>(message))
          for (const auto& entry : config->entries) ids.push_back(entry.id);
        EXPECT_EQ(message.more, ids.size() < kMeters);
      }
    }
    EXPECT_GT(slices, kMeters / 1024);
    return ids;
  };
  std::vector<std::uint32_t> all;
  for (std::uint32_t id = 1; id <= kMeters; ++id) all.push_back(id * 3);
  EXPECT_EQ(asked(MeterStatsRequest{}), all);
  EXPECT_EQ(asked(MeterConfigRequest{}), all);
  EXPECT_EQ(client->fails(MeterStatsRequest{{.meter = 2}}), "OFPMMFC_UNKNOWN_METER");
  EXPECT_THAT(client->ask(MeterConfigRequest{{.meter = 9}}),
              AllOf(HasSubstr("meter=9 "), Not(HasSubstr("meter=12 "))));
  EXPECT_THAT(client->ask(MeterFeaturesRequest{}), HasSubstr("max_bands:8 "));
  EXPECT_EQ(client->fails(MeterMod{
                action::MeterSpec{.command = action::MeterCommand::Modify,
                                  .id = 3,
                                  .kbps = true,
                                  .bands = std::vector<action::MeterBand>(kBands + 1, {.rate = 1})}}),
            "OFPMMFC_OUT_OF_BANDS");
}

TEST_F(OpenFlowBounds, AGroupFitsAMessage) {
  begin();
  const auto client = connect(k15);
  ASSERT_EQ(
      client->fails(GroupMod{action::parse_group("group_id=1,type=all,bucket=actions=output:1").value()}),
      "");
  std::string error;
  unsigned inserted = 0;
  while (inserted < 1'000'000 && error.empty()) {
    std::string text = "group_id=1,command_bucket_id=last";
    for (unsigned i = 0; i < 100; ++i)
      text += ",bucket=bucket_id=" + std::to_string(++inserted) + ",actions=output:1";
    error = client->fails(GroupMod{action::parse_group(text, action::GroupCommand::InsertBucket).value()});
  }
  EXPECT_EQ(error, "OFPGMFC_OUT_OF_BUCKETS");
  EXPECT_LT(inserted, 5'000u);
  const auto client13 = connect(k13);
  for (Client* each : {client.get(), client13.get()}) {
    each->send_bytes(each->encoded(GroupDescRequest{}));
    const auto messages = each->messages();
    ASSERT_EQ(messages.size(), 1u);
    const auto message = decode(messages[0]);
    ASSERT_TRUE(message);
    EXPECT_EQ(as<GroupDescReply>(*message)->entries.at(0).buckets.size(), inserted - 99);
  }
}

TEST_F(OpenFlowBounds, PacketsThatResubmitWithoutEnd) {
  begin();
  const auto client = connect(k13);
  // Each table sends the packet through the next twice: 2 to the 60th.
  for (unsigned table = 0; table < 60; ++table)
    ASSERT_EQ(client->flow("table=" + std::to_string(table) + ",actions=resubmit(," +
                           std::to_string(table + 1) + "),resubmit(," + std::to_string(table + 1) + ")"),
              "");
  ASSERT_EQ(client->flow("table=60,actions=output:2"), "");
  packet_out(*client, 1, "resubmit(,0)", Ip4{} / Udp{});
  pipeline::TranslationResult result;
  flow::FlowKey key{};
  key.in_port = be32{1};
  device().bridge().pipeline().translate(key, false, device().clock.now(), result);
  EXPECT_EQ(result.drop, packet::DropReason::ResubmitLimit);
  EXPECT_LE(result.program.size(), pipeline::kMaxActions);
}

TEST_F(OpenFlowBounds, NestedActionsAreRefusedBeyondADepth) {
  begin();
  const auto client = connect(k13);
  const auto nested = [](unsigned depth) {
    action::ActionList actions = action::parse_actions("output:2").value();
    for (unsigned i = 0; i < depth; ++i) {
      action::ActionList outer;
      outer.push_back(action::Clone{std::move(actions)});
      actions = std::move(outer);
    }
    FlowMod mod;
    mod.flow.actions = std::move(actions);
    return mod;
  };
  EXPECT_EQ(client->fails(nested(16)), "");
  EXPECT_EQ(client->fails(nested(17)), "OFPBAC_TOO_MANY");
  EXPECT_EQ(client->fails(nested(1000)), "OFPBAC_TOO_MANY");
}

TEST_F(OpenFlowBounds, ALooseDeleteOfAllFlowsTellsNoMoreThanIsRead) {
  begin();
  constexpr unsigned kFlows = 30'000;
  const auto client = connect(k13), watcher = connect(k13);
  add_flows(kFlows);
  std::vector<action::FlowSpec> flows(kFlows);
  for (unsigned i = 0; i < kFlows; ++i) {
    flows[i].flags.send_flow_rem = true;
    flows[i].match.value.metadata = be64{i};
    flows[i].match.mask.bits.metadata = be64{~std::uint64_t{0}};
    flows[i].table = 1;
  }
  ASSERT_TRUE(device().bridge().pipeline().apply(flows, device().clock.now()));
  client->send_bytes(client->encoded(FlowMod{action::parse_flow("", action::FlowCommand::Delete).value()}));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);
  for (Client* each : {client.get(), watcher.get()}) {
    EXPECT_GT(each->session().output_bytes(), ofproto::peer_limits::kAsyncBelowBytes / 2);
    EXPECT_LE(each->session().output_bytes(), ofproto::peer_limits::kAsyncBelowBytes + kPieceBytes);
  }
}

TEST_F(OpenFlowBounds, MonitorsOfASessionAreCounted) {
  begin();
  const auto client = connect(k14);
  FlowMonitorRequest request;
  for (std::uint32_t id = 0; id <= ofproto::monitor_limits::kMonitors; ++id) {
    MonitorRequest& monitor = request.entries.emplace_back();
    monitor.id = id;
    monitor.flags = {.add = true};
  }
  EXPECT_EQ(client->fails(request), "OFPMOFC_INVALID_MONITOR");
  request.entries.pop_back();
  EXPECT_EQ(client->fails(request).find("OFPST_FLOW_MONITOR reply"), 0u);
  request.entries.resize(1);
  request.entries[0].id = 5000;
  EXPECT_EQ(client->fails(request), "OFPMOFC_INVALID_MONITOR");
}

// What each change of a flow is held against is bounded, of one client and of all.
TEST_F(OpenFlowBounds, ShapesOfMonitorsAreCounted) {
  begin();
  const auto monitors = [](std::size_t shapes) {
    FlowMonitorRequest request;
    for (std::uint32_t id = 0; id < shapes; ++id) {
      MonitorRequest& monitor = request.entries.emplace_back();
      monitor.id = id;
      monitor.out_port = 1 + id;
      monitor.flags = {.add = true};
    }
    return request;
  };
  std::vector<std::unique_ptr<Client>> clients;
  for (unsigned i = 0; i < 3; ++i) clients.push_back(connect(k14));
  using namespace ofproto::monitor_limits;  // NOLINT
  static_assert(kAllShapes == 2 * kShapes);
  EXPECT_EQ(clients[0]->fails(monitors(kShapes + 1)), "OFPMOFC_INVALID_MONITOR");
  EXPECT_THAT(clients[0]->fails(monitors(kShapes)), HasSubstr("OFPST_FLOW_MONITOR reply"));
  EXPECT_THAT(clients[1]->fails(monitors(kShapes)), HasSubstr("OFPST_FLOW_MONITOR reply"));
  EXPECT_EQ(clients[2]->fails(monitors(1)), "OFPMOFC_INVALID_MONITOR");
  // Who changes what he has, or goes, makes room.
  FlowMonitorRequest smaller = monitors(kShapes);
  for (MonitorRequest& monitor : smaller.entries) {
    monitor.command = MonitorCommand::Modify;
    monitor.out_port = 1;
  }
  EXPECT_THAT(clients[0]->fails(smaller), HasSubstr("OFPST_FLOW_MONITOR reply"));
  EXPECT_THAT(clients[2]->fails(monitors(kShapes - 1)), HasSubstr("OFPST_FLOW_MONITOR reply"));
  const auto late = connect(k14);
  EXPECT_EQ(late->fails(monitors(1)), "OFPMOFC_INVALID_MONITOR");
  clients.pop_back();
  EXPECT_THAT(late->fails(monitors(kShapes - 1)), HasSubstr("OFPST_FLOW_MONITOR reply"));
}

// Who has a monitor is not sent away for being silent.
TEST_F(OpenFlowBounds, AMonitorIsKeptForItsClient) {
  begin();
  const auto client = connect(k13), other = connect(k13);
  FlowMonitorRequest request;
  request.entries.emplace_back().flags = {.add = true};
  request.entries.back().id = 7;
  EXPECT_FALSE(agent->keeps(client->session()));
  client->ask(request, true);
  EXPECT_TRUE(agent->keeps(client->session()));
  EXPECT_FALSE(agent->keeps(other->session()));
  EXPECT_EQ(client->fails(FlowMonitorCancel{.id = 7}), "");
  EXPECT_FALSE(agent->keeps(client->session()));
}

// What one change makes of a monitor's client is told as far as it may wait, then he goes.
TEST_F(OpenFlowBounds, WhatOneChangeTellsAMonitorIsBounded) {
  begin();
  add_flows(20'000);
  const auto client = connect(k14), other = connect(k13);
  FlowMonitorRequest request;
  MonitorRequest& monitor = request.entries.emplace_back();
  monitor.id = 1;
  monitor.table = action::kNoTable;
  monitor.flags = {.add = true, .removed = true, .modify = true, .actions = true};
  client->ask(request);
  constexpr std::size_t kRoom = 1 << 19;
  client->unsent_bytes = ofproto::peer_limits::kMaxOutputBytes - kRoom;
  ASSERT_EQ(other->flow("actions=3", action::FlowCommand::Modify), "");
  EXPECT_EQ(client->session().state(), Session::State::Closed);
  EXPECT_EQ(client->session().reason(), "it does not read what changed");
  EXPECT_GT(client->session().output_bytes(), kRoom);
  EXPECT_LE(client->session().output_bytes(), kRoom + kPieceBytes);
  EXPECT_THAT(other->ask(BarrierRequest{}), HasSubstr("BARRIER_REPLY"));
}

}  // namespace
}  // namespace sluice::testing
