// Flow-mods from bytes to flows: single messages and one bundle, exact flows and flows over 200 masks. The
// figure to beat is ovs-vswitchd's (./run bench openflow has both).
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "base/clock.h"
#include "base/rng.h"
#include "conntrack/tracker.h"
#include "datapath/datapath.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/peer.h"
#include "ofproto/sessions.h"
#include "ofproto/upcalls.h"

namespace sluice::ofproto {
namespace {

using openflow::k14;

struct Rig final : PeerWire {
  Rig()
      : tracker({.max_connections = 1000}),
        datapath({}, clock, tracker),
        bridge(42, {}),
        agent({.bridge = bridge,
               .sessions = sessions,
               .upcalls = upcalls,
               .datapath = datapath,
               .tracker = tracker,
               .clock = clock,
               .bundle_room = bundle_room}),
        peer({.name = "bench", .session = {}, .pacing = {}}, agent, sessions, *this, clock.now()) {
    feed(encode(
        make_message(openflow::Hello{.versions = 1u << static_cast<unsigned>(k14)}, {.version = k14}, 1)));
    peer.take_output();
  }
  void output_ready() override {}
  std::size_t unsent() const override { return 0; }
  void feed(Bytes bytes) {
    constexpr std::size_t kPiece = 64 << 10;
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
      peer.receive(bytes.subspan(at, std::min(kPiece, bytes.size() - at)), clock.now());
      while (peer.serve(clock.now())) {
      }
    }
  }

  ManualClock clock{Instant{1'000'000'000}};
  conntrack::Tracker tracker;
  Upcalls upcalls;
  datapath::Datapath datapath;
  Ofproto bridge;
  openflow::BundleRoom bundle_room;
  Sessions sessions;
  OpenFlowAgent agent;
  Peer peer;
};

/// `masks` 1: exact on addresses and ports.
openflow::FlowMod flow(std::uint32_t i, std::uint32_t masks) {
  openflow::FlowMod mod;
  flow::Match& match = mod.flow.match;
  const auto set = [&](field::FieldId id, field::FieldValue value, field::FieldValue mask) {
    field::set_match(match, id, value & mask, mask);
  };
  set(field::FieldId::EthType, 0x800, 0xffff);
  set(field::FieldId::IpProto, 6, 0xff);
  const std::uint32_t which = i % masks;
  set(field::FieldId::Ipv4Src, 0x0a000000 + i, masks == 1 ? 0xffffffff : 0xffffffff << which % 20);
  set(field::FieldId::Ipv4Dst, 0xc0a80000 + i * 7, masks == 1 ? 0xffffffff : 0xffffffff << which / 20);
  set(field::FieldId::TcpDst, 1 + i % 60000, 0xffff);
  mod.flow.new_cookie = i;
  mod.flow.priority = static_cast<std::uint16_t>(100 + which);
  mod.flow.actions = action::parse_actions("output:2").value();
  return mod;
}

std::vector<std::uint8_t> messages(std::uint32_t count, std::uint32_t masks, bool bundle) {
  std::vector<std::uint8_t> bytes;
  const openflow::Dialect dialect{.version = k14};
  const openflow::BundleFlags flags{.atomic = true, .ordered = true};
  const auto add = [&](openflow::Body body) {
    const auto message = encode(make_message(std::move(body), dialect, 7));
    bytes.insert(bytes.end(), message.begin(), message.end());
  };
  const auto control = [&](openflow::BundleControlType type) {
    add(openflow::BundleControl{.id = 1, .type = type, .flags = flags});
  };
  if (bundle) control(openflow::BundleControlType::OpenRequest);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!bundle)
      add(flow(i, masks));
    else
      add(openflow::BundleAdd{
          .id = 1, .flags = flags, .message = encode(make_message(flow(i, masks), dialect, 7))});
  }
  if (bundle) control(openflow::BundleControlType::CommitRequest);
  return bytes;
}

/// Arguments: flows, masks, whether in a bundle.
void flow_mods(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const auto bytes = messages(count, static_cast<std::uint32_t>(state.range(1)), state.range(2) != 0);
  std::size_t held = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto rig = std::make_unique<Rig>();
    const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    state.ResumeTiming();
    rig->feed(bytes);
    state.PauseTiming();
    held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    if (rig->bridge.pipeline().flow_count() != count) state.SkipWithError("not all flows are there");
    rig.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * count);
  state.counters["bytes/flow"] = static_cast<double>(held) / count;
}
BENCHMARK(flow_mods)
    ->Args({100'000, 1, 0})
    ->Args({100'000, 1, 1})
    ->Args({100'000, 200, 0})
    ->Args({100'000, 200, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(2);

}  // namespace
}  // namespace sluice::ofproto
