// Peers, their sessions and the rate of packet-ins, without sockets and on a manual clock.
#include "ofproto/peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "field/of_error.h"
#include "ofproto/fail_open.h"
#include "ofproto/fake_switch.h"
#include "ofproto/sessions.h"
#include "openflow/packet_in_reason.h"

namespace sluice::ofproto {
namespace {

using openflow::AsyncKind;
using openflow::Body;
using openflow::OfVersion;
using openflow::PacketInReason;
using openflow::Role;
using ::testing::ElementsAre;

constexpr Instant kStart{1'000'000'000};

openflow::PacketIn packet_from(std::uint32_t port, PacketInReason reason = PacketInReason::Action) {
  openflow::PacketIn packet;
  packet.reason = reason;
  packet.metadata.value.in_port = be32{port};
  packet.metadata.mask.bits.in_port = be32{0xffffffff};
  packet.packet.assign(100, 0x55);
  packet.total_length = 100;
  return packet;
}

// --- The rate of packet-ins ---

std::vector<std::uint32_t> drain(PacketInPacer& pacer, Instant now) {
  std::vector<std::uint32_t> ports;
  while (const auto packet = pacer.next(now)) ports.push_back(packet->in_port());
  return ports;
}

TEST(PacketInPacer, WithoutRateAllGoAtOnce) {
  PacketInPacer pacer({}, kStart);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pacer.submit(packet_from(1), kStart));
  EXPECT_FALSE(pacer.deadline());
}

TEST(PacketInPacer, BurstThenRate) {
  PacketInPacer pacer({.rate = 100, .burst = 3}, kStart);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pacer.submit(packet_from(1), kStart));
  EXPECT_FALSE(pacer.submit(packet_from(1), kStart));
  EXPECT_FALSE(pacer.submit(packet_from(1), kStart));
  const Instant first = kStart + Duration::milliseconds(10);
  EXPECT_EQ(pacer.deadline(), first);
  EXPECT_TRUE(drain(pacer, first - Duration::nanoseconds(1)).empty());
  EXPECT_EQ(drain(pacer, first).size(), 1u);
  EXPECT_EQ(pacer.deadline(), first + Duration::milliseconds(10));
  // Behind one that waits all wait, even if there is credit.
  const Instant later = first + Duration::milliseconds(25);
  EXPECT_FALSE(pacer.submit(packet_from(2), later));
  EXPECT_THAT(drain(pacer, later), ElementsAre(2, 1));
  EXPECT_FALSE(pacer.deadline());
  EXPECT_EQ(pacer.counters().bypassed, 3u);
  EXPECT_EQ(pacer.counters().queued, 3u);
  EXPECT_EQ(pacer.counters().dropped, 0u);
}

TEST(PacketInPacer, PortsTakeTurnsAndTheGreedyOnePays) {
  PacketInPacer pacer({.rate = 100, .burst = 4}, kStart);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(pacer.submit(packet_from(9), kStart));
  for (int i = 0; i < 10; ++i) pacer.submit(packet_from(1), kStart);
  EXPECT_EQ(pacer.waiting(), 4u);
  EXPECT_EQ(pacer.counters().dropped, 6u);
  pacer.submit(packet_from(2), kStart);
  pacer.submit(packet_from(3), kStart);
  EXPECT_EQ(pacer.counters().dropped, 8u);
  const Instant later = kStart + Duration::seconds(60);
  EXPECT_THAT(drain(pacer, later), ElementsAre(1, 2, 3, 1));
}

TEST(PacketInPacer, CreditDoesNotGrowBeyondTheBurst) {
  PacketInPacer pacer({.rate = 1000, .burst = 0}, kStart);
  const Instant later = kStart + Duration::seconds(100'000);
  unsigned at_once = 0;
  while (pacer.submit(packet_from(1), later)) ++at_once;
  EXPECT_EQ(at_once, 250u);
}

// --- Peers and sessions ---

struct FakeWire : PeerWire {
  void output_ready() override { ++wakes; }
  std::size_t unsent() const override { return stuck; }
  unsigned wakes = 0;
  std::size_t stuck = 0;
};

class PeerTest : public ::testing::Test {
 protected:
  struct Client {
    FakeWire wire;
    std::unique_ptr<Peer> peer;
  };

  Client& connect(OfVersion version, Peer::Options options = {}) {
    auto& client = *clients_.emplace_back(std::make_unique<Client>());
    client.peer = std::make_unique<Peer>(std::move(options), handler_, sessions_, client.wire, kStart);
    say(client, openflow::Hello{.versions = 1u << static_cast<unsigned>(version)}, version);
    EXPECT_EQ(client.peer->session().state(), openflow::Session::State::Open);
    client.peer->take_output();
    return client;
  }
  /// The client says it, the peer serves it.
  void say(Client& client, Body body, OfVersion version) {
    client.peer->receive(openflow::encode(openflow::make_message(std::move(body), {.version = version}, 7)),
                         kStart);
    client.peer->serve(kStart);
  }
  void say(Client& client, Body body) { say(client, std::move(body), client.peer->session().version()); }
  /// Names of the messages that the client gets.
  std::vector<std::string> heard(Client& client) {
    openflow::Splitter splitter;
    splitter.append(client.peer->take_output());
    std::vector<std::string> names;
    for (auto next = splitter.next(); next && *next; next = splitter.next()) {
      const auto message = openflow::decode(**next);
      names.emplace_back(message ? std::string(message->form->name) : message.error().message);
      if (message)
        if (const auto* packet = openflow::as<openflow::PacketIn>(*message)) last_packet_ = *packet;
    }
    return names;
  }
  void deliver(PacketInReason reason, PacketInMessage message = {}) {
    message.body = packet_from(3, reason);
    sessions_.deliver(message, kStart);
  }

  Sessions sessions_;
  FakeSwitch handler_{sessions_};
  std::vector<std::unique_ptr<Client>> clients_;  ///< gone before what they use
  std::optional<openflow::PacketIn> last_packet_;
};

TEST_F(PeerTest, PortStatusGoesToThoseWhoWantIt) {
  auto& controller = connect(openflow::k13);
  auto& secondary = connect(openflow::k13);
  auto& service = connect(openflow::k13, {.session = {.service = true}});
  auto& silent = connect(openflow::k13, {.session = {.async = false}});
  openflow::RoleRequest role;
  role.role = Role::Secondary;
  say(secondary, role);
  heard(secondary);
  sessions_.deliver(AsyncKind::PortStatus, 0, openflow::PortStatus{});
  EXPECT_THAT(heard(controller), ElementsAre("OFPT_PORT_STATUS"));
  EXPECT_THAT(heard(secondary), ElementsAre("OFPT_PORT_STATUS"));
  EXPECT_THAT(heard(service), ElementsAre());
  EXPECT_THAT(heard(silent), ElementsAre());
  sessions_.deliver(AsyncKind::PortStatus, 0, openflow::PortStatus{}, &controller.peer->session());
  EXPECT_THAT(heard(controller), ElementsAre());
  EXPECT_THAT(heard(secondary), ElementsAre("OFPT_PORT_STATUS"));
  sessions_.deliver(AsyncKind::FlowRemoved, 0, openflow::FlowRemoved{});
  EXPECT_THAT(heard(controller), ElementsAre("OFPT_FLOW_REMOVED"));
  EXPECT_THAT(heard(secondary), ElementsAre());
  EXPECT_TRUE(sessions_.wanted(AsyncKind::FlowRemoved, 0));
  clients_.erase(clients_.begin());
  EXPECT_FALSE(sessions_.wanted(AsyncKind::FlowRemoved, 0));
  EXPECT_EQ(handler_.forgotten, 1u);
}

TEST_F(PeerTest, PacketInsGoWholeByControllerId) {
  auto& one = connect(openflow::k13);
  auto& two = connect(openflow::k13);
  say(two, openflow::SetControllerId{.id = 5});
  deliver(PacketInReason::Action, {.controller_id = 5});
  EXPECT_THAT(heard(one), ElementsAre());
  EXPECT_THAT(heard(two), ElementsAre("OFPT_PACKET_IN"));
  EXPECT_EQ(last_packet_->packet.size(), 100u);
  EXPECT_EQ(last_packet_->total_length, 100u);
  EXPECT_FALSE(last_packet_->buffer);
}

TEST_F(PeerTest, ImplicitMissesAreForOldVersions) {
  auto& newer = connect(openflow::k13);
  EXPECT_FALSE(sessions_.wants_implicit_misses());
  auto& older = connect(openflow::k10);
  EXPECT_TRUE(sessions_.wants_implicit_misses());
  deliver(PacketInReason::NoMatch, {.implicit_miss = true});
  EXPECT_THAT(heard(newer), ElementsAre());
  EXPECT_THAT(heard(older), ElementsAre("OFPT_PACKET_IN"));
  deliver(PacketInReason::NoMatch);
  EXPECT_THAT(heard(newer), ElementsAre("OFPT_PACKET_IN"));
  heard(older);
  deliver(openflow::kExplicitMiss);
  EXPECT_THAT(heard(newer), ElementsAre("OFPT_PACKET_IN"));
  EXPECT_EQ(last_packet_->reason, PacketInReason::NoMatch);
  EXPECT_THAT(heard(older), ElementsAre("OFPT_PACKET_IN"));
  EXPECT_EQ(last_packet_->reason, PacketInReason::Action);
}

TEST_F(PeerTest, KindsOfPacketInsHaveRatesOfTheirOwn) {
  auto& slow = connect(openflow::k13, {.pacing = {.rate = 100, .burst = 2}});
  auto& fast = connect(openflow::k13);
  for (int i = 0; i < 3; ++i) deliver(PacketInReason::Action);
  deliver(PacketInReason::NoMatch);
  EXPECT_EQ(heard(slow).size(), 3u);
  EXPECT_EQ(heard(fast).size(), 4u);
  EXPECT_EQ(slow.peer->pacer(Peer::PacketInKind::Action).waiting(), 1u);
  EXPECT_EQ(slow.peer->pacer(Peer::PacketInKind::Miss).counters().bypassed, 1u);
  const auto due = slow.peer->deadline();
  ASSERT_EQ(due, kStart + Duration::milliseconds(10));
  slow.peer->tick(*due);
  EXPECT_THAT(heard(slow), ElementsAre("OFPT_PACKET_IN"));
}

TEST_F(PeerTest, WhoDoesNotReadLosesAsyncMessagesAndNothingElse) {
  auto& stuck = connect(openflow::k13);
  auto& other = connect(openflow::k13);
  stuck.wire.stuck = peer_limits::kAsyncBelowBytes;
  deliver(PacketInReason::Action);
  sessions_.deliver(AsyncKind::PortStatus, 0, openflow::PortStatus{});
  EXPECT_THAT(heard(stuck), ElementsAre());
  EXPECT_EQ(stuck.peer->counters().async_dropped, 2u);
  EXPECT_EQ(heard(other).size(), 2u);
  EXPECT_EQ(other.peer->counters().async_sent, 2u);
  say(stuck, openflow::EchoRequest{});
  EXPECT_THAT(heard(stuck), ElementsAre("OFPT_ECHO_REPLY"));
}

TEST_F(PeerTest, RequestsWaitWhileOutputWaits) {
  auto& client = connect(openflow::k13);
  client.wire.stuck = peer_limits::kServeBelowBytes;
  say(client, openflow::DescRequest{});
  EXPECT_TRUE(handler_.requests.empty());
  EXPECT_FALSE(client.peer->has_room());
  client.wire.stuck = 0;
  EXPECT_FALSE(client.peer->serve(kStart)) << "nothing is left";
  EXPECT_EQ(handler_.requests.size(), 1u);
}

TEST_F(PeerTest, FloodIsServedInTurns) {
  auto& client = connect(openflow::k13);
  std::vector<std::uint8_t> flood;
  const auto one =
      openflow::encode(openflow::make_message(openflow::DescRequest{}, {.version = openflow::k13}, 1));
  for (unsigned i = 0; i < peer_limits::kMessagesPerTurn * 2 + 1; ++i)
    flood.insert(flood.end(), one.begin(), one.end());
  client.peer->receive(flood, kStart);
  EXPECT_TRUE(client.peer->serve(kStart));
  EXPECT_EQ(handler_.requests.size(), peer_limits::kMessagesPerTurn);
  EXPECT_TRUE(client.peer->serve(kStart));
  EXPECT_FALSE(client.peer->serve(kStart));
  EXPECT_EQ(handler_.requests.size(), peer_limits::kMessagesPerTurn * 2 + 1);
}

TEST_F(PeerTest, SnooperSeesBothWays) {
  auto& client = connect(openflow::k13);
  std::vector<std::uint8_t> seen;
  client.peer->set_snooper([&](Bytes bytes) { seen.insert(seen.end(), bytes.begin(), bytes.end()); });
  say(client, openflow::EchoRequest{});
  openflow::Splitter splitter;
  splitter.append(seen);
  std::vector<unsigned> types;
  for (auto next = splitter.next(); next && *next; next = splitter.next())
    types.push_back(openflow::decode_header(**next)->type);
  EXPECT_THAT(types, ElementsAre(2, 3));
}

// --- Roles ---

class RoleTest : public PeerTest {
 protected:
  /// Asks for a role: the text of the answer.
  std::string ask(Client& client, Role role, std::optional<std::uint64_t> generation = {}) {
    openflow::RoleRequest request;
    request.role = role;
    request.generation = generation;
    say(client, std::move(request));
    return openflow::print(client.peer->take_output(), {.verbosity = 0});
  }
};

TEST_F(RoleTest, OnePrimaryAtMost) {
  auto& a = connect(openflow::k14);
  auto& b = connect(openflow::k14);
  EXPECT_EQ(ask(a, Role::Primary, 1), "OFPT_ROLE_REPLY (OF1.4) (xid=0x7): role=primary generation_id=1\n");
  EXPECT_EQ(ask(b, Role::Primary, 2), "OFPT_ROLE_REPLY (OF1.4) (xid=0x7): role=primary generation_id=2\n");
  EXPECT_EQ(a.peer->session().role(), Role::Secondary);
  EXPECT_EQ(openflow::print(a.peer->take_output(), {.verbosity = 0}),
            "OFPT_ROLE_STATUS (OF1.4) (xid=0x0): role=secondary generation_id=2 reason=primary_request\n");
  EXPECT_EQ(ask(a, Role::NoChange), "OFPT_ROLE_REPLY (OF1.4) (xid=0x7): role=secondary generation_id=2\n");
  EXPECT_EQ(ask(a, Role::Equal), "OFPT_ROLE_REPLY (OF1.4) (xid=0x7): role=equal generation_id=2\n");
  EXPECT_EQ(b.peer->session().role(), Role::Primary);
}

// Between the demotion of one and the promotion of another nobody would want packets: that is not told.
TEST_F(RoleTest, AHandOverIsToldOnceItIsWhole) {
  auto& a = connect(openflow::k13);
  auto& b = connect(openflow::k13);
  ask(a, Role::Primary, 1);
  ask(b, Role::Secondary, 1);
  const std::uint32_t wanted = sessions_.wanted_packet_ins();
  ASSERT_NE(wanted, 0u);
  std::vector<std::uint32_t> told;
  sessions_.set_on_wants([&] { told.push_back(sessions_.wanted_packet_ins()); });
  ask(b, Role::Primary, 2);
  EXPECT_EQ(a.peer->session().role(), Role::Secondary);
  EXPECT_THAT(told, ElementsAre(wanted));
  sessions_.set_on_wants({});
}

TEST_F(RoleTest, GenerationsMoveForwardOnlyAndWrap) {
  auto& a = connect(openflow::k13);
  auto& b = connect(openflow::k13);
  ask(a, Role::Primary, 0xffffffffffffffff);
  ask(b, Role::Secondary, 3);
  EXPECT_EQ(b.peer->session().role(), Role::Secondary) << "3 comes after the largest number";
  ask(b, Role::Primary, 0xfffffffffffffffe);
  EXPECT_EQ(b.peer->session().role(), Role::Secondary) << "stale";
  EXPECT_EQ(a.peer->session().role(), Role::Primary);
  EXPECT_NE(ask(b, Role::Primary, 2).find("OFPRRFC_STALE"), std::string::npos);
}

// --- Packet-ins that wait ---

TEST_F(PeerTest, PacketInsBeyondTheQueueAreDroppedUntilSomeAreReceived) {
  Client& client = connect(openflow::k13, {.session = {.versions = 0x7e}, .max_packet_ins = 3});
  for (int i = 0; i < 5; ++i) deliver(PacketInReason::Action);
  EXPECT_EQ(client.peer->counters().async_sent, 3u);
  EXPECT_EQ(client.peer->counters().async_dropped, 2u);
  EXPECT_EQ(heard(client).size(), 3u);
  for (int i = 0; i < 4; ++i) deliver(PacketInReason::Action);
  EXPECT_EQ(heard(client).size(), 3u) << "as many fit again";
  // What the wire has not sent yet waits as well.
  client.wire.stuck = 1;
  deliver(PacketInReason::Action);
  deliver(PacketInReason::Action);
  deliver(PacketInReason::Action);
  EXPECT_EQ(heard(client).size(), 2u);
}

TEST_F(PeerTest, PacketInsThatWereDroppedDoNotWait) {
  Client& client = connect(openflow::k13, {.session = {.versions = 0x7e}, .max_packet_ins = 3});
  client.wire.stuck = peer_limits::kAsyncBelowBytes;
  for (int i = 0; i < 3; ++i) deliver(PacketInReason::Action);
  EXPECT_EQ(client.peer->counters().async_dropped, 3u);
  client.wire.stuck = 1;
  for (int i = 0; i < 4; ++i) deliver(PacketInReason::Action);
  EXPECT_EQ(heard(client).size(), 3u);
}

TEST_F(PeerTest, TellsForWhichReasonsPacketsAreWanted) {
  EXPECT_EQ(sessions_.wanted_packet_ins(), 0u);
  Client& client = connect(openflow::k13);
  const auto bit = [](PacketInReason reason) { return 1u << static_cast<unsigned>(reason); };
  EXPECT_EQ(sessions_.wanted_packet_ins(), ~bit(PacketInReason::InvalidTtl));
  say(client, openflow::SetAsync{{.primary = {bit(PacketInReason::InvalidTtl)}}});
  EXPECT_EQ(sessions_.wanted_packet_ins(), bit(PacketInReason::InvalidTtl));
}

// Whoever names reasons himself gets the packets that are told him with these, whatever later versions call
// them.
TEST_F(PeerTest, ReasonsAreThoseOfTheVersion) {
  constexpr PacketInReason kAll[] = {PacketInReason::NoMatch,    PacketInReason::Action,
                                     PacketInReason::InvalidTtl, PacketInReason::ActionSet,
                                     PacketInReason::Group,      PacketInReason::PacketOut,
                                     openflow::kExplicitMiss};
  const auto told = [&](openflow::OfVersion version, PacketInReason wanted) {
    Client& client = connect(version);
    say(client, openflow::SetAsync{{.primary = {1u << static_cast<unsigned>(wanted)}}});
    std::vector<unsigned> reasons;
    for (const PacketInReason reason : kAll) {
      deliver(reason);
      const bool is_wanted = sessions_.wanted_packet_ins() >> static_cast<unsigned>(reason) & 1;
      const auto messages = heard(client);
      EXPECT_EQ(messages.size(), is_wanted ? 1u : 0u);
      if (messages.empty()) continue;
      EXPECT_EQ(last_packet_->reason, wanted);
      reasons.push_back(static_cast<unsigned>(reason));
    }
    clients_.pop_back();
    return reasons;
  };
  EXPECT_THAT(told(openflow::k10, PacketInReason::NoMatch), ElementsAre(0));
  EXPECT_THAT(told(openflow::k10, PacketInReason::Action), ElementsAre(1, 3, 4, 5, 6));
  EXPECT_THAT(told(openflow::k12, PacketInReason::Action), ElementsAre(1, 3, 4, 5, 6));
  EXPECT_THAT(told(openflow::k13, PacketInReason::NoMatch), ElementsAre(0, 6));
  EXPECT_THAT(told(openflow::k13, PacketInReason::Action), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(told(openflow::k13, PacketInReason::InvalidTtl), ElementsAre(2));
  EXPECT_THAT(told(openflow::k14, PacketInReason::NoMatch), ElementsAre(0, 6));
  EXPECT_THAT(told(openflow::k14, PacketInReason::Action), ElementsAre(1));
  EXPECT_THAT(told(openflow::k15, PacketInReason::Group), ElementsAre(4));
}

// Each message that changes what is wanted tells it before the next is served.
TEST_F(PeerTest, TellsAtOnceWhatIsWanted) {
  std::vector<std::uint32_t> told;
  sessions_.set_on_wants([&] {
    const std::uint32_t wanted = sessions_.wanted_packet_ins();
    if (told.empty() || told.back() != wanted) told.push_back(wanted);
  });
  Client& client = connect(openflow::k12);
  openflow::RoleRequest role;
  role.role = Role::Secondary;
  std::vector<std::uint8_t> burst;
  const auto append = [&](Body body) {
    const auto bytes =
        openflow::encode(openflow::make_message(std::move(body), {.version = openflow::k12}, 7));
    burst.insert(burst.end(), bytes.begin(), bytes.end());
  };
  append(openflow::SetAsync{{.primary = {1}, .secondary = {2}}});
  append(role);
  role.role = Role::Equal;
  append(role);
  append(openflow::SetConfig{{.invalid_ttl_to_controller = true}});
  client.peer->receive(burst, kStart);
  EXPECT_FALSE(client.peer->serve(kStart));
  const std::uint32_t at_first = told.empty() ? 0 : told[0];
  clients_.clear();
  constexpr std::uint32_t kActions = ~0x5u;  // what 1.2 calls so: all but no match and an invalid TTL
  EXPECT_THAT(told, ElementsAre(at_first, 1, kActions, 1, 5, 0));
  sessions_.set_on_wants({});
}

// --- fail_mode standalone ---

TEST(FailOpen, AfterThreeProbesUntilOneIsBack) {
  constexpr Duration kProbe = Duration::seconds(5);
  FailOpen fail_open;
  Instant now = kStart;
  EXPECT_FALSE(fail_open.update(false, false, kProbe, now)) << "secure";
  EXPECT_FALSE(fail_open.deadline());
  EXPECT_FALSE(fail_open.update(true, false, kProbe, now));
  ASSERT_EQ(fail_open.deadline(), kStart + Duration::seconds(15));
  EXPECT_FALSE(fail_open.update(true, false, kProbe, *fail_open.deadline() - Duration::nanoseconds(1)));
  now = *fail_open.deadline();
  EXPECT_TRUE(fail_open.update(true, false, kProbe, now));
  EXPECT_FALSE(fail_open.update(true, true, kProbe, now));
  EXPECT_FALSE(fail_open.update(true, false, kProbe, now)) << "the time starts anew";
  EXPECT_EQ(fail_open.deadline(), now + Duration::seconds(15));
  EXPECT_FALSE(fail_open.update(true, false, {}, now)) << "never probed: as if by default";
  EXPECT_EQ(fail_open.deadline(), now + Duration::seconds(15));
}

}  // namespace
}  // namespace sluice::ofproto
