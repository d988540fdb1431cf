// Bad input at the front doors of a running switch: 100,000 random mutations of flow text, packets, OXM and
// captures. Nothing crashes, what was there is not lost, and good input works as before.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "field/match_text.h"
#include "field/oxm.h"
#include "port/pcap/capture_file.h"
#include "tests/scenario/scenario.h"
#include "tests/support/random_packet.h"

namespace sluice::testing {
namespace {

constexpr unsigned kFlowTexts = 40'000, kPackets = 40'000, kOxms = 10'000, kCaptures = 10'000;

constexpr const char* kFirewall =
    "table=0,priority=100,arp,actions=NORMAL\n"
    "table=0,priority=50,ip,actions=ct(table=1)\n"
    "table=0,priority=50,ipv6,actions=ct(table=1)\n"
    "table=1,priority=100,ct_state=+trk+est,in_port=1,actions=output:2\n"
    "table=1,priority=100,ct_state=+trk+est,in_port=2,actions=output:1\n"
    "table=1,priority=90,ct_state=+trk+rel-new,actions=NORMAL\n"
    "table=1,priority=50,ct_state=+trk+new,ip,in_port=1,actions=ct(commit),output:2\n";

const std::vector<std::string> kFlows = {
    "table=5,priority=10,tcp,nw_src=10.0.0.0/8,tp_dst=80,actions=mod_nw_dst:10.1.1.1,output:2",
    "table=5,cookie=0x12,ct_state=+trk+est,ct_mark=0x1/0xf,ip,actions=ct(commit,zone=NXM_NX_REG0[0..15],"
    "exec(set_field:0x1->ct_mark,load:0x5->NXM_NX_CT_LABEL[0..31]))",
    "table=5,ipv6,ipv6_src=fd00::/"
    "64,idle_timeout=5,actions=resubmit(,6),push_vlan:0x8100,set_field:4103->vlan_vid",
    "table=5,dl_vlan=7,dl_src=02:00:00:00:00:01/ff:ff:ff:00:00:00,actions=strip_vlan,move:NXM_OF_ETH_SRC[]->"
    "NXM_OF_ETH_DST[],clone(output:1),note:00.01",
    "table=5,arp,arp_op=1,actions=write_actions(output:1),goto_table:6",
};

/// Changes one to four characters: replaced, removed, doubled, or a run copied elsewhere.
template <typename Text>
void mutate(Rng& rng, Text& text) {
  for (auto n = 1 + rng.below(4); n > 0 && !text.empty(); --n) {
    const auto at = static_cast<std::ptrdiff_t>(rng.below(text.size()));
    switch (rng.below(4)) {
      case 0:
        text[static_cast<std::size_t>(at)] = static_cast<typename Text::value_type>(rng.below(256));
        break;
      case 1:
        text.erase(text.begin() + at);
        break;
      case 2:
        text.insert(text.begin() + at, text[static_cast<std::size_t>(at)]);
        break;
      default: {
        const auto length =
            static_cast<std::ptrdiff_t>(rng.below(text.size() - static_cast<std::size_t>(at)) % 16);
        const Text run(text.begin() + at, text.begin() + at + length);
        const auto to = static_cast<std::ptrdiff_t>(rng.below(text.size()));
        text.insert(text.begin() + to, run.begin(), run.end());
      }
    }
  }
}

class Mutation : public Scenario {
 protected:
  /// A connection opened from port 1 passes in both directions.
  void expect_still_working(std::uint16_t sport) {
    send(1, Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = sport, .dport = 53});
    expect(2, Ip4{.src = "10.0.0.1"} / Udp{.dport = 53});
    send(2, Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = sport});
    expect(1, Ip4{.src = "10.0.0.2"} / Udp{.sport = 53});
  }
};

TEST_F(Mutation, FlowText) {
  start(2, kFirewall);
  Rng rng(1);
  unsigned taken = 0;
  for (unsigned i = 0; i < kFlowTexts; ++i) {
    std::string text = kFlows[rng.below(kFlows.size())];
    mutate(rng, text);
    const auto added = device().bridge().change_flow(text, action::FlowCommand::Add, device().clock.now());
    if (!added) {
      EXPECT_FALSE(added.error().message.empty()) << text;
      continue;
    }
    if (++taken % 64 == 0) del_flows("");
  }
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, kFlowTexts / 2);
  del_flows("");
  EXPECT_EQ(device().load(kFirewall), "");
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 7u);
  expect_still_working(1000);
}

TEST_F(Mutation, Packets) {
  start(2, kFirewall);
  Rng rng(2);
  for (unsigned i = 0; i < kPackets; ++i) {
    Frame frame = build(random_packet(rng));
    damage(rng, frame);
    device().send(1 + static_cast<std::uint32_t>(rng.below(2)), frame);
    if (i % 256 == 0)
      for (const std::uint32_t port : {1u, 2u}) device().take_sent(port);
    if (i % 4096 == 0) device().counters();  // fails if a packet's end is not known
  }
  for (const std::uint32_t port : {1u, 2u}) device().take_sent(port);
  device().counters();
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 7u);
  expect_still_working(1001);
}

TEST(MutationOfBytes, Oxm) {
  Rng rng(3);
  const auto match =
      field::parse_match("tcp6,ipv6_src=fd00::1,tp_dst=80/0xfff0,ct_state=+trk+est,ct_mark=1/3,reg0=7");
  ASSERT_TRUE(match);
  unsigned refused = 0;
  for (unsigned i = 0; i < kOxms; ++i) {
    const auto version = static_cast<field::OfVersion>(1 + rng.below(6));
    ByteWriter out;
    field::encode_match(*match, version, out);
    std::vector<std::uint8_t> bytes = out.take();
    mutate(rng, bytes);
    const auto decoded = field::decode_match(bytes, version, true);
    if (decoded) continue;
    ++refused;
    EXPECT_FALSE(decoded.error().message.empty());
    EXPECT_NE(decoded.error().of_error, 0u) << decoded.error().message;
  }
  EXPECT_GT(refused, kOxms / 4);
}

TEST(MutationOfBytes, Captures) {
  Rng rng(4);
  // Little-endian microsecond pcap, Ethernet, three frames of 60 bytes.
  std::vector<std::uint8_t> good = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
                                    0,    0,    0,    0,    0, 0, 4, 0, 1, 0, 0, 0};
  for (std::uint8_t n = 0; n < 3; ++n) {
    const std::vector<std::uint8_t> header = {n, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0};
    good.insert(good.end(), header.begin(), header.end());
    good.insert(good.end(), 60, n);
  }
  const auto frames_of = [](const std::vector<std::uint8_t>& file, std::string& fault) {
    unsigned frames = 0;
    auto reader = port::CaptureReader::open_memory(file, "capture");
    if (!reader) {
      fault = reader.error().message;
      return frames;
    }
    for (;;) {
      const auto frame = reader->next();
      if (!frame) fault = frame.error().message;
      if (!frame || !*frame) return frames;
      ++frames;
    }
  };
  std::string fault;
  ASSERT_EQ(frames_of(good, fault), 3u);
  ASSERT_EQ(fault, "");
  unsigned faults = 0;
  for (unsigned i = 0; i < kCaptures; ++i) {
    std::vector<std::uint8_t> bytes = good;
    mutate(rng, bytes);
    fault.clear();
    frames_of(bytes, fault);
    if (fault.empty()) continue;
    ++faults;
    EXPECT_TRUE(fault.find("capture") != std::string::npos) << fault;
  }
  EXPECT_GT(faults, kCaptures / 10);
}

}  // namespace
}  // namespace sluice::testing
