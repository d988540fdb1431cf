// Controllers and a switch in one process: OpenFlow messages go through a Peer's session to the agent of a
// bridge, and what it answers is read as ovs-ofctl would print it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ofproto/openflow_agent.h"
#include "ofproto/packet_in_message.h"
#include "ofproto/peer.h"
#include "ofproto/sessions.h"
#include "tests/scenario/scenario.h"

namespace sluice::testing {

using namespace openflow;  // NOLINT: messages are what such tests are about

class Client final : public ofproto::PeerWire {
 public:
  Client(OfVersion version, ofproto::OpenFlowAgent& agent, ofproto::Sessions& sessions, const Clock& clock)
      : clock_(clock),
        dialect_{.version = version, .table_id = version != k10},
        peer_(ofproto::Peer::Options{.name = "test", .session = {}, .pacing = {}}, agent, sessions, *this,
              clock.now()) {
    send_bytes(encode(make_message(Hello{.versions = 1u << static_cast<unsigned>(version)}, dialect_, 1)));
    peer_.take_output();
  }
  void output_ready() override {}
  std::size_t unsent() const override { return unsent_bytes; }

  /// What comes back, as text.
  std::string ask(Body body, bool nxm = false) {
    Dialect dialect = dialect_;
    dialect.nxm = nxm;
    send_bytes(encode(make_message(std::move(body), dialect, ++xid)));
    return output();
  }
  void send_bytes(Bytes bytes) {
    receive(bytes);
    serve();
  }
  void receive(Bytes bytes) { peer_.receive(bytes, clock_.now()); }
  /// All turns that it takes; their number.
  unsigned serve() {
    unsigned turns = 1;
    while (peer_.serve(clock_.now())) ++turns;
    return turns;
  }
  bool serve_turn() { return peer_.serve(clock_.now()); }
  std::vector<std::uint8_t> encoded(Body body) {
    return encode(make_message(std::move(body), dialect_, ++xid));
  }
  std::vector<std::vector<std::uint8_t>> messages() {
    splitter_.append(peer_.take_output());
    std::vector<std::vector<std::uint8_t>> all;
    for (auto next = splitter_.next(); next && *next; next = splitter_.next())
      all.emplace_back((*next)->begin(), (*next)->end());
    return all;
  }
  std::string output(int verbosity = 0) {
    std::string text;
    for (const auto& message : messages()) text += print(message, {.verbosity = verbosity});
    return text;
  }
  /// "OFPFMFC_OVERLAP", empty if nothing came back.
  static std::string error_of(const std::string& text) {
    if (text.empty()) return text;
    const auto colon = text.find("): ");
    return text.starts_with("OFPT_ERROR") ? text.substr(colon + 3, text.find('\n') - colon - 3) : text;
  }
  std::string fails(Body body, bool nxm = false) { return error_of(ask(std::move(body), nxm)); }

  std::string bundle(std::uint32_t id, BundleControlType type) {
    return ask(BundleControl{.id = id, .type = type, .flags = {.atomic = true}});
  }
  /// The message inside bears the transaction id of the one that carries it.
  std::string bundle_add(std::uint32_t id, Body body) {
    return ask(BundleAdd{.id = id,
                         .flags = {.atomic = true},
                         .message = encode(make_message(std::move(body), dialect_, xid + 1))});
  }

  std::string flow(const std::string& text, action::FlowCommand command = action::FlowCommand::Add,
                   bool nxm = false) {
    return fails(FlowMod{action::parse_flow(text, command).value()}, nxm);
  }
  std::string flows(const std::string& filter = "") {
    const auto spec = action::parse_flow(filter, action::FlowCommand::Delete).value();
    FlowStatsRequest request;
    request.match = spec.match;
    request.table = spec.table;
    return ask(std::move(request), dialect_.version == k10);
  }
  Session& session() { return peer_.session(); }

  std::uint32_t xid = 100;
  std::size_t unsent_bytes = 0;

 private:
  const Clock& clock_;
  Dialect dialect_;
  Splitter splitter_;
  ofproto::Peer peer_;
};

class OpenFlowScenario : public Scenario {
 protected:
  /// A switch with ports and flows, and its agent.
  void begin(unsigned ports = 3, const std::string& flows = "") {
    start(ports, flows);
    sessions = std::make_unique<ofproto::Sessions>();
    bridge::Switch& sw = *device().device;
    agent.emplace(ofproto::AgentEnvironment{.bridge = device().bridge(),
                                            .sessions = *sessions,
                                            .upcalls = sw.upcalls(),
                                            .datapath = sw.datapath(),
                                            .tracker = sw.tracker(),
                                            .clock = device().clock,
                                            .bundle_room = bundle_room});
    agent->set_datapath_id(0x1234);
  }
  std::unique_ptr<Client> connect(OfVersion version) {
    return std::make_unique<Client>(version, *agent, *sessions, device().clock);
  }
  void deliver_packet_ins() {
    for (const auto& packet : device().device->upcalls().packet_ins().take()) {
      const auto frozen = device().bridge().pipeline().frozen_state(packet.action.recirc_id);
      auto message = ofproto::packet_in_message(packet, frozen ? &frozen->data : nullptr);
      if (frozen && packet.action.continuation)
        message.body.continuation = agent->continuation_of(frozen->data, packet.meta);
      sessions->deliver(message, device().clock.now());
    }
  }
  void packet_out(Client& client, std::uint32_t in_port, const std::string& actions, const Layers& packet) {
    PacketOut out;
    field::set_match(out.metadata, field::FieldId::InPortOxm, in_port, 0xffffffff);
    out.actions = action::parse_actions(actions).value();
    out.packet = build(packet);
    EXPECT_EQ(client.ask(std::move(out)), "");
    device().run_datapath();
  }

  BundleRoom bundle_room;
  std::unique_ptr<ofproto::Sessions> sessions;
  std::optional<ofproto::OpenFlowAgent> agent;
};

}  // namespace sluice::testing
