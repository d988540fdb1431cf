// Fragments on their way through stateful flows: tracked as the packet that they are, sent as they came.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/rng.h"
#include "conntrack/tracker.h"
#include "tests/scenario/scenario.h"
#include "wire/walk.h"

namespace sluice::testing {
namespace {

using conntrack::IpVersion;
using ::testing::ElementsAre;

/// UDP to port 53 and echo requests may be opened from port 1 only; the flows of table 1 need ports.
constexpr const char* kFirewall = R"(
table=0,priority=50,ip,actions=ct(table=1)
table=0,priority=50,ipv6,actions=ct(table=1)
table=1,priority=90,ct_state=+trk+inv,actions=drop
table=1,priority=80,ct_state=+trk+new,udp,in_port=1,tp_dst=53,ip_frag=no,actions=ct(commit),output:2
table=1,priority=80,ct_state=+trk+new,udp6,in_port=1,tp_dst=53,ip_frag=no,actions=ct(commit),output:2
table=1,priority=70,ct_state=+trk+est,in_port=1,actions=output:2
table=1,priority=65,ct_state=+trk+est,in_port=2,actions=output:1
table=1,priority=60,ct_state=+trk+rel,actions=output:1
table=1,priority=1,actions=drop
)";

class Fragments : public Scenario {
 protected:
  static Frame query(std::size_t payload, bool ipv6 = false, bool tagged = false) {
    return datagram(1000, 53, payload, ipv6, tagged, false);
  }
  static Frame answer(std::size_t payload, bool ipv6 = false) {
    return datagram(53, 1000, payload, ipv6, false, true);
  }
  static Frame datagram(std::uint16_t sport, std::uint16_t dport, std::size_t payload, bool ipv6, bool tagged,
                        bool back) {
    const Layers rest = Udp{.sport = sport, .dport = dport} / Payload{.size = payload};
    Layers outer = tagged ? Eth{} / Vlan{.vid = 5, .pcp = 2} : Layers(Eth{});
    if (ipv6)
      return build(back ? outer / Ip6{.src = "fd00::2", .dst = "fd00::1"} / rest : outer / Ip6{} / rest);
    return build(back ? outer / Ip4{.src = "10.0.0.2", .dst = "10.0.0.1", .id = 7} / rest
                      : outer / Ip4{.id = 7} / rest);
  }
  /// Fragments of a tagged frame: those of the same untagged, with the tag put in.
  static std::vector<Frame> fragments(const Frame& frame, std::size_t payload, bool tagged = false) {
    if (!tagged) return fragment(frame, payload, 7);
    Frame untagged = frame;
    untagged.erase(untagged.begin() + 12, untagged.begin() + 16);
    auto pieces = fragment(untagged, payload, 7);
    for (Frame& piece : pieces) piece.insert(piece.begin() + 12, frame.begin() + 12, frame.begin() + 16);
    return pieces;
  }
  void send_all(std::uint32_t port, const std::vector<Frame>& frames) {
    for (const Frame& f : frames) send_frame(port, f);
  }
  conntrack::Reassembler& reassembler() { return device().device->tracker().reassembler(); }
};

TEST_F(Fragments, PassAStatefulFirewallAsTheyCame) {
  for (const bool ipv6 : {false, true}) {
    SCOPED_TRACE(ipv6);
    start(2, kFirewall);
    const auto pieces = fragments(query(4000, ipv6), 1440);
    ASSERT_EQ(pieces.size(), 3u);
    send_frame(1, pieces[0]);
    send_frame(1, pieces[1]);
    expect_delta({{"t0p50", 2}});
    send_frame(1, pieces[2]);
    expect_frames(2, pieces);
    expect_delta({{"t0p50", 1},
                  {"t1p80", 1},
                  {"merged", 2},
                  {"reassembled", 1},
                  {"refragmented", 2},
                  {"recirculated", 1},
                  {"tracked", 2},
                  {"ct.lookups", 2},
                  {"ct.created", 1},
                  {"ct.committed", 1}});
    EXPECT_EQ(connections().size(), 1u);

    // The answer comes in the wrong order; it leaves in the right one.
    auto back = fragments(answer(3000, ipv6), 1440);
    std::swap(back[0], back[2]);
    send_all(2, back);
    std::swap(back[0], back[2]);
    expect_frames(1, back);
    expect_delta({{"t0p50", 3},
                  {"t1p65", 1},
                  {"merged", 2},
                  {"reassembled", 1},
                  {"refragmented", 2},
                  {"recirculated", 1},
                  {"tracked", 1},
                  {"ct.lookups", 1},
                  {"ct.hits", 1}});
  }
}

TEST_F(Fragments, WhatTheFirewallForbidsIsOnePacketToIt) {
  start(2, kFirewall);
  send_all(2, fragments(answer(3000), 1480));
  expect_delta({{"t0p50", 3},
                {"t1p1", 1},
                {"merged", 2},
                {"reassembled", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Fragments, KeepTheirTags) {
  start(2, kFirewall);
  const auto pieces = fragments(query(3000, false, true), 1472, true);
  send_all(1, pieces);
  expect_frames(2, pieces);
}

TEST_F(Fragments, AreTaggedOneByOne) {
  start(2,
        "table=0,priority=2,ip,vlan_vid=0x1000/0x1000,actions=pop_vlan,ct(table=1)\n"
        "table=0,priority=1,ip,actions=ct(table=2)\n"
        "table=1,actions=output:2\ntable=2,actions=push_vlan:0x8100,set_field:0x1005->vlan_vid,set_field:2->"
        "vlan_pcp,output:2\n");
  const auto tagged = fragments(query(3000, false, true), 1472, true);
  const auto plain = fragments(query(3000), 1472);
  send_all(1, tagged);
  expect_frames(2, plain);
  send_all(1, plain);
  expect_frames(2, tagged);
}

TEST_F(Fragments, EachWayOutCutsForItself) {
  start(4, "table=0,ip,actions=ct(table=1)\ntable=1,actions=FLOOD\n");
  const auto pieces = fragments(query(3000), 1480);
  send_all(1, pieces);
  for (const std::uint32_t port : {2u, 3u, 4u}) expect_frames(port, pieces);
  expect_delta({{"t0p32768", 3},
                {"t1p32768", 1},
                {"merged", 2},
                {"reassembled", 1},
                {"copied", 2},
                {"refragmented", 6},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1}});
}

TEST_F(Fragments, AreNotTouchedWithoutCt) {
  start(2, "actions=output:2\n");
  auto pieces = fragments(query(3000), 1480);
  std::ranges::reverse(pieces);
  send_all(1, pieces);
  expect_frames(2, pieces);
  expect_delta({{"t0p32768", 3}});
}

TEST_F(Fragments, AreChangedAsOnePacket) {
  start(2,
        "table=0,ip,actions=ct(table=1)\n"
        "table=1,udp,actions=mod_nw_dst:10.9.9.9,mod_tp_dst:5353,dec_ttl,output:2\n");
  send_all(1, fragments(query(3000), 1480));
  const Frame changed = build(Ip4{.dst = "10.9.9.9", .ttl = 63, .id = 7} / Udp{.sport = 1000, .dport = 5353} /
                              Payload{.size = 3000});
  expect_frames(2, fragments(changed, 1480));
}

TEST_F(Fragments, OfOneDatagramMixWithOtherPackets) {
  start(2, "table=0,ip,actions=ct(table=1)\ntable=1,actions=output:2\n");
  const auto pieces = fragments(query(3000), 1480);
  const Frame other = query(10);
  // All in one batch: what completes the datagram has its place among the others.
  auto& in = device().port(1);
  for (const Frame& f : {pieces[2], other, pieces[0], pieces[1], other}) ASSERT_TRUE(in.inject(f));
  device().run_datapath();
  std::vector<Frame> expected = {other, pieces[0], pieces[1], pieces[2], other};
  EXPECT_THAT(device().take_sent(2), ::testing::ElementsAreArray(expected));
}

TEST_F(Fragments, OverlappingOnesAreDropped) {
  start(2, kFirewall);
  const auto pieces = fragments(query(4000), 1440);
  const auto others = fragments(query(4000), 1432);
  send_frame(1, pieces[0]);
  send_frame(1, others[1]);
  send_frame(1, pieces[1]);
  send_frame(1, pieces[2]);
  expect_delta({{"t0p50", 4}, {"drop.fragment_overlap", 4}});
}

TEST_F(Fragments, IncompleteOnesExpire) {
  start(2, kFirewall);
  const auto v4 = fragments(query(4000), 1440), v6 = fragments(query(4000, true), 1440);
  send_frame(1, v4[0]);
  send_frame(1, v4[1]);
  send_frame(1, v6[1]);
  expect_delta({{"t0p50", 3}});
  advance(Duration::seconds(29));
  expect_delta({});
  advance(Duration::seconds(2));
  expect_delta({{"drop.fragment_expired", 2}});
  advance(Duration::seconds(30));
  expect_delta({{"drop.fragment_expired", 1}});
}

TEST_F(Fragments, AreInvalidWhereReassemblyIsOff) {
  start(2, kFirewall);
  reassembler().set_enabled(IpVersion::V4, false);
  send_all(1, fragments(query(2000), 1440));
  expect_delta({{"t0p50", 2},
                {"t1p90", 2},
                {"recirculated", 2},
                {"tracked", 2},
                {"ct.reason.fragment", 2},
                {"drop.explicit_drop", 2}});
}

TEST_F(Fragments, CountAsTheLargestOfThemForCheckPktLarger) {
  start(3,
        "table=0,ip,actions=ct(table=1)\n"
        "table=1,actions=check_pkt_larger(1514)->NXM_NX_REG0[0],resubmit(,2)\n"
        "table=2,reg0=1,actions=output:3\ntable=2,reg0=0,actions=output:2\n");
  const auto fits = fragments(query(4000), 1480);
  send_all(1, fits);
  expect_frames(2, fits);
  const auto larger = fragments(query(4000), 1488);
  send_all(1, larger);
  expect_frames(3, larger);
}

TEST_F(Fragments, OfATruncatedPacketAreWhatIsLeftOfIt) {
  start(3,
        "table=0,ip,actions=ct(table=1)\ntable=1,actions=output(port=3,max_len=1000),output(port=3,max_len="
        "2000),output:2\n");
  const Frame frame = query(4000);
  const auto pieces = fragments(frame, 1480);
  send_all(1, pieces);
  expect_frames(2, pieces);
  // What is no larger than a fragment was goes out as it is, else in fragments of what is left.
  expect_frames(3, {Frame(frame.begin(), frame.begin() + 1000)});
  Frame cut(frame.begin(), frame.begin() + 2000);
  expect_frames(3, fragments(cut, 1480));
}

TEST_F(Fragments, KeepTheirSizeThroughTheController) {
  start(2, "table=0,ip,actions=ct(table=1)\ntable=0,ipv6,actions=ct(table=1)\ntable=1,actions=controller\n");
  for (const bool ipv6 : {false, true}) {
    const auto pieces = fragments(query(4000, ipv6), 1440);
    send_all(1, pieces);
    const auto messages = device().device->upcalls().packet_ins().take();
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].meta.mru, ipv6 ? 1488 : 1460);
    EXPECT_EQ(messages[0].bytes, query(4000, ipv6));

    const dp_action::Program out = {dp_action::Output{2}};
    ASSERT_TRUE(device().device->datapath().inject(
        {.bytes = messages[0].bytes, .meta = messages[0].meta, .program = &out}));
    EXPECT_EQ(device().take_sent(2), pieces);
  }
}

TEST_F(Fragments, AreAsSmallAsTheLargestThatCame) {
  start(2, "table=0,ip,actions=ct(table=1)\ntable=1,actions=output:2\n");
  // Fragments of 8 bytes, and none larger leaves.
  const auto pieces = fragments(query(100), 8);
  send_all(1, pieces);
  expect_frames(2, pieces);
}

TEST_F(Fragments, BehindLabelsAreCutAgainEachWithTheLabels) {
  for (const bool ipv6 : {false, true}) {
    start(2, std::string("table=0,") + (ipv6 ? "ipv6" : "ip") +
                 ",actions=ct(table=1)\n"
                 "table=1,actions=push_mpls:0x8847,push_mpls:0x8847,output:2\n");
    const auto pieces = fragments(query(3000, ipv6), 1440);
    send_all(1, pieces);
    auto sent = device().take_sent(2);
    ASSERT_EQ(sent.size(), pieces.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(wire::walk(sent[i]).mpls_labels, 2);
      // EtherType and labels in place of the EtherType that came.
      Frame unlabelled = sent[i], came = pieces[i];
      unlabelled.erase(unlabelled.begin() + 12, unlabelled.begin() + 12 + 2 + 8);
      came.erase(came.begin() + 12, came.begin() + 14);
      EXPECT_EQ(unlabelled, came);
    }
    EXPECT_EQ(device().counters()["drop.cannot_fragment"], 0u);
  }
}

TEST_F(Fragments, ErrorsThatQuoteTheFirstAreRelated) {
  start(2, kFirewall);
  const auto pieces = fragments(query(4000), 1440);
  send_all(1, pieces);
  expect_frames(2, pieces);
  // Fragmentation needed, from a router behind port 2.
  const Layers too_big = Ip4{.src = "10.0.0.9", .dst = "10.0.0.1"} /
                         Icmp4{.type = 3, .code = 4, .rest = 1280} / Ip4{.id = 7, .offset = 0, .mf = true} /
                         Udp{.sport = 1000, .dport = 53, .length = 4008};
  send(2, too_big);
  expect_frames(1, {build(too_big)});

  const auto v6 = fragments(query(4000, true), 1440);
  send_all(1, v6);
  expect_frames(2, v6);
  const Layers v6_too_big =
      Ip6{.src = "fd00::9", .dst = "fd00::1"} / Icmp6{.type = 2, .code = 0, .rest = 1280} / Ip6{} /
      Frag6{.offset = 0, .mf = true, .id = 7} / Udp{.sport = 1000, .dport = 53, .length = 4008};
  send(2, v6_too_big);
  expect_frames(1, {build(v6_too_big)});
}

TEST_F(Fragments, AreReassembledOnceForTwoZones) {
  start(2,
        "table=0,ip,actions=ct(commit,zone=1),ct(commit,zone=2,table=1)\ntable=1,ct_state=+trk+new,actions="
        "output:2\n");
  const auto pieces = fragments(query(3000), 1480);
  send_all(1, pieces);
  expect_frames(2, pieces);
  expect_delta({{"t0p32768", 3},
                {"t1p32768", 1},
                {"merged", 2},
                {"reassembled", 1},
                {"refragmented", 2},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 2},
                {"ct.committed", 2}});
}

TEST_F(Fragments, AFloodKeepsOthersAlive) {
  start(2, kFirewall);
  const auto pieces = fragments(query(4000), 1440);
  send_frame(1, pieces[0]);
  // 20,000 first fragments, 30 MB, none of which is ever completed.
  for (unsigned i = 0; i < 20'000; ++i) {
    const Frame frame =
        build(Ip4{.src = "10.0.0.66", .id = static_cast<std::uint16_t>(i), .mf = true, .length = 1500} /
              Udp{.length = 4000} / Payload{.size = 1472});
    ASSERT_TRUE(device().port(1).inject(frame));
    if (i % 32 == 31) device().run_datapath();
  }
  send_frame(1, pieces[1]);
  send_frame(1, pieces[2]);
  EXPECT_EQ(device().take_sent(2), pieces);
  EXPECT_LE(reassembler().memory_bytes(), limits::kReassemblyBytes);
  device().counters();  // the books balance
}

}  // namespace
}  // namespace sluice::testing
