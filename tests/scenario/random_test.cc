// Random flow tables and random traffic, twice: once with the megaflow cache, once with every pass of every
// packet translated afresh. Outputs, counters of every flow, connections and drop reasons must be the same: a
// megaflow never treats a packet otherwise than the tables would.
#include <fmt/core.h>

#include "base/rng.h"
#include "tests/scenario/scenario.h"

namespace sluice::testing {
namespace {

constexpr unsigned kPorts = 3;

/// Sees nothing; that there is one keeps the datapath from caching.
class Uncached final : public ofproto::TranslationObserver {
 public:
  void translated(const ofproto::Ofproto&, const flow::FlowKey&,
                  const pipeline::TranslationResult&) override {}
};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : rng_(seed) {}

  /// Flows over few values, so that they overlap and packets meet them.
  std::string flows() {
    std::string text = "table=0,priority=0,actions=NORMAL\n";
    for (unsigned n = 4 + below(12); n > 0; --n) text += flow(0) + "\n";
    for (unsigned table = 1; table <= 3; ++table)
      for (unsigned n = 2 + below(8); n > 0; --n) text += flow(table) + "\n";
    return text;
  }

  /// One flow by itself, for a change while packets pass.
  std::string flow(unsigned table) {
    // Priorities differ, so that OpenFlow says which of two overlapping flows wins.
    std::string text = fmt::format("table={},priority={}", table, 1 + next_priority_++);
    text += match(table);
    return text + ",actions=" + actions(table);
  }

  /// A frame of any host: hosts move between ports.
  Frame frame() {
    const Eth eth{.src = mac(), .dst = mac()};
    const char* const src = address();
    const char* const dst = address();
    switch (below(8)) {
      case 0:
        return build(eth / Arp{.op = 1, .spa = src, .tpa = dst});
      case 1:
        return build(eth / Vlan{.vid = static_cast<std::uint16_t>(1 + below(2))} /
                     Ip4{.src = src, .dst = dst} / udp());
      case 2:
        return build(eth / Ip6{.src = below(2) ? "fd00::1" : "fd00::2", .dst = "fd00::3"} / udp());
      case 3:
        return build(eth / Ip4{.src = src, .dst = dst} /
                     Icmp4{.type = static_cast<std::uint8_t>(below(2) * 8), .id = 1});
      case 4:
        return build(eth / Ip4{.src = src, .dst = dst} /
                     Tcp{.sport = port(), .dport = port(), .flags = flags(), .seq = 100, .ack = 100});
      default:
        return build(eth / Ip4{.src = src, .dst = dst, .ttl = static_cast<std::uint8_t>(below(2) ? 64 : 1)} /
                     udp());
    }
  }

  std::uint32_t in_port() { return 1 + below(kPorts); }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(rng_.below(n)); }

 private:
  static constexpr const char* kMacs[kPorts] = {"02:00:00:00:00:01", "02:00:00:00:00:02",
                                                "02:00:00:00:00:03"};
  const char* mac() { return kMacs[below(kPorts)]; }
  const char* address() {
    static constexpr const char* kAddresses[] = {"10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.0.1"};
    return kAddresses[below(4)];
  }
  std::uint16_t port() { return static_cast<std::uint16_t>(1 + below(3)); }
  const char* flags() {
    static constexpr const char* kFlags[] = {"S", "SA", "A", "FA", "R"};
    return kFlags[below(5)];
  }
  Udp udp() { return Udp{.sport = port(), .dport = port()}; }

  std::string match(unsigned table) {
    std::string text;
    if (below(3) == 0) text += fmt::format(",in_port={}", in_port());
    if (table != 0 && below(2) == 0) {
      static constexpr const char* kStates[] = {"+trk+new", "+trk+est", "-trk", "+trk+inv",
                                                "+trk-new", "+rpl",     "+trk"};
      text += fmt::format(",ct_state={}", kStates[below(7)]);
    }
    if (table != 0 && below(4) == 0) text += fmt::format(",ct_mark={}", below(2));
    if (table != 0 && below(4) == 0) text += fmt::format(",reg0={}", below(3));
    if (below(6) == 0) text += fmt::format(",dl_src={}", mac());
    switch (below(8)) {
      case 0:
        return text + fmt::format(",udp,tp_dst={}", port());
      case 1:
        return text + fmt::format(",tcp,tp_src={}", port());
      case 2:
        return text + fmt::format(",ip,nw_src={}/{}", address(), 16 + below(17));
      case 3:
        return text + fmt::format(",ip,nw_dst={}", address());
      case 4:
        return text + ",arp";
      case 5:
        return text + fmt::format(",ip,nw_ttl={}", below(2) ? 64 : 1);
      case 6:
        return text + fmt::format(",dl_vlan={}", 1 + below(2));
      default:
        return text;
    }
  }

  std::string actions(unsigned table) {
    std::string text;
    const auto add = [&](const std::string& action) { text += (text.empty() ? "" : ",") + action; };
    for (unsigned n = 1 + below(3); n > 0; --n) {
      switch (below(11)) {
        case 0:
          add(fmt::format("output:{}", in_port()));
          break;
        case 1:
          add("NORMAL");
          break;
        case 2:
          add(fmt::format("load:{}->NXM_NX_REG0[]", below(3)));
          break;
        case 3:
          add(fmt::format("mod_dl_dst:{}", mac()));
          break;
        case 4:
          add(fmt::format("output:{}", in_port()));
          break;
        case 5:
          if (table < 3) add(fmt::format("resubmit(,{})", table + 1));
          break;
        case 6:
          add("IN_PORT");
          break;
        case 7:
          add(fmt::format("clone(load:1->NXM_NX_REG0[],output:{})", in_port()));
          break;
        case 8:
          add("FLOOD");
          break;
        case 9:
          add("ct_clear");
          break;
        default:
          break;
      }
    }
    if (text.empty()) text = below(3) ? fmt::format("output:{}", in_port()) : "drop";
    return text;
  }

  Rng rng_;
  unsigned next_priority_ = 0;
};

/// Flows that send every IP packet through the tracker in ways that differ with the seed.
std::string stateful_flows(Generator& random) {
  std::string text;
  for (unsigned table = 0; table < 3; ++table) {
    for (const char* family : {"ip", "ipv6"}) {
      const auto zone = random.below(3);
      switch (random.below(4)) {
        case 0:
          text += fmt::format("table={},priority=60000,{},actions=ct(table={},zone={})\n", table, family,
                              table + 1, zone);
          break;
        case 1:
          text += fmt::format(
              "table={},priority=60000,{},in_port={},actions=ct(commit,table={},zone={},exec(load:{}->NXM_NX_"
              "CT_MARK[]))\n",
              table, family, random.in_port(), table + 1, zone, random.below(2));
          break;
        case 2:
          text += fmt::format(
              "table={},priority=60000,{},in_port={},actions=ct(commit,zone={}),ct(table={},zone={}),output:{"
              "}\n",
              table, family, random.in_port(), zone, table + 1, zone, random.in_port());
          break;
        default:
          break;
      }
    }
  }
  return text;
}

class RandomTraffic : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomTraffic, CachedAndFreshTranslationAgree) {
  Generator random(GetParam() * 7919 + 1);
  const std::string flows = random.flows() + stateful_flows(random);
  TestSwitch cached(kPorts), fresh(kPorts);
  Uncached observer;
  fresh.device->upcalls().set_observer(&observer);
  ASSERT_EQ(cached.load(flows), "") << flows;
  ASSERT_EQ(fresh.load(flows), "");

  std::vector<std::pair<std::uint32_t, Frame>> seen;
  for (unsigned n = 0; n < 300; ++n) {
    if (n == 100 || n == 200) {  // the tables change under the cache
      const auto flow = random.flow(random.below(3));
      for (TestSwitch* device : {&cached, &fresh}) {
        const auto change = device->bridge().change_flow(flow, action::FlowCommand::Add, device->clock.now());
        ASSERT_TRUE(change) << flow << ": " << change.error().message;
      }
    }
    // Half of the packets repeat an earlier one, so that the cache is used.
    if (seen.empty() || random.below(2)) {
      const auto in = random.in_port();
      seen.emplace_back(in, random.frame());
    }
    const auto& [port, frame] = seen[random.below(static_cast<std::uint32_t>(seen.size()))];
    cached.send(port, frame);
    fresh.send(port, frame);
    for (std::uint32_t out = 1; out <= kPorts; ++out) {
      const auto a = cached.take_sent(out), b = fresh.take_sent(out);
      ASSERT_EQ(a, b) << "packet " << n << " at port " << port << ": " << describe(frame) << "\n" << flows;
    }
    if (random.below(20) == 0) {
      cached.advance(Duration::seconds(3));
      fresh.advance(Duration::seconds(3));
    }
  }
  EXPECT_EQ(cached.counters(), fresh.counters()) << flows;
  EXPECT_EQ(cached.connections(true), fresh.connections(true)) << flows;
  EXPECT_EQ(cached.dump_flows(), fresh.dump_flows());
  const auto stats = cached.device->datapath().stats();
  EXPECT_GT(stats[datapath::Counter::Hits], 0u) << "the cache was never used";
  EXPECT_EQ(fresh.device->datapath().stats()[datapath::Counter::Hits], 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTraffic, ::testing::Range(0u, 60u));

}  // namespace
}  // namespace sluice::testing
