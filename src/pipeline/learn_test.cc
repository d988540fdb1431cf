// learn, fin_timeout, conjunction, bundle, multipath, and what flow tables do when they are full or flows
// time out.
#include <gmock/gmock.h>

#include <set>
#include <thread>
#include <unordered_set>

#include "action/all_actions.h"
#include "base/keyed_hash.h"
#include "base/rng.h"
#include "field/match_text.h"
#include "pipeline/pipeline_fixture.h"

namespace sluice::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LearnTest : public PipelineFixture {};

TEST_F(LearnTest, APacketMakesAFlowThatTheNextPacketMeets) {
  mod("table=0,priority=1,tcp,actions=learn(table=2,priority=7,idle_timeout=10,hard_timeout=60,cookie=0x5,"
      "eth_type=0x800,nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[],"
      "load:0x3->NXM_NX_REG0[0..7],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15],output:NXM_OF_IN_PORT[]),"
      "resubmit(,2)");
  const std::uint64_t epoch = pipeline.epoch();
  EXPECT_EQ(actions("in_port=3,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80"), "drop");
  EXPECT_GT(pipeline.epoch(), epoch);
  EXPECT_THAT(
      dump({.table = 2}),
      ElementsAre("cookie=0x5,table=2,idle_timeout=10,hard_timeout=60,priority=7,tcp,nw_src=10.0.0.2,"
                  "tp_dst=1000,actions=load:0x3->NXM_NX_REG0[0..7],load:0x3->NXM_NX_REG1[0..15],output:3"));
  // What was read is in the mask: the next connection learns for itself.
  EXPECT_EQ(result.mask.bits.nw_dst.host(), 0xffffffffu);
  EXPECT_EQ(result.mask.bits.tp_src.host(), 0xffffu);
  EXPECT_EQ(actions("in_port=2,tcp,nw_src=10.0.0.2,nw_dst=10.0.0.1,tp_src=80,tp_dst=1000"), "3");
}

TEST_F(LearnTest, RevalidationAndTraceLearnNothing) {
  mod("tcp,actions=learn(table=1,eth_type=0x800,nw_proto=6,NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[]),2");
  translate(key_of("in_port=1,tcp,tp_src=5"), false);
  EXPECT_THAT(pipeline.explain(key_of("in_port=1,tcp,tp_src=5"), at(1)).text,
              HasSubstr(">> suppressing side effects, so learn action ignored"));
  EXPECT_EQ(pipeline.flow_count(), 1u);
  EXPECT_THAT(pipeline.explain(key_of("in_port=1,tcp,tp_src=5"), at(1), nullptr, {}, true).text,
              HasSubstr(" -> table=1 tcp,tp_dst=5 priority=32768 actions=drop"));
  EXPECT_EQ(pipeline.flow_count(), 2u);
}

TEST_F(LearnTest, TrafficKeepsTheFlowAndMakesItAgain) {
  mod("udp,actions=learn(table=1,hard_timeout=10,in_port=1,output:NXM_OF_IN_PORT[]),2");
  translate(key_of("in_port=1,udp"), true, at(1));
  Credits credits = std::move(result.credits);
  credits.credit(1, 60, at(1));  // the packet that learned
  EXPECT_THAT(pipeline.expire(at(10)).removed, IsEmpty());
  credits.credit(1, 60, at(9));
  EXPECT_THAT(pipeline.expire(at(18)).removed, IsEmpty());
  EXPECT_EQ(pipeline.expire(at(19)).removed.size(), 1u);
  EXPECT_EQ(pipeline.flow_count(), 1u);
  credits.credit(1, 60, at(20));
  EXPECT_EQ(pipeline.flow_count(), 2u);
  // The packet that learned is not counted twice: deleting the flow before statistics arrive deletes it.
  mod("table=1", action::FlowCommand::Delete);
  translate(key_of("in_port=1,udp"), true, at(21));
  Credits second = std::move(result.credits);
  mod("table=1", action::FlowCommand::Delete);
  second.credit(1, 60, at(21));
  EXPECT_EQ(pipeline.flow_count(), 1u);
}

TEST_F(LearnTest, LimitCountsFlowsOfTheCookieAndSaysSo) {
  mod("udp,actions=learn(table=1,cookie=9,limit=2,result_dst=NXM_NX_REG0[0],eth_type=0x800,nw_proto=17,"
      "NXM_OF_UDP_SRC[]),output:NXM_NX_REG0[]");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=1"), "1");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=2"), "1");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=3"), "drop");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=1"), "1");  // is there already
  EXPECT_EQ(dump({.table = 1}).size(), 2u);
  mod("table=1,udp,tp_src=1", action::FlowCommand::Delete);
  EXPECT_EQ(actions("in_port=3,udp,tp_src=3"), "1");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=1"), "drop");
  // Flows of the cookie that somebody else added count too, others don't.
  mod("table=1", action::FlowCommand::Delete);
  mod("table=1,cookie=9,arp,actions=1");
  mod("table=1,cookie=8,icmp,actions=1");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=4"), "1");
  EXPECT_EQ(actions("in_port=3,udp,tp_src=5"), "drop");
}

TEST_F(LearnTest, DeleteLearnedFollowsTheLastLearner) {
  mod("priority=1,udp,actions=learn(table=1,cookie=9,delete_learned,eth_type=0x800,nw_proto=17,NXM_OF_UDP_"
      "SRC[])");
  mod("priority=2,tcp,actions=clone(learn(table=1,cookie=9,delete_learned,NXM_OF_ETH_SRC[]))");
  translate(key_of("in_port=3,udp,tp_src=1"));
  translate(key_of("in_port=3,tcp,tp_src=1"));
  mod("table=1,cookie=8,icmp,actions=1");
  EXPECT_EQ(mod("table=0,udp", action::FlowCommand::Delete).removed.size(), 1u);
  EXPECT_EQ(dump({.table = 1}).size(), 3u);
  std::size_t failed = 0;
  EXPECT_EQ(change({spec("table=0,tcp", action::FlowCommand::Delete), spec("actions=group:1")}, &failed),
            "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(dump({.table = 1}).size(), 3u);
  EXPECT_EQ(mod("table=0,tcp", action::FlowCommand::Delete).removed.size(), 3u);
  EXPECT_THAT(dump({.table = 1}), ElementsAre("cookie=0x8,table=1,icmp,actions=output:1"));
}

TEST_F(LearnTest, FinTimeoutShortensTheFlowOnFinOrRst) {
  mod("tcp,idle_timeout=300,actions=learn(table=1,idle_timeout=100,fin_idle_timeout=5,fin_hard_timeout=20,"
      "eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[]),resubmit(,1)");
  translate(key_of("in_port=1,tcp,tp_src=7"), true, at(1));
  EXPECT_THAT(dump({.table = 1}), ElementsAre("table=1,idle_timeout=100,tcp,tp_src=7,actions=fin_timeout("
                                              "idle_timeout=5,hard_timeout=20)"));
  translate(key_of("in_port=1,tcp,tp_src=7"), true, at(2));
  result.credits.credit(1, 60, at(2), 0x10);
  EXPECT_THAT(dump({.table = 1})[0], HasSubstr("idle_timeout=100,"));
  result.credits.credit(1, 60, at(3), 0x11);
  EXPECT_THAT(dump({.table = 1})[0], HasSubstr("idle_timeout=5,hard_timeout=20,tcp"));
  EXPECT_THAT(pipeline.expire(at(7)).removed, IsEmpty());
  const auto removed = pipeline.expire(at(8)).removed;
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].reason, RemovedReason::IdleTimeout);
}

TEST_F(LearnTest, WorkersLearnWhileMainChangesFlows) {
  mod("udp,actions=learn(table=1,eth_type=0x800,nw_proto=17,NXM_OF_UDP_SRC[],NXM_OF_UDP_DST[])");
  constexpr unsigned kThreads = 3, kFlows = 400;
  std::vector<std::thread> workers;
  for (unsigned n = 0; n < kThreads; ++n)
    workers.emplace_back([&, n] {
      const rcu::ThreadRegistration reader;
      flow::FlowKey key = key_of("in_port=1,udp");
      TranslationResult mine;
      for (unsigned i = 0; i < kFlows; ++i) {
        key.tp_src = be16{static_cast<std::uint16_t>(i)};
        key.tp_dst = be16{static_cast<std::uint16_t>(n)};
        pipeline.translate(key, true, at(1), mine);
        mine.clear();
        rcu::quiescent();
      }
    });
  for (unsigned i = 0; i < 300; ++i) {
    mod("table=2,udp,tp_src=" + std::to_string(i % 20) + ",actions=1");
    if (i % 3 == 0) mod("table=2,udp", action::FlowCommand::Delete);
    if (i % 50 == 0) pipeline.run(at(1));
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(dump({.table = 1}).size(), std::size_t{kThreads} * kFlows);
}

// --- conjunction

class ConjunctionTest : public PipelineFixture {};

TEST_F(ConjunctionTest, AllDimensionsOfOnePriorityTogether) {
  mod("priority=10,ip,nw_src=10.0.0.1,actions=conjunction(1,1/2)");
  mod("priority=10,ip,nw_src=10.0.0.2,actions=conjunction(1,1/2),conjunction(2,1/2)");
  mod("priority=10,ip,nw_dst=10.0.1.1,actions=conjunction(1,2/2)");
  mod("priority=10,ip,nw_dst=10.0.1.2,actions=conjunction(2,2/2)");
  mod("priority=9,ip,nw_dst=10.0.1.3,actions=conjunction(1,2/2)");
  mod("conj_id=1,ip,actions=1");
  mod("conj_id=2,ip,actions=2");
  mod("priority=5,ip,actions=3");
  EXPECT_EQ(actions("in_port=4,ip,nw_src=10.0.0.1,nw_dst=10.0.1.1"), "1");
  EXPECT_EQ(result.mask.bits.conj_id.raw(), 0u);
  EXPECT_EQ(result.mask.bits.nw_dst.host(), 0xffffffffu);
  EXPECT_EQ(actions("in_port=4,ip,nw_src=10.0.0.2,nw_dst=10.0.1.1"), "1");
  EXPECT_EQ(actions("in_port=4,ip,nw_src=10.0.0.1,nw_dst=10.0.1.2"), "3");
  EXPECT_EQ(actions("in_port=4,ip,nw_src=10.0.0.2,nw_dst=10.0.1.2"), "2");
  EXPECT_EQ(actions("in_port=4,ip,nw_src=10.0.0.1,nw_dst=10.0.1.3"), "3");  // of another priority
  // A rule of the same or a higher priority wins, one below does not.
  mod("priority=10,ip,nw_src=10.0.0.0/8,nw_dst=10.0.1.1,actions=4");
  EXPECT_EQ(actions("in_port=3,ip,nw_src=10.0.0.1,nw_dst=10.0.1.1"), "4");
  mod("priority=10,ip,nw_src=10.0.0.0/8,nw_dst=10.0.1.1", action::FlowCommand::DeleteStrict);
  mod("priority=9,ip,nw_src=10.0.0.0/8,nw_dst=10.0.1.1,actions=4");
  EXPECT_EQ(actions("in_port=3,ip,nw_src=10.0.0.1,nw_dst=10.0.1.1"), "1");
}

/// Against the definition: try all priorities from the highest down, in each first the ordinary rules.
TEST_F(ConjunctionTest, AgainstTheDefinitionAndTheMaskSuffices) {
  Rng rng(3);
  const char* const kFields[] = {"nw_src=10.0.0.", "nw_dst=10.0.0.", "tp_src=", "tp_dst="};
  for (unsigned round = 0; round < 60; ++round) {
    mod("table=0", action::FlowCommand::Delete);
    struct Flow {
      unsigned priority;
      std::string match;
      flow::Match parsed;
      std::vector<std::array<unsigned, 3>> conjunctions;  // id, clause, clauses
      std::string port;
    };
    std::map<std::pair<unsigned, std::string>, Flow> flows;
    std::set<unsigned> ids;
    for (unsigned i = 0; i < 25; ++i) {
      Flow flow{.priority = 5 + static_cast<unsigned>(rng.below(4)), .match = "udp"};
      for (const char* field : kFields)
        if (rng.chance(30)) flow.match += std::string(",") + field + std::to_string(1 + rng.below(3));
      std::string actions;
      if (rng.chance(70)) {
        for (unsigned n = 1 + static_cast<unsigned>(rng.below(2)); n > 0; --n) {
          const unsigned id = 1 + static_cast<unsigned>(rng.below(3)), clauses = id == 3 ? 3 : 2;
          const unsigned clause = static_cast<unsigned>(rng.below(clauses));
          flow.conjunctions.push_back({id, clause, clauses});
          ids.insert(id);
          actions += (actions.empty() ? "conjunction(" : ",conjunction(") + std::to_string(id) + "," +
                     std::to_string(clause + 1) + "/" + std::to_string(clauses) + ")";
        }
      } else {
        flow.port = std::to_string(1 + rng.below(3));
        actions = flow.port;
      }
      mod("priority=" + std::to_string(flow.priority) + "," + flow.match + ",actions=" + actions);
      flow.parsed = field::parse_match(flow.match).value();
      flows[{flow.priority, flow.match}] = flow;
    }
    for (const unsigned id : ids)
      mod("priority=4,conj_id=" + std::to_string(id) + ",udp,actions=" + std::to_string(10 + id));
    for (unsigned id = 1; id <= 3; ++id)
      pipeline.set_port(10 + id, {.dp_port = 10 + id, .name = "c", .vlan = {}});

    const auto expected = [&](const flow::FlowKey& key) -> std::string {
      for (unsigned priority = 9; priority-- > 5;) {
        std::map<unsigned, std::set<unsigned>> dimensions;
        std::set<std::string> hard;
        for (const auto& [identity, flow] : flows) {
          if (flow.priority != priority || !(flow::masked(key, flow.parsed.mask) == flow.parsed.value))
            continue;
          if (flow.conjunctions.empty()) hard.insert(flow.port);
          for (const auto& [id, clause, clauses] : flow.conjunctions) dimensions[id].insert(clause);
        }
        if (!hard.empty()) return hard.size() == 1 ? *hard.begin() : "ambiguous";
        for (const auto& [id, found] : dimensions) {
          if (found.size() != (id == 3 ? 3u : 2u)) continue;
          // The second look-up finds any ordinary rule above the conjunction's own.
          std::optional<std::pair<unsigned, std::set<std::string>>> best;
          for (const auto& [identity, flow] : flows) {
            if (!flow.conjunctions.empty() || !(flow::masked(key, flow.parsed.mask) == flow.parsed.value))
              continue;
            if (best && flow.priority < best->first) continue;
            if (!best || flow.priority > best->first) best = {flow.priority, {}};
            best->second.insert(flow.port);
          }
          if (best) return best->second.size() == 1 ? *best->second.begin() : "ambiguous";
          return std::to_string(10 + id);
        }
      }
      return "drop";
    };
    for (unsigned i = 0; i < 60; ++i) {
      flow::FlowKey key =
          key_of("in_port=4,udp,nw_src=10.0.0." + std::to_string(1 + rng.below(4)) + ",nw_dst=10.0.0." +
                 std::to_string(1 + rng.below(4)) + ",tp_src=" + std::to_string(1 + rng.below(4)) +
                 ",tp_dst=" + std::to_string(1 + rng.below(4)));
      const std::string text = dp_action::format_program(translate(key).program);
      const std::string wanted = expected(key);
      if (wanted != "ambiguous") {
        ASSERT_EQ(text, wanted) << "round " << round;
      }
      const flow::Mask mask = result.mask;
      flow::FlowKey other = key;
      for (be32* field : {&other.nw_src, &other.nw_dst})
        *field = *field ^ be32 { static_cast<std::uint32_t>(rng.below(8)) };
      for (be16* field : {&other.tp_src, &other.tp_dst})
        *field = *field ^ be16 { static_cast<std::uint16_t>(rng.below(8)) };
      if (!(flow::masked(other, mask) == flow::masked(key, mask))) continue;
      ASSERT_EQ(dp_action::format_program(translate(other).program), text) << "round " << round;
    }
  }
}

// --- bundle, multipath

class SpreadTest : public PipelineFixture {
 protected:
  void set_live(std::uint32_t port, bool live) {
    pipeline.set_port(port, {.dp_port = port, .name = "p" + std::to_string(port), .live = live, .vlan = {}});
  }
};

TEST_F(SpreadTest, ActiveBackupTakesTheFirstLivePortAndLooksAtNothing) {
  mod("actions=bundle_load(eth_src,50,active_backup,ofport,NXM_NX_REG0[],members:7,3,2),output:NXM_NX_REG0[],"
      "bundle(nw_src,0,active_backup,ofport,members:2,3)");
  EXPECT_EQ(actions("in_port=4,tcp,nw_src=10.0.0.1"), "3,2");
  EXPECT_EQ(result.mask.bits.nw_src.raw(), 0u);
  EXPECT_EQ(result.mask.bits.eth_src.value(), 0u);
  set_live(3, false);
  EXPECT_EQ(actions("in_port=4,tcp"), "2,2");
  set_live(2, false);
  EXPECT_EQ(actions("in_port=4,tcp"), "drop");
  EXPECT_EQ(result.drop, packet::DropReason::NoLiveBucket);
}

TEST_F(SpreadTest, HighestRandomWeightMovesOnlyTheFlowsOfTheDeadPort) {
  mod("actions=bundle(symmetric_l3l4+udp,1,hrw,ofport,members:1,2,3)");
  std::map<unsigned, std::string> chosen;
  std::map<std::string, unsigned> count;
  for (unsigned port = 0; port < 600; ++port)
    ++count[chosen[port] = actions("in_port=4,udp,nw_src=1.1.1.1,nw_dst=1.1.1.2,tp_src=9,tp_dst=" +
                                   std::to_string(port))];
  for (const std::string port : {"1", "2", "3"}) EXPECT_GT(count[port], 150u);
  set_live(2, false);
  for (unsigned port = 0; port < 600; ++port) {
    const auto now =
        actions("in_port=4,udp,nw_src=1.1.1.1,nw_dst=1.1.1.2,tp_src=9,tp_dst=" + std::to_string(port));
    EXPECT_NE(now, "2");
    if (chosen[port] != "2") {
      EXPECT_EQ(now, chosen[port]);
    }
    // The other direction goes the same way.
    EXPECT_EQ(actions("in_port=4,udp,nw_src=1.1.1.2,nw_dst=1.1.1.1,tp_dst=9,tp_src=" + std::to_string(port)),
              now);
  }
}

TEST_F(SpreadTest, MultipathChoosesAmongItsLinks) {
  const std::string kAlgorithms[] = {"modulo_n,5,0",  "hash_threshold,5,0", "hrw,5,0",
                                     "iter_hash,5,6", "iter_hash,5,99",     "hrw,100,0"};
  for (const std::string& algorithm : kAlgorithms) {
    mod("actions=multipath(symmetric_l3l4+udp,3," + algorithm + ",NXM_NX_REG0[0..7]),controller");
    std::map<std::uint64_t, unsigned> count;
    for (unsigned port = 0; port < 1500; ++port) {
      translate(key_of("in_port=1,udp,nw_src=1.1.1.1,tp_dst=" + std::to_string(port)));
      const auto& upcall = std::get<dp_action::Userspace>(result.program.at(0).variant());
      ++count[pipeline.frozen_state(upcall.recirc_id)->data.regs[0].host()];
    }
    const bool many = algorithm.starts_with("hrw,100");
    EXPECT_EQ(count.size(), many ? 100u : 5u) << algorithm;
    for (const auto& [link, n] : count) {
      EXPECT_LT(link, many ? 100u : 5u);
      if (!many) {
        EXPECT_GT(n, 200u) << algorithm << " link " << link;
      }
    }
  }
}

// --- Full tables, events

class EvictionTest : public PipelineFixture {};

TEST_F(EvictionTest, LeastImportantThenSoonestWithATimeout) {
  ASSERT_TRUE(pipeline.configure_table(0, {.max_flows = 4, .evict = true}));
  mod("udp,tp_src=1,actions=1");  // for ever
  mod("importance=5,idle_timeout=10,udp,tp_src=2,actions=1");
  mod("importance=1,idle_timeout=100,udp,tp_src=3,actions=1");
  mod("importance=1,idle_timeout=90,udp,tp_src=4,actions=1");
  translate(key_of("in_port=1,udp,tp_src=4"));
  result.credits.credit(1, 60, at(50));  // now 3 is the sooner
  auto done = mod("udp,tp_src=5,actions=1");
  ASSERT_EQ(done.removed.size(), 1u);
  EXPECT_EQ(done.removed[0].reason, RemovedReason::Eviction);
  EXPECT_EQ(done.removed[0].rule->match().value.tp_src.host(), 3u);
  EXPECT_EQ(flow("udp,tp_src=6,actions=1"), "");
  EXPECT_EQ(flow("udp,tp_src=7,actions=1"), "");
  EXPECT_EQ(flow("udp,tp_src=8,actions=1"), "OFPFMFC_TABLE_FULL");
  EXPECT_EQ(pipeline.flow_count(), 4u);
}

TEST_F(EvictionTest, OfManyInUseNotAllAreLookedAt) {
  constexpr unsigned kFlows = 1000;
  ASSERT_TRUE(pipeline.configure_table(0, {.max_flows = kFlows, .evict = true}));
  for (unsigned port = 1; port <= kFlows; ++port) {
    const std::string number = std::to_string(port);
    mod("idle_timeout=" + number + ",udp,tp_src=" + number + ",actions=1");
    translate(key_of("in_port=1,udp,tp_src=" + number));
    result.credits.credit(1, 60, at(1 + port));
  }
  (void)pipeline.take_effort();
  const auto done = mod("udp,tp_dst=7,actions=1");
  ASSERT_EQ(done.removed.size(), 1u);
  EXPECT_EQ(done.removed[0].rule->match().value.tp_src.host(), 1u);
  const std::size_t effort = pipeline.take_effort();
  EXPECT_GT(effort, 0u);
  EXPECT_LT(effort, kFlows / 10);
}

TEST_F(EvictionTest, ARolledBackChangeEvictsNothing) {
  ASSERT_TRUE(pipeline.configure_table(0, {.max_flows = 1, .evict = true}));
  mod("idle_timeout=10,udp,tp_src=1,actions=1");
  EXPECT_EQ(change({spec("udp,tp_src=2,actions=1"), spec("udp,tp_src=3,actions=1")}), "OFPFMFC_TABLE_FULL");
  EXPECT_THAT(dump(), ElementsAre("table=0,idle_timeout=10,udp,tp_src=1,actions=output:1"));
  EXPECT_EQ(flow("udp,tp_src=2,actions=1"), "");
  EXPECT_THAT(dump(), ElementsAre("table=0,udp,tp_src=2,actions=output:1"));
}

TEST_F(PipelineFixture, ALimitCountsTheLearnerThatComesBack) {
  // It learns into its own table, with its own cookie.
  mod("table=0,priority=1,udp,actions=learn(table=0,limit=2,priority=9,eth_type=0x800,nw_proto=17,NXM_OF_UDP_"
      "DST[])");
  EXPECT_EQ(change({spec("udp", action::FlowCommand::Delete), spec("actions=group:77")}),
            "OFPBAC_BAD_OUT_GROUP");
  for (const unsigned port : {1, 2, 3}) translate(key_of("in_port=1,udp,tp_dst=" + std::to_string(port)));
  EXPECT_EQ(pipeline.flow_count(), 2u);
}

TEST_F(PipelineFixture, RollBackIsExact) {
  mod("cookie=1,idle_timeout=10,tcp,actions=1");
  translate(key_of("in_port=2,tcp"));
  result.credits.credit(2, 120, at(2));
  pipeline.keep_events();
  action::FlowSpec reset = spec("cookie=2,tcp,actions=2", action::FlowCommand::Modify);
  reset.flags.reset_counts = true;
  EXPECT_EQ(change({reset, spec("idle_timeout=99,tcp,actions=3"), spec("udp,actions=1"),
                    spec("udp", action::FlowCommand::Delete), spec("actions=group:1")},
                   nullptr, at(8)),
            "OFPBAC_BAD_OUT_GROUP");
  EXPECT_THAT(dump(), ElementsAre("cookie=0x1,table=0,idle_timeout=10,tcp,actions=output:1"));
  EXPECT_EQ(packets(), 2u);
  EXPECT_TRUE(pipeline.take_events().events.empty());
  EXPECT_TRUE(pipeline.expire(at(11)).removed.empty());
  EXPECT_EQ(pipeline.expire(at(12)).removed.size(),
            1u);  // idle since the packet at 2, not since the failed change
}

TEST_F(PipelineFixture, EventsTellWhatHappenedInOrder) {
  std::vector<std::string> told;
  const auto tell = [&](const std::vector<FlowEvent>& events) {
    for (const FlowEvent& event : events) {
      constexpr const char* kNames[] = {"added ", "modified ", "removed "};
      told.push_back(kNames[static_cast<unsigned>(event.kind)] + std::to_string(event.rule->cookie()) +
                     (event.kind == FlowEvent::Kind::Removed
                          ? " " + std::to_string(static_cast<unsigned>(event.reason))
                          : ""));
    }
  };
  pipeline.keep_events();
  tell(mod("hard_timeout=5,cookie=1,tcp,actions=1").events);
  tell(mod("tcp,actions=2", action::FlowCommand::Modify).events);
  tell(mod("cookie=2,udp,actions=learn(table=1,cookie=3,send_flow_rem,eth_type=0x800)").events);
  EXPECT_FALSE(pipeline.has_events());
  translate(key_of("in_port=1,udp"));
  EXPECT_TRUE(pipeline.has_events());
  tell(pipeline.take_events().events);
  tell(pipeline.expire(at(9)).events);
  tell(mod("udp", action::FlowCommand::Delete).events);
  EXPECT_THAT(told, ElementsAre("added 1", "modified 1", "added 2", "added 3", "removed 1 1", "removed 2 2"));
  EXPECT_TRUE(pipeline.take_events().events.empty());
}

// --- What requests cost

// Among many flows, those of a cookie, a group or a mask are found without a look at the others.
TEST_F(PipelineFixture, IndexesLeadToTheFlowsThatAreMeant) {
  constexpr unsigned kFlows = 3000;
  group("group_id=1,type=all,bucket=output:1");
  std::vector<action::FlowSpec> flows;
  for (unsigned i = 0; i < kFlows; ++i) {
    flows.push_back(spec("priority=5,ip,actions=output:1"));
    flows.back().match.value.nw_dst = be32{0x0a000000 + i};
    flows.back().match.mask.bits.nw_dst = be32{0xffffffff};
    flows.back().new_cookie = 100 + i / 3;
    if (i % 1000 == 7) flows.back().actions = action::parse_actions("group:1").value();
  }
  ASSERT_TRUE(pipeline.apply(flows, at(1)));
  pipeline.take_effort();
  const auto removes = [&](const std::string& text) {
    return mod(text, action::FlowCommand::Delete).removed.size();
  };
  EXPECT_EQ(removes("cookie=100/-1"), 3u);
  EXPECT_EQ(removes("cookie=100/-1"), 0u);
  EXPECT_EQ(removes("cookie=101/-1,ip,nw_dst=10.0.0.4"), 1u);
  EXPECT_EQ(mod("cookie=101/-1,actions=output:2", action::FlowCommand::Modify).modified, 2u);
  EXPECT_EQ(removes("cookie=101/-1,out_port=2"), 2u);
  EXPECT_EQ(removes("out_group=1"), 3u);
  EXPECT_EQ(removes("ip,nw_dst=10.0.2.5"), 1u);
  EXPECT_EQ(flow("priority=5,check_overlap,ip,nw_dst=10.9.9.9,actions=1"), "");
  EXPECT_EQ(flow("priority=6,check_overlap,ip,actions=1"), "");
  EXPECT_LT(pipeline.take_effort(), 100u);
  EXPECT_EQ(flow("priority=5,check_overlap,ip,nw_dst=10.0.0.0/16,actions=1"), "OFPFMFC_OVERLAP");
  EXPECT_EQ(flow("priority=5,check_overlap,ip,nw_dst=11.0.0.0/16,actions=1"), "");
  EXPECT_EQ(removes("cookie=1/1,udp"), 0u);
  EXPECT_GT(pipeline.take_effort(), kFlows) << "no index leads to these";
  // What is undone is in the indexes as it was.
  EXPECT_NE(change({spec("cookie=200/-1", action::FlowCommand::Delete), spec("cookie=201,tcp,actions=1"),
                    spec("actions=group:9")}),
            "");
  EXPECT_EQ(removes("cookie=200/-1"), 3u);
  EXPECT_EQ(removes("cookie=201/-1"), 3u);
}

// Where the match leads to fewer flows than cookie or group do, it is the match that is followed.
TEST_F(PipelineFixture, TheShorterWayToTheFlowsIsTaken) {
  constexpr unsigned kFlows = 3000;
  group("group_id=1,type=all,bucket=output:1");
  std::vector<action::FlowSpec> flows;
  for (unsigned i = 0; i < kFlows; ++i) {
    flows.push_back(spec("cookie=7,priority=5,ip,actions=group:1"));
    flows.back().match.value.nw_dst = be32{0x0a000000 + i};
    flows.back().match.mask.bits.nw_dst = be32{0xffffffff};
  }
  flows.push_back(spec("cookie=7,table=3,udp,actions=group:1"));
  ASSERT_TRUE(pipeline.apply(flows, at(1)));
  pipeline.take_effort();
  const auto removes = [&](const std::string& text) {
    return mod(text, action::FlowCommand::Delete).removed.size();
  };
  EXPECT_EQ(removes("cookie=7/-1,ip,nw_dst=10.0.0.4"), 1u);
  EXPECT_EQ(removes("cookie=7/-1,ip,nw_dst=10.0.0.4"), 0u);
  EXPECT_EQ(removes("cookie=8/-1,ip,nw_dst=10.0.0.5"), 0u);
  EXPECT_EQ(removes("out_group=1,ip,nw_dst=10.0.0.5"), 1u);
  EXPECT_EQ(removes("out_group=2,ip,nw_dst=10.0.0.6"), 0u);
  EXPECT_EQ(removes("table=3,cookie=7/-1,out_group=1"), 1u);
  EXPECT_LT(pipeline.take_effort(), 100u);
  EXPECT_EQ(removes("cookie=7/-1,out_group=1"), kFlows - 2);
}

// Keys that a table of the standard library would have in one bucket at this size, were they not hashed.
TEST(KeyedHash, KeysCannotBeAimedAtABucket) {
  constexpr std::uint64_t kBuckets = 172'933, kKeys = 100'000;
  std::unordered_set<std::uint64_t, KeyedHash> keys(0, KeyedHash{7});
  keys.rehash(kBuckets);
  for (std::uint64_t i = 1; i <= kKeys; ++i) keys.insert(i * keys.bucket_count());
  std::size_t most = 0;
  for (std::size_t i = 0; i < keys.bucket_count(); ++i) most = std::max(most, keys.bucket_size(i));
  EXPECT_EQ(keys.size(), kKeys);
  EXPECT_LT(most, 30u);
  EXPECT_NE(KeyedHash{7}(1), KeyedHash{8}(1));
}

// A change that looks at too many flows fails as a whole; many exact flow-mods, or one that is about all, do
// not.
TEST_F(PipelineFixture, TheEffortOfAChangeIsBounded) {
  constexpr unsigned kFlows = 1 << 12;
  std::vector<action::FlowSpec> flows(kFlows, spec("metadata=1,actions=output:1"));
  for (unsigned i = 0; i < kFlows; ++i) flows[i].match.value.metadata = be64{i};
  ASSERT_TRUE(pipeline.apply(flows, at(1)));
  unsigned steps = 0;
  const action::FlowSpec missing = spec("cookie=1/1", action::FlowCommand::Delete);
  const action::FlowSpec first = spec("metadata=0,actions=output:2");
  const auto refused = pipeline.apply(
      [&]() -> Result<std::optional<Step>> { return steps++ == 0 ? &first : &missing; }, at(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(field::of_error(refused.error()), field::OfError::BfcMsgTooMany);
  EXPECT_GT(steps, FlowTables::kMaxEffort / kFlows / 2);
  EXPECT_LE(steps, FlowTables::kMaxEffort / kFlows + 3);
  EXPECT_EQ(pipeline.flow_count(), kFlows);
  EXPECT_EQ(mod("out_port=2", action::FlowCommand::Delete).removed.size(), 0u);
  pipeline.take_effort();
  for (action::FlowSpec& flow : flows) flow.command = action::FlowCommand::DeleteStrict;
  ASSERT_TRUE(pipeline.apply(flows, at(1)));
  EXPECT_EQ(pipeline.take_effort(), 0u);
  EXPECT_EQ(pipeline.flow_count(), 0u);
}

// What a flow was is passed by, however often it comes and goes in one change.
TEST_F(PipelineFixture, AFlowThatComesAndGoesCostsNoMoreEachTime) {
  constexpr unsigned kTimes = 100'000;
  const action::FlowSpec add = spec("tcp,actions=output:1"), lower = spec("priority=1,tcp,actions=output:1"),
                         gone = spec("tcp", action::FlowCommand::DeleteStrict);
  unsigned steps = 0;
  const auto next = [&]() -> Result<std::optional<Step>> {
    if (steps++ == 2 * kTimes) return &lower;
    return steps > 2 * kTimes ? std::nullopt : std::optional<Step>(steps % 2 != 0 ? &add : &gone);
  };
  const auto done = pipeline.apply(next, at(1));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->added, kTimes + 1);
  EXPECT_EQ(done->removed.size(), kTimes);
  EXPECT_EQ(pipeline.take_effort(), 1u) << "of all that have come and gone the flow below passes the last";
  EXPECT_EQ(dump(), std::vector<std::string>{"table=0,priority=1,tcp,actions=output:1"});
}

// A prepared flow that has replaced another gives its place back, with the other's counters, when its change
// fails.
TEST_F(PipelineFixture, APreparedFlowIsUndone) {
  mod("cookie=5,tcp,actions=output:1");
  translate(key_of("in_port=2,tcp"));
  result.credits.credit(3, 180, at(2));
  auto prepared = pipeline.prepare(spec("cookie=6,reset_counts,tcp,actions=output:2,output:3"));
  ASSERT_TRUE(prepared);
  EXPECT_GE(prepared->shared[1].bytes, 2 * sizeof(action::Action));
  const RuleRef rule = prepared->rule;
  const action::FlowSpec bad = spec("udp,actions=group:9");
  unsigned steps = 0;
  const auto next = [&]() -> Result<std::optional<Step>> {
    return steps++ == 0 ? Step(std::move(prepared->rule)) : Step(&bad);
  };
  EXPECT_FALSE(pipeline.apply(next, at(3)));
  EXPECT_EQ(dump(), std::vector<std::string>{"cookie=0x5,table=0,tcp,actions=output:1"});
  EXPECT_EQ(actions("in_port=2,tcp"), "1");
  EXPECT_EQ(mod("cookie=6/-1", action::FlowCommand::Delete).removed.size(), 0u);
  const auto removed = mod("cookie=5/-1", action::FlowCommand::Delete).removed;
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].rule->stats().packets(), 3u);
}

// --- Groups of flows that evict each other

TEST_F(PipelineFixture, TheLargestGroupGivesUpAFlow) {
  ASSERT_TRUE(
      pipeline.configure_table(0, {.max_flows = 5,
                                   .evict = true,
                                   .eviction_groups = {field::parse_subfield("NXM_OF_IN_PORT[]").value()}}));
  const auto evicted = [&](const std::string& text) {
    const auto done = mod(text + ",actions=drop");
    return done.removed.empty() ? std::string("none") : field::format_match(done.removed[0].rule->match());
  };
  for (const char* text : {"in_port=1,tcp,hard_timeout=10", "in_port=1,udp,hard_timeout=90",
                           "in_port=1,arp,hard_timeout=50", "in_port=2,tcp,hard_timeout=1", "in_port=3,tcp"})
    EXPECT_EQ(evicted(text), "none");
  EXPECT_EQ(evicted("in_port=2,udp,hard_timeout=2"), "tcp,in_port=1");
  // A limit that is lowered makes the largest give up theirs, too: one of each group is left.
  ASSERT_TRUE(
      pipeline.configure_table(0, {.max_flows = 3,
                                   .evict = true,
                                   .eviction_groups = {field::parse_subfield("NXM_OF_IN_PORT[]").value()}}));
  EXPECT_EQ(pipeline.expire(at(1)).removed.size(), 2u);
  EXPECT_EQ(pipeline.flow_count(), 3u);
  ASSERT_TRUE(pipeline.configure_table(0, {.max_flows = 0, .evict = true}));
  EXPECT_EQ(pipeline.expire(at(1)).removed.size(), 2u);
  EXPECT_THAT(dump(), ElementsAre("table=0,tcp,in_port=3,actions=drop")) << "it never times out";
}

}  // namespace
}  // namespace sluice::pipeline
