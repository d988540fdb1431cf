#include "datapath/datapath.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/rng.h"
#include "datapath/fake_pipeline.h"
#include "tests/support/packet_dsl.h"

namespace sluice::datapath {
namespace {

using namespace dp_action;
using packet::DropReason;
using testing::build;
using testing::Eth;
using testing::Icmp4;
using testing::Ip4;
using testing::mismatch;
using testing::Payload;
using testing::Udp;
using testing::Vlan;

using Frames = std::vector<std::vector<std::uint8_t>>;

std::vector<std::uint8_t> udp(std::uint16_t sport, std::uint16_t dport = 53, const std::string& data = "x") {
  return build(Eth{} / Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = sport, .dport = dport} /
               Payload{data});
}

FakePipeline::Decide always(Program program) {
  return [program](const flow::FlowKey&, UpcallResult& result) { result.program = program; };
}

/// All counters and drops that differ from `before`, by name.
std::map<std::string, std::int64_t> delta(const DatapathStats& before, const DatapathStats& after) {
  std::map<std::string, std::int64_t> changed;
  for (const auto& row : kCounters)
    if (before[row.counter] != after[row.counter])
      changed[std::string(row.name)] = static_cast<std::int64_t>(after[row.counter] - before[row.counter]);
  for (const auto& row : packet::kDropReasons)
    if (before[row.reason] != after[row.reason])
      changed["drop." + std::string(row.name)] =
          static_cast<std::int64_t>(after[row.reason] - before[row.reason]);
  return changed;
}
using Delta = std::map<std::string, std::int64_t>;

template <typename Fill>
SetHeader set(SetHeader::Header header, Fill fill) {
  SetHeader::Values values;
  fill(values.value, values.mask.bits);
  return {header, values};
}

TEST(Datapath, ForwardsAndCountsExactly) {
  Rig rig(always({Output{2}}));
  const auto frame = udp(1000);
  rig.send(1, frame);
  EXPECT_EQ(rig.sent(2), Frames{frame});
  EXPECT_EQ(delta({}, rig.datapath.stats()),
            (Delta{{"received", 1}, {"sent", 1}, {"batches", 1}, {"lookups", 1}, {"upcalls", 1}}));

  const auto before = rig.datapath.stats();
  rig.send(1, udp(1001));
  EXPECT_EQ(
      delta(before, rig.datapath.stats()),
      (Delta{{"received", 1}, {"sent", 1}, {"batches", 1}, {"lookups", 1}, {"hits", 1}, {"mask_probes", 1}}));
  EXPECT_EQ(rig.pipeline.upcalls, 1u);
  EXPECT_EQ(rig.datapath.stats().megaflows, 1u);
  EXPECT_EQ(rig.datapath.stats().masks, 1u);
}

TEST(Datapath, OneUpcallForABatchThatOneMegaflowCovers) {
  Rig rig(always({Output{2}}));
  for (std::uint16_t i = 0; i < 32; ++i) rig.arrive(1, udp(i + 1));
  rig.run();
  EXPECT_EQ(rig.pipeline.upcalls, 1u);
  EXPECT_EQ(rig.sent(2).size(), 32u);
}

TEST(Datapath, SendsToSeveralPorts) {
  Rig rig(always({Output{2}, Output{3}}));
  rig.send(1, udp(1));
  EXPECT_EQ(rig.sent(2).size(), 1u);
  EXPECT_EQ(rig.sent(3).size(), 1u);
  const auto stats = rig.datapath.stats();
  EXPECT_EQ(stats[Counter::Copied], 1u);
  EXPECT_EQ(stats[Counter::Sent], 2u);
  EXPECT_EQ(stats.unaccounted(), 0);
}

/// Counts how often its worker looks after it.
class MaintainedPort final : public port::Port {
 public:
  explicit MaintainedPort(unsigned& times) : Port("maintained"), times_(times) {}
  std::string_view type() const override { return "test"; }
  void receive(packet::PacketBatch&, packet::PacketPool&) override {}
  void send(const packet::Packet&) override {}
  void maintain() override { ++times_; }
  net::Mac mac() const override { return {}; }
  std::uint32_t mtu() const override { return 1500; }

 private:
  unsigned& times_;
};

TEST(Datapath, PortsAreMaintainedOnceASecond) {
  Rig rig(always({}));
  unsigned times = 0;
  ASSERT_TRUE(rig.datapath.add_port(std::make_unique<MaintainedPort>(times)).has_value());
  for (unsigned tick = 0; tick < 40; ++tick) {
    rig.clock.advance(Duration::milliseconds(250));
    rig.run();
  }
  EXPECT_EQ(times, 10u);
}

struct DropCase {
  const char* name;
  Program program;
  DropReason reason;
};

TEST(Datapath, EveryDropHasItsReason) {
  const DropCase cases[] = {
      {"empty", {}, DropReason::NoActions},
      {"no effect", {CtClear{}}, DropReason::NoActions},
      {"drop", {Drop{}}, DropReason::ExplicitDrop},
      {"drop with its reason", {Drop{DropReason::TableMiss}}, DropReason::TableMiss},
      {"no port", {Output{9}}, DropReason::NoPort},
      {"own port", {Output{kOwnPort}}, DropReason::PortHasNoBackend},
      {"loop", {Recirc{1}}, DropReason::RecirculationDepth},
      {"pop", {PopVlan{}, Output{2}}, DropReason::RewriteFailed},
      {"wrong header",
       {set(SetHeader::Header::Tcp, [](auto&, auto& mask) { mask.tp_dst = be16{0xffff}; }), Output{2}},
       DropReason::RewriteFailed},
  };
  for (const DropCase& c : cases) {
    SCOPED_TRACE(c.name);
    Rig rig(always(c.program));
    rig.send(1, udp(1));
    EXPECT_EQ(rig.datapath.stats()[c.reason], 1u);
    EXPECT_EQ(rig.datapath.stats().dropped(), 1u);
    EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
    EXPECT_TRUE(rig.sent(2).empty());
  }
}

TEST(Datapath, MalformedFramesAreDropped) {
  Rig rig(always({Output{2}}));
  const auto whole = udp(1);
  rig.arrive(1, Bytes(whole).first(13));
  rig.arrive(1, whole);
  rig.run();
  EXPECT_EQ(rig.sent(2), Frames{whole});
  EXPECT_EQ(rig.datapath.stats()[DropReason::MalformedEthernet], 1u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, WithoutAControlPlanePacketsAreDropped) {
  Rig rig(always({Output{2}}));
  rig.send(1, udp(1));
  rig.datapath.set_handler(nullptr);
  rig.send(1, udp(1));
  EXPECT_EQ(rig.datapath.stats()[DropReason::NoHandler], 1u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, FullTrackerDrops) {
  Rig rig([](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Ct{conntrack::CtRequest{.commit = true}}, Output{2}};
  });
  rig.tracker.set_zone_limit(0, 1);
  // An answered connection does not make way for another.
  const auto answer = build(Eth{} / Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 1});
  rig.arrive(1, udp(1));
  rig.arrive(1, answer);
  rig.arrive(1, udp(2));
  rig.arrive(1, udp(1));
  rig.run();
  EXPECT_EQ(rig.sent(2), (Frames{udp(1), answer, udp(1)}));
  EXPECT_EQ(rig.datapath.stats()[DropReason::ConnectionLimit], 1u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

/// Port 1 may open connections to port 2, and only replies come back.
void firewall(const flow::FlowKey& key, UpcallResult& result) {
  constexpr std::uint32_t kRecirc = 7;
  result.mask.bits.ct_state = be32{0xff};
  result.mask.bits.eth_type = be16{0xffff};
  if (key.recirc_id.host() == 0) {
    result.program = {Ct{conntrack::CtRequest{.zone = 3}}, Recirc{kRecirc}};
    return;
  }
  const bool inside = key.in_port.host() == 1;
  const std::uint32_t state = key.ct_state.host();
  if ((state & conntrack::ct_state::kInvalid) != 0) return;
  if ((state & conntrack::ct_state::kEstablished) != 0) {
    result.program = {Output{inside ? 2u : 1u}};
  } else if (inside && (state & conntrack::ct_state::kNew) != 0) {
    result.program = {Ct{conntrack::CtRequest{.commit = true, .zone = 3, .mark = 5, .mark_mask = 0xf}},
                      Output{2}};
  }
}

TEST(Datapath, StatefulFirewall) {
  Rig rig(firewall);
  const auto request =
      build(Eth{} / Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 5, .dport = 53});
  const auto reply = build(Eth{} / Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 5});
  const auto stranger =
      build(Eth{} / Ip4{.src = "10.0.0.9", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 5});
  rig.send(2, reply);
  EXPECT_TRUE(rig.sent(1).empty());
  rig.send(1, request);
  EXPECT_EQ(rig.sent(2), Frames{request});
  rig.send(2, reply);
  EXPECT_EQ(rig.sent(1), Frames{reply});
  rig.send(2, stranger);
  EXPECT_TRUE(rig.sent(1).empty());
  rig.send(1, request);
  EXPECT_EQ(rig.sent(2), Frames{request});

  EXPECT_EQ(rig.tracker.connections(), 1u);
  const auto stats = rig.datapath.stats();
  EXPECT_EQ(stats[DropReason::NoActions], 2u);
  EXPECT_EQ(stats[Counter::Recirculated], 5u);
  EXPECT_EQ(stats[Counter::Lookups], 10u);
  EXPECT_EQ(stats.unaccounted(), 0);
}

TEST(Datapath, WhatAMegaflowRestedOnIsAskedForBeforeItIsTranslatedAgain) {
  Rig rig([](const flow::FlowKey&, UpcallResult& result) {
    result.basis.words = {1};
    result.program = {Output{2}};
  });
  const auto frame = build(Eth{} / Ip4{} / Udp{});
  rig.send(1, frame);
  rig.pipeline.bump();
  rig.send(1, frame);
  EXPECT_EQ(rig.sent(2), (Frames{frame, frame}));
  EXPECT_EQ(rig.datapath.stats()[Counter::Revalidated], 0u);
  EXPECT_EQ(rig.pipeline.upcalls.load(), 1u);

  rig.pipeline.holds = {2};
  rig.send(1, frame);
  EXPECT_EQ(rig.datapath.stats()[Counter::Revalidated], 0u) << "no epoch has passed";
  rig.pipeline.bump();
  rig.send(1, frame);
  EXPECT_EQ(rig.datapath.stats()[Counter::Revalidated], 1u);
}

TEST(Datapath, RecirculationKeepsTheOrderOfArrival) {
  // Even and odd source ports have different megaflows in the first pass and meet again in the second.
  Rig rig([](const flow::FlowKey& key, UpcallResult& result) {
    if (key.recirc_id.host() == 1) {
      result.program = {Output{2}};
      return;
    }
    result.mask.bits.tp_src = be16{1};
    if (key.tp_src.host() % 2 == 0) result.program.push_back(CtClear{});
    result.program.push_back(Recirc{1});
  });
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::uint16_t i = 1; i <= 32; ++i) frames.push_back(udp(i));
  for (const auto& frame : frames) rig.arrive(1, frame);
  rig.run();
  EXPECT_EQ(rig.sent(2), frames);
}

TEST(Datapath, CopyThatRecirculatesGoesFirst) {
  Rig rig([](const flow::FlowKey& key, UpcallResult& result) {
    const auto mark = set(SetHeader::Header::Ipv4, [](auto& value, auto& mask) {
      value.nw_ttl = 9;
      mask.nw_ttl = 0xff;
    });
    if (key.recirc_id.host() == 1) {
      result.program = {mark, Output{2}};
    } else {
      result.program = {Recirc{1}, Output{2}};
    }
  });
  rig.send(1, udp(1));
  const auto sent = rig.sent(2);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(mismatch(Ip4{.ttl = 9} / Udp{.sport = 1}, sent[0]), "");
  EXPECT_EQ(sent[1], udp(1)) << "what happened to the copy does not reach the packet";
  EXPECT_EQ(rig.datapath.stats()[Counter::Copied], 1u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, HeadersAreRewritten) {
  const auto set_ip = set(SetHeader::Header::Ipv4, [](auto& value, auto& mask) {
    value.nw_src = be32{0x0b000001};
    mask.nw_src = be32{0xff000000};  // keeps the rest
    value.nw_ttl = 63;
    mask.nw_ttl = 0xff;
  });
  const auto set_port = set(SetHeader::Header::Udp, [](auto& value, auto& mask) {
    value.tp_dst = be16{4000};
    mask.tp_dst = be16{0xffff};
  });
  const auto set_mac = set(SetHeader::Header::Ethernet, [](auto& value, auto& mask) {
    value.eth_src = net::Mac::from_value(7);
    mask.eth_src = net::Mac::from_value(0xffffffffffff);
  });
  Rig rig(always(
      {set_ip, set_port, set_mac, PushVlan{be16{0x8100}, be16{0x1005}}, Output{2}, PopVlan{}, Output{3}}));
  rig.send(1, udp(1));
  const auto expected =
      build(Eth{.src = "00:00:00:00:00:07"} / Ip4{.src = "11.0.0.1", .dst = "10.0.0.2", .ttl = 63} /
            Udp{.sport = 1, .dport = 4000} / Payload{"x"});
  const auto sent = rig.sent(2);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(mismatch(Eth{.src = "00:00:00:00:00:07"} / Vlan{.vid = 5} / Ip4{.src = "11.0.0.1", .ttl = 63} /
                         Udp{.dport = 4000},
                     sent[0]),
            "");
  EXPECT_EQ(rig.sent(3), Frames{expected}) << "checksums included";
}

TEST(Datapath, RewrittenPacketIsLookedUpAsItIsNow) {
  Rig rig([](const flow::FlowKey& key, UpcallResult& result) {
    exact_headers(result.mask);
    if (key.recirc_id.host() == 0) {
      result.program = {set(SetHeader::Header::Udp,
                            [](auto& value, auto& mask) {
                              value.tp_dst = be16{4000};
                              mask.tp_dst = be16{0xffff};
                            }),
                        Recirc{1}};
    } else if (key.tp_dst.host() == 4000) {
      result.program = {Output{2}};
    }
  });
  rig.send(1, udp(1));
  EXPECT_EQ(rig.sent(2).size(), 1u);
}

TEST(Datapath, LaterFragmentsPassATransportRewriteUnchanged) {
  Rig rig(always({set(SetHeader::Header::Udp,
                      [](auto& value, auto& mask) {
                        value.tp_dst = be16{4000};
                        mask.tp_dst = be16{0xffff};
                      }),
                  Output{2}}));
  const auto later = build(Eth{} / Ip4{.proto = 17, .offset = 64} / Payload{"rest of it"});
  rig.send(1, later);
  EXPECT_EQ(rig.sent(2), Frames{later});
}

TEST(Datapath, TruncateIsForTheNextOutputOnly) {
  Rig rig(always({Truncate{20}, Output{2}, Output{3}}));
  rig.send(1, udp(1));
  ASSERT_EQ(rig.sent(2).at(0).size(), 20u);
  EXPECT_EQ(rig.sent(3).at(0), udp(1));
}

TEST(Datapath, CheckPacketLength) {
  Rig rig(always({CheckPktLen{100, Program{Output{2}}, Program{Output{3}}}}));
  rig.arrive(1, udp(1, 53, std::string(58, 'a')));  // 14 + 20 + 8 + 58 = 100
  rig.arrive(1, udp(1, 53, std::string(59, 'a')));
  rig.run();
  ASSERT_EQ(rig.sent(2).size(), 1u);
  ASSERT_EQ(rig.sent(3).size(), 1u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Copied], 0u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, CloneLeavesNoTrace) {
  const auto ttl = set(SetHeader::Header::Ipv4, [](auto& value, auto& mask) {
    value.nw_ttl = 1;
    mask.nw_ttl = 0xff;
  });
  Rig rig(always({Clone{{ttl, Output{2}}}, Output{3}}));
  rig.send(1, udp(1));
  EXPECT_EQ(mismatch(Ip4{.ttl = 1}, rig.sent(2).at(0)), "");
  EXPECT_EQ(rig.sent(3).at(0), udp(1));
}

TEST(Datapath, SampleOfEverythingAndOfNothing) {
  Rig rig(always({Sample{UINT32_MAX, Program{Output{2}}}, Sample{0, Program{Output{1}}}, Output{3}}));
  for (int i = 0; i < 100; ++i) rig.arrive(1, udp(1));
  rig.run();
  EXPECT_EQ(rig.sent(2).size(), 100u);
  EXPECT_TRUE(rig.sent(1).empty());
  EXPECT_EQ(rig.sent(3).size(), 100u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, ShowsPacketsToTheControlPlane) {
  Rig rig([](const flow::FlowKey& key, UpcallResult& result) {
    if (key.recirc_id.host() == 0) {
      result.program = {Ct{conntrack::CtRequest{.zone = 4}}, Recirc{2}};
    } else {
      result.program = {Userspace{.max_len = 64, .rule_cookie = 9}};
    }
  });
  rig.send(1, udp(1));
  ASSERT_EQ(rig.pipeline.packet_ins.size(), 1u);
  const auto& in = rig.pipeline.packet_ins[0];
  EXPECT_EQ(in.bytes, udp(1));
  EXPECT_EQ(in.key.in_port.host(), 1u);
  EXPECT_EQ(in.key.recirc_id.host(), 2u);
  EXPECT_EQ(in.key.ct_zone.host(), 4u);
  EXPECT_EQ(in.key.ct_state.host(), 0x21u);
  EXPECT_EQ(in.action.rule_cookie, 9u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Delivered], 1u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, UncacheableProgramsAreExecutedOnce) {
  Rig rig([](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{2}};
    result.cacheable = false;
  });
  for (int i = 0; i < 5; ++i) rig.arrive(1, udp(1));
  rig.run();
  EXPECT_EQ(rig.sent(2).size(), 5u);
  EXPECT_EQ(rig.pipeline.upcalls, 5u);
  EXPECT_EQ(rig.datapath.stats().megaflows, 0u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Uncached], 5u);
}

TEST(Datapath, AChangedRuleIsNeverUsedAgain) {
  Credit before, after;
  Rig rig([&](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{2}};
    result.stats = before.sink();
  });
  const auto bytes = udp(1).size();
  rig.send(1, udp(1));
  rig.send(1, udp(1));
  rig.pipeline.decide([&](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{3}};
    result.stats = after.sink();
  });
  rig.pipeline.bump();
  rig.send(1, udp(1));
  EXPECT_EQ(rig.sent(2).size(), 2u);
  EXPECT_EQ(rig.sent(3).size(), 1u);
  EXPECT_EQ(before.packets, 2u);
  EXPECT_EQ(before.bytes, 2 * bytes);
  rig.datapath.push_stats();
  EXPECT_EQ(after.packets, 1u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Replaced], 1u);
}

TEST(Datapath, SameActionsOfAnotherRuleKeepTheMegaflowAndCreditTheRightOne) {
  Credit before, after;
  Rig rig([&](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{2}};
    result.stats = before.sink();
  });
  rig.send(1, udp(1));
  rig.pipeline.decide([&](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{2}};
    result.stats = after.sink();
  });
  rig.pipeline.bump();
  rig.send(1, udp(1));
  rig.datapath.push_stats();
  EXPECT_EQ(before.packets, 1u);
  EXPECT_EQ(after.packets, 1u);
  const auto stats = rig.datapath.stats();
  EXPECT_EQ(stats[Counter::Upcalls], 1u);
  EXPECT_EQ(stats[Counter::Revalidated], 1u);
  EXPECT_EQ(stats[Counter::Replaced], 0u);
}

TEST(Datapath, AMegaflowThatHasBecomeTooWideIsReplaced) {
  Rig rig(always({Output{2}}));
  rig.send(1, udp(1, 53));
  rig.pipeline.decide([](const flow::FlowKey& key, UpcallResult& result) {
    result.mask.bits.tp_dst = be16{0xffff};
    result.program = {Output{key.tp_dst.host() == 53 ? 2u : 3u}};
  });
  rig.pipeline.bump();
  rig.send(1, udp(1, 53));  // the same actions, but only for this port now
  rig.send(1, udp(1, 80));
  EXPECT_EQ(rig.sent(2).size(), 2u);
  EXPECT_EQ(rig.sent(3).size(), 1u);
}

TEST(Datapath, IdleMegaflowsExpireAndAreCredited) {
  Credit credit;
  Rig rig([&](const flow::FlowKey&, UpcallResult& result) {
    result.program = {Output{2}};
    result.stats = credit.sink();
  });
  rig.send(1, udp(1));
  rig.clock.advance(Duration::milliseconds(9'999));
  rig.run();
  EXPECT_EQ(rig.datapath.stats().megaflows, 1u);
  EXPECT_EQ(credit.packets, 1u) << "housekeeping credits";
  rig.clock.advance(Duration::seconds(1));
  rig.run();
  EXPECT_EQ(rig.datapath.stats().megaflows, 0u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Expired], 1u);
}

TEST(Datapath, HousekeepingRevalidatesWhatNoPacketUses) {
  Rig rig([](const flow::FlowKey& key, UpcallResult& result) {
    exact_headers(result.mask);
    result.program = {Output{key.tp_src.host() < 100 ? 2u : 3u}};
  });
  for (std::uint16_t i = 1; i <= 200; ++i) rig.send(1, udp(i));
  EXPECT_EQ(rig.datapath.stats().megaflows, 200u);
  rig.pipeline.decide([](const flow::FlowKey& key, UpcallResult& result) {
    exact_headers(result.mask);
    result.program = {Output{key.tp_src.host() < 50 ? 2u : 3u}};
  });
  rig.pipeline.bump();
  for (int i = 0; i < 10; ++i) {
    rig.clock.advance(Duration::milliseconds(2));
    rig.run();
  }
  EXPECT_EQ(rig.pipeline.revalidations, 200u);
  EXPECT_EQ(rig.datapath.stats()[Counter::Replaced], 50u);
  EXPECT_EQ(rig.datapath.stats().megaflows, 150u);
}

TEST(Datapath, DumpsMegaflowsAsText) {
  Rig rig(firewall);
  const auto frame = build(Eth{} / Ip4{} / Icmp4{});
  rig.send(1, frame);
  rig.clock.advance(Duration::milliseconds(32));
  std::vector<std::string> lines;
  rig.datapath.dump_flows([&](const FlowSnapshot& flow) { lines.push_back(format_flow(flow)); });
  ASSERT_EQ(lines.size(), 2u);
  const std::string bytes = std::to_string(frame.size());
  EXPECT_EQ(lines[0],
            "ct_state(0),recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800), packets:1, bytes:" +
                bytes + ", used:0.032s, actions:ct(zone=3),recirc(0x7)");
  EXPECT_EQ(lines[1],
            "ct_state(new|trk),recirc_id(0x7),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800), packets:1, "
            "bytes:" +
                bytes + ", used:0.032s, actions:ct(commit,zone=3,mark=0x5/0xf),2");
  EXPECT_EQ(rig.datapath.flush_flows(), 2u);
  EXPECT_EQ(rig.datapath.stats().megaflows, 0u);
}

TEST(Datapath, InjectsPackets) {
  Rig rig(always({Output{3}}));
  const Program program{Output{2}};
  const auto frame = udp(1);
  ASSERT_TRUE(rig.datapath.inject({.bytes = frame, .meta = {}, .program = &program}));
  EXPECT_EQ(rig.sent(2), Frames{frame});
  Injection through{.bytes = frame, .meta = {}, .program = nullptr};
  through.meta.in_port = 1;
  ASSERT_TRUE(rig.datapath.inject(through));
  EXPECT_EQ(rig.sent(3), Frames{frame});
  const Program recirculates{Recirc{4}};
  ASSERT_TRUE(rig.datapath.inject({.bytes = frame, .meta = {}, .program = &recirculates}));
  EXPECT_EQ(rig.sent(3), Frames{frame});
  const auto bad = rig.datapath.inject({.bytes = Bytes(frame).first(5), .meta = {}, .program = &program});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "cannot inject a packet of 5 bytes: it ends inside its Ethernet header");
  EXPECT_EQ(rig.datapath.stats()[Counter::Injected], 4u);
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(Datapath, PortsComeAndGo) {
  Rig rig(always({Output{2}}), 2);
  EXPECT_EQ(rig.datapath.port_number("p2"), 2u);
  EXPECT_EQ(rig.datapath.port_names().port_name(0), "ovs-netdev");
  const auto twice = rig.datapath.add_port(std::make_unique<port::DummyPort>("p1"));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message, "datapath port \"p1\" exists already");
  const auto taken = rig.datapath.add_port(std::make_unique<port::DummyPort>("p9"), 2);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message, "datapath port number 2 is taken by \"p2\"");

  rig.send(1, udp(1));
  auto removed = rig.datapath.remove_port(2);
  ASSERT_TRUE(removed);
  EXPECT_EQ((*removed)->counters().tx_packets.load(), 1u);
  rig.send(1, udp(1));
  EXPECT_EQ(rig.datapath.stats()[DropReason::NoPort], 1u);
  EXPECT_FALSE(rig.datapath.remove_port(2));
  EXPECT_EQ(*rig.datapath.add_port(std::move(*removed)), 2u) << "the lowest free number";
  rig.send(1, udp(1));
  ASSERT_EQ(rig.datapath.ports().size(), 2u);
  EXPECT_EQ(rig.datapath.ports()[1].tx_packets, 2u);
  EXPECT_EQ(rig.datapath.ports()[0].rx_packets, 3u);
}

/// A random program; nested ones at most three deep.
Program random_program(Rng& rng, unsigned depth = 0) {
  Program program;
  for (auto n = rng.below(5); n > 0; --n) {
    switch (rng.below(depth < 3 ? 13 : 10)) {
      case 0:
      case 1:
        program.push_back(Output{static_cast<std::uint32_t>(rng.below(5))});
        break;
      case 2:
        program.push_back(Recirc{static_cast<std::uint32_t>(1 + rng.below(3))});
        break;
      case 3:
        program.push_back(Ct{conntrack::CtRequest{.commit = rng.chance(50),
                                                  .zone = static_cast<std::uint16_t>(rng.below(2))}});
        break;
      case 4:
        program.push_back(CtClear{});
        break;
      case 5:
        program.push_back(Truncate{static_cast<std::uint32_t>(14 + rng.below(50))});
        break;
      case 6:
        program.push_back(PushVlan{be16{0x8100}, be16{0x1003}});
        break;
      case 7:
        program.push_back(PopVlan{});
        break;
      case 8:
        program.push_back(Userspace{.dont_send = rng.chance(50)});
        break;
      case 9:
        rng.chance(30) ? program.push_back(Drop{}) : program.push_back(Hash{});
        break;
      case 10:
        program.push_back(Clone{random_program(rng, depth + 1)});
        break;
      case 11:
        program.push_back(Sample{static_cast<std::uint32_t>(rng.next()), random_program(rng, depth + 1)});
        break;
      case 12:
        program.push_back(CheckPktLen{static_cast<std::uint16_t>(40 + rng.below(30)),
                                      random_program(rng, depth + 1), random_program(rng, depth + 1)});
        break;
      default:
        break;
    }
  }
  return program;
}

// Whatever the programs do, every packet that came in has exactly one end, and what ports were given is what
// was sent.
TEST(Datapath, CountersAddUpUnderRandomPrograms) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    Program programs[4][4];  // by recirc_id and low bits of tp_src
    for (auto& row : programs)
      for (auto& program : row) program = random_program(rng);
    const bool cacheable = rng.chance(80);
    Rig rig(
        [&](const flow::FlowKey& key, UpcallResult& result) {
          result.mask.bits.tp_src = be16{3};
          result.program = programs[key.recirc_id.host() & 3][key.tp_src.host() & 3];
          result.cacheable = cacheable;
        },
        3, {.max_packets = 512}, {.max_connections = 64});
    rig.tracker.set_default_zone_limit(8);
    for (int i = 0; i < 40; ++i)
      rig.arrive(static_cast<unsigned>(1 + rng.below(3)), udp(static_cast<std::uint16_t>(1 + rng.below(20))));
    rig.run();
    const auto stats = rig.datapath.stats();
    EXPECT_EQ(stats[Counter::Received], 40u);
    EXPECT_EQ(stats.unaccounted(), 0);
    std::uint64_t sent = 0;
    for (const PortInfo& port : rig.datapath.ports()) sent += port.tx_packets + port.tx_dropped;
    EXPECT_EQ(sent, stats[Counter::Sent]);
    EXPECT_EQ(rig.pipeline.packet_ins.size(), stats[Counter::PacketIns]);
    EXPECT_EQ(rig.datapath.packets_in_use(), 0u);
  }
}

}  // namespace
}  // namespace sluice::datapath
