// A client's bytes, in any pieces, all the way through: peer, session, agent, tables, and a packet now and
// then that meets what they made of them. The first byte of the input chooses version, kind of client and
// pieces, as that of session_fuzz does. Nothing may crash; what waits stays bounded; every packet has an end;
// another client is served as before; and what was kept for the client goes with it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "base/check.h"
#include "base/rcu.h"
#include "bridge/switch.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/packet_in_message.h"
#include "ofproto/peer.h"
#include "port/dummy/dummy_port.h"

namespace {

using namespace sluice;
using namespace sluice::openflow;

constexpr unsigned kPorts = 3;
/// A turn serves some messages or slices; more turns than this for one input is work without end.
constexpr unsigned kMostTurns = 100'000;

class Client final : public ofproto::PeerWire {
 public:
  Client(const Session::Options& options, ofproto::OpenFlowAgent& agent, ofproto::Sessions& sessions,
         const ManualClock& clock)
      : clock_(clock),
        peer_({.name = "client", .session = options, .pacing = {}}, agent, sessions, *this, clock.now()) {}
  void output_ready() override {}
  std::size_t unsent() const override { return 0; }

  void say(Bytes bytes) { peer_.receive(bytes, clock_.now()); }
  void hello(OfVersion version) {
    say(encode(
        make_message(Hello{.versions = 1u << static_cast<unsigned>(version)}, {.version = version}, 1)));
  }
  /// Serves what it has said, reading as it goes; how much it was told.
  std::size_t serve() {
    peer_.tick(clock_.now());
    std::size_t told = 0;
    bool more = true;
    for (unsigned turns = 0; more; ++turns) {
      SLUICE_CHECK(turns < kMostTurns);
      more = peer_.serve(clock_.now());
      // The largest single answer beyond the mark is a flow monitor's or that of all tables' features.
      SLUICE_CHECK(peer_.waiting() < ofproto::peer_limits::kServeBelowBytes + (16u << 20));
      told += peer_.take_output().size();
    }
    return told;
  }
  bool closed() const { return peer_.session().state() == Session::State::Closed; }

 private:
  const ManualClock& clock_;
  ofproto::Peer peer_;
};

/// A switch with ports, its agent, and a client that asks for nothing.
class Rig {
 public:
  Rig() {
    bridge::SwitchConfig config;
    config.conntrack.max_connections = 100;
    auto& br0 = config.bridges.emplace_back();
    br0.name = "br0";
    br0.local = bridge::LocalPort::None;
    for (unsigned n = 1; n <= kPorts; ++n) br0.ports.push_back({"p" + std::to_string(n), "dummy", n, {}});
    bridge::SwitchOptions options;
    options.secret = 42;
    options.make_port = [this](const bridge::PortConfig& wanted) -> Result<std::unique_ptr<port::Port>> {
      auto dummy = std::make_unique<port::DummyPort>(wanted.name);
      ports_.push_back(dummy.get());
      return dummy;
    };
    device_.emplace(clock, std::move(options), config);
    SLUICE_CHECK(device_->reconcile(config).ok());
    agent.emplace(ofproto::AgentEnvironment{.bridge = *device_->find_bridge("br0"),
                                            .sessions = sessions,
                                            .upcalls = device_->upcalls(),
                                            .datapath = device_->datapath(),
                                            .tracker = device_->tracker(),
                                            .clock = clock,
                                            .bundle_room = bundles});
    agent->set_datapath_id(0x1234);
    other_.emplace(Session::Options{}, *agent, sessions, clock);
    other_->hello(k13);
    other_->serve();
  }

  /// A packet comes in, time passes, and all that follows happens.
  void go_on() {
    static constexpr std::uint8_t kUdp[] = {0x50, 0x54, 0,  0,  0, 2, 0x50, 0x54, 0,  0,  0,    1,    8,  0,
                                            0x45, 0,    0,  28, 0, 1, 0,    0,    64, 17, 0x66, 0xce, 10, 0,
                                            0,    1,    10, 0,  0, 2, 0,    1,    0,  2,  0,    8,    0,  0};
    SLUICE_CHECK(ports_[0]->inject({std::begin(kUdp), std::end(kUdp)}));
    while (device_->datapath().poll() != 0) {
    }
    for (const auto& packet : device_->upcalls().packet_ins().take()) {
      const auto frozen = device_->find_bridge("br0")->pipeline().frozen_state(packet.action.recirc_id);
      auto message = ofproto::packet_in_message(packet, frozen ? &frozen->data : nullptr);
      if (frozen && packet.action.continuation)
        message.body.continuation = agent->continuation_of(frozen->data, packet.meta);
      sessions.deliver(message, clock.now());
    }
    for (port::DummyPort* port : ports_)
      while (port->take_sent()) {
      }
    clock.advance(Duration::milliseconds(500));
    agent->run();
    device_->run();
    device_->push_stats();
    SLUICE_CHECK(device_->datapath().stats().unaccounted() == 0);
  }
  void ask_other() {
    other_->serve();  // what it was told meanwhile
    other_->say(encode(make_message(BarrierRequest{}, {.version = k13}, 7)));
    SLUICE_CHECK(other_->serve() == 8);
  }

  ManualClock clock{Instant{1'000'000'000}};
  BundleRoom bundles;
  ofproto::Sessions sessions;

 private:
  std::vector<port::DummyPort*> ports_;  ///< owned by the datapath
  std::optional<bridge::Switch> device_;

 public:
  std::optional<ofproto::OpenFlowAgent> agent;

 private:
  std::optional<Client> other_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  Bytes rest(data + 1, size - 1);
  {
    Rig rig;
    std::optional<Client> client;
    client.emplace(Session::Options{.service = (choice & 8) != 0, .hello_within = Duration::seconds(10)},
                   *rig.agent, rig.sessions, rig.clock);
    if ((choice & 7) < 6) client->hello(static_cast<OfVersion>(static_cast<unsigned>(k10) + (choice & 7)));
    const std::size_t piece = 1 + (choice >> 4) * 37;
    while (!rest.empty() && !client->closed()) {
      const Bytes next = rest.first(std::min(piece, rest.size()));
      rest = rest.subspan(next.size());
      client->say(next);
      client->serve();
      rig.go_on();
    }
    rig.ask_other();
    client.reset();
    SLUICE_CHECK(rig.bundles.held.messages == 0 && rig.bundles.held.prepared == 0);
    rig.go_on();
    rig.ask_other();
  }
  rcu::reclaim();
  return 0;
}
