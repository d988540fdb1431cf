// Connections with real sockets: clients that behave and clients that don't, controllers that come and go.
#include "ofproto/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/rcu.h"
#include "io/connector.h"
#include "ofproto/fake_switch.h"
#include "ofproto/ofproto.h"
#include "ofproto/packet_in_message.h"
#include "pipeline/frozen_state.h"

namespace sluice::ofproto {
namespace {

using openflow::Body;
using openflow::OfVersion;

constexpr Duration kLong = Duration::seconds(120);

/// The other end of a connection: says what a test wants, and keeps the messages that come.
struct Client {
  Client(std::unique_ptr<io::Stream> s, OfVersion v) : stream(std::move(s)), version(v) {
    stream->start([this](Bytes bytes) { received(bytes); }, [this](const Status&) { closed = true; });
  }
  void received(Bytes bytes) {
    input.append(bytes);
    for (auto next = input.next(); next && *next; next = input.next()) {
      const auto message = openflow::decode(**next);
      names.emplace_back(message ? std::string(message->form->name) : "?");
      if (!message) continue;
      if (answers && openflow::as<openflow::EchoRequest>(*message)) say(openflow::EchoReply{});
      last.emplace(*message);
    }
  }
  void say(Body body) {
    send(openflow::encode(openflow::make_message(std::move(body), {.version = version}, 7)));
  }
  void send(const std::vector<std::uint8_t>& bytes) { stream->send(std::string(bytes.begin(), bytes.end())); }
  void hello() { say(openflow::Hello{.versions = 1u << static_cast<unsigned>(version)}); }
  std::size_t count(std::string_view name) const {
    return static_cast<std::size_t>(std::count(names.begin(), names.end(), name));
  }

  std::unique_ptr<io::Stream> stream;
  OfVersion version;
  openflow::Splitter input;
  std::vector<std::string> names;
  std::optional<openflow::Message> last;
  bool closed = false, answers = false;  ///< probes
};

/// What the pipeline published and replaced is gone when a test ends.
struct Reclaims {
  ~Reclaims() { rcu::reclaim(); }
};

class ConnectionsTest : public ::testing::Test, Reclaims {
 protected:
  ConnectionsTest() : bridge_(1, pipeline::BridgeConfig{.name = "br0"}) {
    std::string folder = ::testing::TempDir() + "sluice_of_XXXXXX";
    folder_ = mkdtemp(folder.data());
    connections_ = std::make_unique<Connections>(ConnectionsEnvironment{.loop = loop_,
                                                                        .bridge = bridge_,
                                                                        .sessions = sessions_,
                                                                        .handler = handler_,
                                                                        .run_dir = folder_,
                                                                        .logger = {}});
  }
  ~ConnectionsTest() override {
    connections_.reset();
    std::filesystem::remove_all(folder_);
  }

  void configure(ConnectionsConfig config = {}) {
    EXPECT_THAT(connections_->configure(config, nullptr), ::testing::IsEmpty());
  }
  std::unique_ptr<Client> connect(const std::string& name, OfVersion version = openflow::k13) {
    auto client = connect_silently(name, version);
    client->hello();
    return client;
  }
  std::unique_ptr<Client> connect_silently(const std::string& name, OfVersion version = openflow::k13) {
    auto socket = io::connect_unix(folder_ + "/" + name);
    EXPECT_TRUE(socket) << socket.error().message;
    return std::make_unique<Client>(std::make_unique<io::Stream>(loop_, std::move(*socket), "client"),
                                    version);
  }
  /// A controller that listens on a unix socket of its own.
  void listen(const std::string& name) {
    auto opened = io::UnixListener::open(loop_, folder_ + "/" + name, 0700, [this](auto stream) {
      ++attempts_;
      if (!accepting_) return;
      controller_ = std::make_unique<Client>(std::move(stream), openflow::k13);
      if (greets_) controller_->hello();
      controller_->answers = answers_;
    });
    ASSERT_TRUE(opened);
    listener_ = std::move(*opened);
  }
  template <typename Condition>
  bool wait(Condition condition) {
    const Instant until = loop_.clock().now() + kLong;
    while (!condition() && loop_.clock().now() < until) loop_.run_for(Duration::milliseconds(2));
    return condition();
  }
  ControllerStatus only() {
    const auto all = connections_->status();
    EXPECT_EQ(all.size(), 1u);
    return all.at(0);
  }

  std::string folder_;
  io::EventLoop loop_;
  Ofproto bridge_;
  Sessions sessions_;
  FakeSwitch handler_{sessions_};
  std::unique_ptr<Connections> connections_;
  std::unique_ptr<io::UnixListener> listener_;
  std::unique_ptr<Client> controller_;
  unsigned attempts_ = 0;
  bool accepting_ = true, greets_ = true, answers_ = false;
};

TEST_F(ConnectionsTest, ClientsOfTheManagementSocket) {
  configure();
  auto one = connect("br0.mgmt"), two = connect("br0.mgmt", openflow::k10);
  one->say(openflow::DescRequest{});
  two->say(openflow::EchoRequest{});
  EXPECT_TRUE(
      wait([&] { return one->count("OFPST_DESC reply") == 1 && two->count("OFPT_ECHO_REPLY") == 1; }));
  one.reset();
  EXPECT_TRUE(wait([&] { return handler_.forgotten == 1; }));
  EXPECT_EQ(sessions_.peers().size(), 1u);
  EXPECT_FALSE(two->closed);
}

TEST_F(ConnectionsTest, VersionsAreRestricted) {
  configure({.versions = 1u << static_cast<unsigned>(openflow::k14)});
  auto client = connect("br0.mgmt", openflow::k13);
  EXPECT_TRUE(wait([&] { return client->closed; }));
  EXPECT_THAT(client->names, ::testing::ElementsAre("OFPT_HELLO", "OFPT_ERROR"));
  configure();
  client = connect("br0.mgmt", openflow::k13);
  client->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return client->count("OFPT_ECHO_REPLY") == 1; }));
  // Who agreed under other rules has to agree anew.
  configure({.versions = 1u << static_cast<unsigned>(openflow::k14)});
  EXPECT_TRUE(wait([&] { return client->closed; }));
}

// A packet that comes between two messages of one controller finds what the first of them asked for.
TEST_F(ConnectionsTest, WhatIsWantedHoldsFromTheNextMessageOn) {
  configure();
  std::vector<std::pair<std::uint32_t, pipeline::TableMiss>> seen;
  handler_.on_request = [&] {
    seen.emplace_back(bridge_.wanted_packet_ins(), bridge_.pipeline().config().default_miss);
  };
  auto client = connect("br0.mgmt", openflow::k10);
  std::vector<std::uint8_t> burst;
  const auto append = [&](Body body) {
    const auto bytes =
        openflow::encode(openflow::make_message(std::move(body), {.version = openflow::k10}, 7));
    burst.insert(burst.end(), bytes.begin(), bytes.end());
  };
  append(openflow::DescRequest{});
  append(openflow::SetConfig{{.miss_send_len = 128}});
  append(openflow::SetAsync{{.primary = {1}}});
  append(openflow::DescRequest{});
  client->send(burst);
  EXPECT_TRUE(wait([&] { return seen.size() == 3; }));
  EXPECT_EQ(seen.front(), std::pair(0u, pipeline::TableMiss::Drop));
  EXPECT_EQ(seen.back(), std::pair(1u, pipeline::TableMiss::Controller));
}

TEST_F(ConnectionsTest, SocketsGoWithTheBridge) {
  configure();
  auto client = connect("br0.mgmt");
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/br0.snoop"));
  connections_.reset();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/br0.mgmt"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/br0.snoop"));
  EXPECT_TRUE(wait([&] { return client->closed; }));
  EXPECT_TRUE(sessions_.peers().empty());
}

TEST_F(ConnectionsTest, GarbageEndsOnlyItsConnection) {
  configure();
  auto good = connect("br0.mgmt"), bad = connect("br0.mgmt"), rude = connect("br0.mgmt"),
       half = connect("br0.mgmt");
  bad->send({4, 0, 0, 3, 0, 0, 0, 0});  // shorter than its own header
  rude->send(std::vector<std::uint8_t>(100'000, 0xff));
  half->send({4, 18, 0, 16, 0, 0, 0, 1, 0});
  half->stream.reset();
  EXPECT_TRUE(wait([&] { return bad->closed && sessions_.peers().size() == 2; }));
  good->say(openflow::DescRequest{});
  EXPECT_TRUE(wait([&] { return good->count("OFPST_DESC reply") == 1; }));
  EXPECT_FALSE(rude->closed)
      << "a message of a version that we don't speak is an error, and the stream goes on";
}

/// A client that asks without end and reads nothing gets no more of the switch's memory than is set aside for
/// it, and others are served.
TEST_F(ConnectionsTest, WhoNeverReadsWaitsForHimself) {
  configure();
  handler_.description_bytes = 250;
  auto stuck = connect("br0.mgmt");
  stuck->stream->pause();
  const auto ask =
      openflow::encode(openflow::make_message(openflow::DescRequest{}, {.version = openflow::k13}, 1));
  std::vector<std::uint8_t> flood;
  constexpr unsigned kRequests = 8'000;  // replies of a kilobyte
  for (unsigned i = 0; i < kRequests; ++i) flood.insert(flood.end(), ask.begin(), ask.end());
  stuck->send(flood);
  auto other = connect("br0.mgmt");
  const auto stuck_waiting = [&] {
    return sessions_.peers().empty() ? 0 : sessions_.peers().front()->waiting();
  };
  EXPECT_TRUE(wait([&] { return stuck_waiting() >= peer_limits::kServeBelowBytes; }));
  other->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return other->count("OFPT_ECHO_REPLY") == 1; }));
  loop_.run_for(Duration::milliseconds(100));
  EXPECT_LT(stuck_waiting(), peer_limits::kServeBelowBytes + (1u << 20));
  EXPECT_LT(handler_.requests.size(), kRequests);
  // Once it reads it gets all that it asked for.
  stuck->stream->resume();
  EXPECT_TRUE(wait([&] { return stuck->count("OFPST_DESC reply") == kRequests; }));
}

TEST_F(ConnectionsTest, FloodLeavesOthersTheirTurn) {
  configure();
  auto loud = connect("br0.mgmt"), quiet = connect("br0.mgmt");
  EXPECT_TRUE(wait([&] { return loud->count("OFPT_HELLO") == 1 && quiet->count("OFPT_HELLO") == 1; }));
  const auto ask =
      openflow::encode(openflow::make_message(openflow::GetConfigRequest{}, {.version = openflow::k13}, 1));
  std::vector<std::uint8_t> flood;
  for (int i = 0; i < 100'000; ++i) flood.insert(flood.end(), ask.begin(), ask.end());
  loud->send(flood);
  ASSERT_TRUE(wait([&] { return !handler_.requests.empty(); }));
  quiet->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return quiet->count("OFPT_ECHO_REPLY") == 1; }));
  EXPECT_LT(handler_.requests.size(), 100'000u) << "the echo was answered before the flood had ended";
  EXPECT_TRUE(wait([&] { return handler_.requests.size() == 100'000u; }));
}

TEST_F(ConnectionsTest, TooManyClientsAreTurnedAway) {
  configure();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < Connections::kMaxClients; ++i) clients.push_back(connect("br0.mgmt"));
  EXPECT_TRUE(wait([&] { return sessions_.peers().size() == Connections::kMaxClients; }));
  auto late = connect("br0.mgmt");
  EXPECT_TRUE(wait([&] { return late->closed; }));
  clients.pop_back();
  EXPECT_TRUE(wait([&] { return sessions_.peers().size() < Connections::kMaxClients; }));
  late = connect("br0.mgmt");
  late->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return late->count("OFPT_ECHO_REPLY") == 1; }));
}

// Who connects and does not say hello, or half of it, does not keep others out for long.
TEST_F(ConnectionsTest, ClientsWithoutHelloGo) {
  configure();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < Connections::kMaxClients; ++i) {
    clients.push_back(connect_silently("br0.mgmt"));
    if (i % 2 == 0) clients.back()->send({4, 0, 0});
  }
  EXPECT_TRUE(wait([&] { return sessions_.peers().size() == Connections::kMaxClients; }));
  auto late = connect("br0.mgmt");
  EXPECT_TRUE(wait([&] { return late->closed; }));
  loop_.leap(Connections::kHelloWithin);
  EXPECT_TRUE(wait([&] {
    return std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client->closed; });
  }));
  EXPECT_TRUE(sessions_.peers().empty());
  late = connect("br0.mgmt");
  late->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return late->count("OFPT_ECHO_REPLY") == 1; }));
  // Who has said hello may be silent.
  loop_.leap(Duration::seconds(3600));
  late->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return late->count("OFPT_ECHO_REPLY") == 2; }));
}

// For a new client the one that has been silent longest gives way, unless something is kept for it.
TEST_F(ConnectionsTest, TheLongestSilentClientGivesWay) {
  configure();
  handler_.room.idle_timeout = Duration::seconds(3600);
  std::vector<std::unique_ptr<Client>> clients;
  const auto settled = [&] {
    return std::all_of(clients.begin(), clients.end(),
                       [](const auto& c) { return c->count("OFPT_ECHO_REPLY") == 1; });
  };
  for (std::size_t i = 0; i < Connections::kMaxClients; ++i) {
    clients.push_back(connect("br0.mgmt"));
    Client& client = *clients.back();
    if (i == 0)
      client.say(
          openflow::BundleControl{.id = 1, .type = openflow::BundleControlType::OpenRequest, .flags = {}});
    if (i == 1) client.say(openflow::SetConfig{{.miss_send_len = 128}});
    if (i == 2) client.say(openflow::RoleRequest{{.role = openflow::Role::Primary, .generation = 1}});
    client.say(openflow::EchoRequest{});
    ASSERT_TRUE(wait(settled));
    if (i == 3) handler_.kept = &sessions_.peers().back()->session();
    loop_.leap(Duration::milliseconds(10));
  }
  auto late = connect("br0.mgmt");
  EXPECT_TRUE(wait([&] { return late->closed; })) << "nobody has been silent for long";
  loop_.leap(Connections::kSilence);
  for (const std::size_t gives_way : {4u, 5u}) {
    late = connect("br0.mgmt");
    late->say(openflow::EchoRequest{});
    EXPECT_TRUE(wait([&] { return late->count("OFPT_ECHO_REPLY") == 1; }));
    EXPECT_TRUE(wait([&] { return clients[gives_way]->closed; }));
    EXPECT_EQ(
        std::count_if(clients.begin(), clients.end(), [](const auto& client) { return client->closed; }),
        static_cast<std::ptrdiff_t>(gives_way) - 3);
    clients.push_back(std::move(late));
  }
}

TEST_F(ConnectionsTest, ControllerIsConnectedAndConnectedAgain) {
  listen("ctl");
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  EXPECT_EQ(only().state, "ACTIVE");
  EXPECT_EQ(only().role, "other");
  EXPECT_EQ(only().version, "OpenFlow13");
  EXPECT_EQ(only().seconds_since_connect, 0);
  EXPECT_FALSE(only().seconds_since_disconnect);
  EXPECT_EQ(only().last_error, "");
  controller_->stream.reset();
  EXPECT_TRUE(wait([&] { return only().state == "BACKOFF"; }));
  EXPECT_EQ(only().last_error, "End of file");
  EXPECT_EQ(only().seconds_since_disconnect, 0);
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  EXPECT_EQ(only().successes, 2u);
  // Nothing that changed: the connection stays. What changed of it: anew.
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(only().is_connected);
  configure({.controllers = {{.target = "unix:ctl", .async = false}}});
  EXPECT_FALSE(only().is_connected);
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  connections_->reconnect();
  EXPECT_FALSE(only().is_connected);
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  EXPECT_EQ(only().successes, 4u);
  configure();
  EXPECT_TRUE(connections_->status().empty());
  EXPECT_TRUE(wait([&] { return controller_->closed; }));
}

TEST_F(ConnectionsTest, ControllerThatIsNotThereIsTriedAgain) {
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(wait([&] { return only().attempts >= 2 && only().state == "BACKOFF"; }));
  EXPECT_EQ(only().last_error, "No such file or directory");
  EXPECT_FALSE(only().seconds_since_connect);
  listen("ctl");
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
}

TEST_F(ConnectionsTest, ControllerWithoutHelloIsGivenUp) {
  greets_ = false;
  listen("ctl");
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(wait([&] { return attempts_ == 1; }));
  EXPECT_EQ(only().state, "CONNECTING");
  EXPECT_TRUE(wait([&] { return only().state == "BACKOFF"; }));
  EXPECT_EQ(only().last_error, "Connection timed out");
}

TEST_F(ConnectionsTest, SilentControllerIsProbedAndGivenUp) {
  listen("ctl");
  configure({.controllers = {{.target = "unix:ctl", .inactivity_probe_ms = 200}}});
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  EXPECT_TRUE(wait([&] { return controller_->count("OFPT_ECHO_REQUEST") == 1; }));
  EXPECT_TRUE(wait([&] { return only().state == "IDLE"; }));
  controller_->say(openflow::EchoReply{});
  EXPECT_TRUE(wait([&] { return only().state == "ACTIVE"; }));
  EXPECT_TRUE(wait([&] { return only().state == "BACKOFF"; }));
  EXPECT_EQ(only().last_error, "the peer does not answer");
}

TEST_F(ConnectionsTest, StandsAloneWithoutControllers) {
  const auto flows = [&] { return bridge_.dump_flows(loop_.clock().now()); };
  const auto change = [&](const char* flow, action::FlowCommand command) {
    ASSERT_TRUE(bridge_.change_flow(flow, command, loop_.clock().now()));
  };
  accepting_ = false;
  answers_ = true;
  listen("ctl");
  change("priority=5,actions=drop", action::FlowCommand::Add);
  configure({.controllers = {{.target = "unix:ctl", .inactivity_probe_ms = 50}}, .standalone = true});
  EXPECT_FALSE(connections_->standing_alone());
  EXPECT_TRUE(wait([&] { return connections_->standing_alone(); }));
  change("", action::FlowCommand::Delete);
  EXPECT_TRUE(bridge_.pipeline().config().stands_alone) << "no flow that somebody could delete";
  change("priority=5,actions=drop", action::FlowCommand::Add);
  accepting_ = true;
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  EXPECT_FALSE(connections_->standing_alone());
  EXPECT_FALSE(bridge_.pipeline().config().stands_alone);
  EXPECT_NE(flows().find("priority=5"), std::string::npos) << "its own flows stay";
}

TEST_F(ConnectionsTest, SnoopersSeeTheControllersMessages) {
  listen("ctl");
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  auto snooper = connect("br0.snoop"), service = connect("br0.mgmt");
  EXPECT_TRUE(wait([&] { return snooper->count("OFPT_HELLO") == 1; }));
  service->say(openflow::DescRequest{});
  EXPECT_TRUE(wait([&] { return service->count("OFPST_DESC reply") == 1; }));
  controller_->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return snooper->names.size() == 3; }));
  EXPECT_THAT(snooper->names, ::testing::ElementsAre("OFPT_HELLO", "OFPT_ECHO_REQUEST", "OFPT_ECHO_REPLY"));
}

TEST_F(ConnectionsTest, PacketsReachTheController) {
  listen("ctl");
  configure({.controllers = {{.target = "unix:ctl"}}});
  EXPECT_TRUE(wait([&] { return only().is_connected; }));
  PacketIn packet;
  packet.bridge = &bridge_;
  packet.key.in_port = be32{3};
  packet.key.eth_type = be16{0x0800};
  packet.key.ct_state = be32{0x21};
  packet.key.ct_zone = be16{9};
  packet.action.reason = 1;
  packet.action.max_len = 20;
  packet.bytes.assign(60, 1);
  pipeline::FrozenData state;
  state.in_port = 3;
  state.regs[2] = be32{8};
  state.from_rule = true;
  state.rule_cookie = 0x77;
  state.rule_table = 4;
  state.userdata = {1, 2};
  sessions_.deliver(packet_in_message(packet, &state), loop_.clock().now());
  EXPECT_TRUE(wait([&] { return controller_->count("OFPT_PACKET_IN") == 1; }));
  const auto* got = openflow::as<openflow::PacketIn>(*controller_->last);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->in_port(), 3u);
  EXPECT_EQ(got->cookie, 0x77u);
  EXPECT_EQ(got->table, 4);
  EXPECT_EQ(got->metadata.value.regs[2], be32{8});
  EXPECT_EQ(got->packet.size(), 60u) << "there are no buffers: max_len has nothing to say";
  EXPECT_EQ(got->total_length, 60u);
  EXPECT_EQ(got->metadata.value.ct_zone, be16{9});
  EXPECT_EQ(got->metadata.value.ct_state, be32{0x21});
}

/// OpenFlow 1.0 to 1.2: what no flow matches goes to the controller; later versions drop it.
TEST_F(ConnectionsTest, ThePipelineLearnsWhatSessionsWant) {
  configure();
  const auto miss = [&] { return bridge_.pipeline().config().default_miss; };
  auto client = connect("br0.mgmt", openflow::k10);
  client->say(openflow::EchoRequest{});
  EXPECT_TRUE(wait([&] { return client->count("OFPT_ECHO_REPLY") == 1; }));
  EXPECT_EQ(miss(), pipeline::TableMiss::Drop) << "a service connection has not asked for packets";
  openflow::SetConfig settings;
  settings.miss_send_len = 128;
  client->say(settings);
  EXPECT_TRUE(wait([&] { return miss() == pipeline::TableMiss::Controller; }));
  client.reset();
  EXPECT_TRUE(wait([&] { return miss() == pipeline::TableMiss::Drop; }));
}

TEST_F(ConnectionsTest, ListenersOfTheConfiguration) {
  configure({.controllers = {{.target = "ptcp:0:127.0.0.1"}, {.target = "punix:extra"}}});
  EXPECT_NE(connections_->status().at(0).listening_port, 0);
  EXPECT_EQ(connections_->status().at(1).is_connected, false);
  auto client = connect("extra");
  EXPECT_TRUE(wait([&] { return connections_->status().at(1).is_connected; }));
  // A listener that can't be is told, tried again, and harms no other.
  ConnectionsConfig config{.controllers = {{.target = "punix:no/such/folder"}, {.target = "punix:extra"}}};
  EXPECT_EQ(connections_->configure(config, nullptr).size(), 1u);
  EXPECT_EQ(connections_->status().size(), 1u);
  std::filesystem::create_directories(folder_ + "/no/such");
  EXPECT_TRUE(connections_->configure(config, nullptr).empty());
  EXPECT_FALSE(client->closed);
}

}  // namespace
}  // namespace sluice::ofproto
