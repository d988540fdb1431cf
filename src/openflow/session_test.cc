#include "openflow/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::openflow {
namespace {

/// A switch that does everything at once and remembers what it was asked.
struct FakeSwitch : SessionHandler {
  Status handle(Session& session, const Message& request) override {
    requests.emplace_back(request.form->name);
    if (as<DescRequest>(request)) session.reply(request, DescReply{.manufacturer = "fake"});
    if (as<PacketOut>(request)) return fail("no such port", OfError::BrcBadPort);
    return {};
  }
  BundleRoom& bundle_room() override { return room; }
  Status commit(Session&, BundleMessages& messages, const BundleFlags& flags) override {
    atomic = flags.atomic;
    for (committed = 0;; ++committed) {
      SLUICE_ASSIGN(const auto next, messages.next());
      if (!next.message) return {};
      if (committed == fail_at) return fail("table full", OfError::FmfcTableFull);
    }
  }
  Result<std::optional<std::uint64_t>> claim_role(Session&, Role role,
                                                  std::optional<std::uint64_t> generation) override {
    if (role == Role::Primary || role == Role::Secondary) {
      if (generation && newest && *generation < *newest) return fail("stale", OfError::RrfcStale);
      if (generation) newest = generation;
    }
    return newest;
  }
  Prepared prepare(const Message&) override {
    if (prepared_bytes == 0) return {};
    ++prepared;
    return {.what = &prepared, .bytes = prepared_bytes};
  }
  void drop(void*) override { --prepared; }
  BundleRoom room;
  int prepared = 0;  ///< that nobody has taken
  std::size_t prepared_bytes = 0;
  std::vector<std::string> requests;
  std::size_t committed = 0;
  bool atomic = false;
  std::optional<std::size_t> fail_at;
  std::optional<std::uint64_t> newest;
};

class SessionTest : public ::testing::Test {
 protected:
  static constexpr Instant kStart{1'000'000'000};

  /// A session that has agreed on a version.
  void open(OfVersion version, Session::Options options = {}) {
    session.emplace(options, handler, kStart);
    session->receive(encode(make_message(Hello{.versions = 1u << static_cast<unsigned>(version)},
                                         {.version = version}, 9)),
                     kStart);
    ASSERT_EQ(session->state(), Session::State::Open);
    ASSERT_EQ(session->version(), version);
    session->take_output();
  }
  void send(Body body, std::uint32_t xid = 5, bool nxm = false) {
    const Dialect dialect{.version = session->version(), .nxm = nxm};
    session->receive(encode(make_message(std::move(body), dialect, xid)), kStart);
  }
  /// The text of all that the session wants to send.
  std::string output() {
    Splitter splitter;
    splitter.append(session->take_output());
    std::string text;
    for (auto next = splitter.next(); next && *next; next = splitter.next())
      text += print(**next, {.verbosity = 0});
    return text;
  }

  FakeSwitch handler;
  std::optional<Session> session;
};

TEST_F(SessionTest, AgreesOnTheHighestCommonVersion) {
  session.emplace(Session::Options{.versions = 0x12}, handler, kStart);
  EXPECT_EQ(output(), "OFPT_HELLO (OF1.3) (xid=0x1):\n version bitmap: 0x01, 0x04\n");
  session->receive(encode(make_message(Hello{.versions = 0x7e}, {.version = k15}, 1)), kStart);
  EXPECT_EQ(session->version(), k13);
}

TEST_F(SessionTest, NoCommonVersionIsSaidAndEndsIt) {
  session.emplace(Session::Options{.versions = 0x10}, handler, kStart);
  session->take_output();
  session->receive(encode(make_message(Hello{.versions = 0x02}, {.version = k10}, 1)), kStart);
  EXPECT_EQ(session->state(), Session::State::Closed);
  EXPECT_THAT(output(),
              ::testing::StartsWith("OFPT_ERROR (OF1.3) (xid=0x1): OFPHFC_INCOMPATIBLE\nno common version"));
}

TEST_F(SessionTest, AnswersEchoesAndBarriersInOrder) {
  open(k13);
  EchoRequest echo;
  echo.data = {1, 2, 3};
  const Dialect dialect{.version = k13};
  std::vector<std::uint8_t> stream;
  for (const auto& bytes :
       {encode(make_message(echo, dialect, 2)), encode(make_message(DescRequest{}, dialect, 3)),
        encode(make_message(BarrierRequest{}, dialect, 4))})
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  for (const std::uint8_t byte : stream) session->receive(Bytes(&byte, 1), kStart);
  EXPECT_EQ(output(),
            "OFPT_ECHO_REPLY (OF1.3) (xid=0x2): 3 bytes of payload\n"
            "OFPST_DESC reply (OF1.3) (xid=0x3):\nManufacturer: fake\nHardware: \nSoftware: \nSerial Num: "
            "\nDP Description: \n"
            "OFPT_BARRIER_REPLY (OF1.3) (xid=0x4):\n");
}

TEST_F(SessionTest, MistakesAreAnsweredAndEndNothing) {
  open(k10);
  const std::uint8_t unknown[] = {1, 0x99, 0, 8, 0, 0, 0, 7};
  session->receive(unknown, kStart);
  EXPECT_EQ(output(),
            "OFPT_ERROR (xid=0x7): OFPBRC_BAD_TYPE\n***decode error: OFPBRC_BAD_TYPE***\n"
            "00000000  01 99 00 08 00 00 00 07-                        |........        |\n");
  send(PacketOut{}, 8);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (xid=0x8): OFPBRC_BAD_PORT\n"));
  const std::uint8_t other_version[] = {4, 5, 0, 8, 0, 0, 0, 9};
  session->receive(other_version, kStart);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.3) (xid=0x9): OFPBRC_BAD_VERSION\n"));
  const std::uint8_t no_version[] = {0, 2, 0, 8, 0, 0, 0, 9};
  session->receive(no_version, kStart);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (xid=0x9): OFPBRC_BAD_VERSION\n"));
  const std::uint8_t echo[] = {4, 2, 0, 8, 0, 0, 0, 9};
  session->receive(echo, kStart);
  EXPECT_EQ(output(), "OFPT_ECHO_REPLY (OF1.3) (xid=0x9): 0 bytes of payload\n") << "is the same in all";
  EXPECT_EQ(session->state(), Session::State::Open);
  const std::uint8_t broken[] = {1, 2, 0, 7, 0, 0, 0, 9};
  session->receive(broken, kStart);
  EXPECT_EQ(session->state(), Session::State::Closed);
}

TEST_F(SessionTest, ASilentPeerIsProbedThenGivenUp) {
  open(k13, {.probe_after = Duration::seconds(5)});
  EXPECT_EQ(session->deadline(), kStart + Duration::seconds(5));
  session->tick(kStart + Duration::seconds(4));
  EXPECT_EQ(output(), "");
  session->tick(kStart + Duration::seconds(5));
  EXPECT_EQ(output(), "OFPT_ECHO_REQUEST (OF1.3) (xid=0x0): 0 bytes of payload\n");
  session->receive(encode(make_message(EchoReply{}, {.version = k13}, 0)), kStart + Duration::seconds(6));
  EXPECT_EQ(session->deadline(), kStart + Duration::seconds(11));
  session->tick(kStart + Duration::seconds(11));
  session->tick(kStart + Duration::seconds(16));
  EXPECT_EQ(session->state(), Session::State::Closed);
}

TEST_F(SessionTest, AHelloHasItsTime) {
  const auto hello = encode(make_message(Hello{.versions = 0x10}, {.version = k13}, 9));
  const Session::Options options{.hello_within = Duration::seconds(10)};
  session.emplace(options, handler, kStart);
  EXPECT_EQ(session->deadline(), kStart + Duration::seconds(10));
  // A byte now and then buys none.
  for (unsigned i = 0; i < 4; ++i) session->receive(Bytes(&hello[i], 1), kStart + Duration::seconds(2 * i));
  session->tick(kStart + Duration::seconds(10) - Duration{1});
  EXPECT_EQ(session->state(), Session::State::Hello);
  session->tick(kStart + Duration::seconds(10));
  EXPECT_EQ(session->state(), Session::State::Closed);
  EXPECT_EQ(session->reason(), "the peer did not say hello");
  open(k13, options);
  EXPECT_FALSE(session->deadline());
}

TEST_F(SessionTest, RolesDecideWhatIsAllowedAndTold) {
  open(k14);
  EXPECT_TRUE(session->wants(AsyncKind::PacketIn, 0));
  RoleRequest request;
  request.role = Role::Secondary;
  request.generation = 7;
  send(request, 1);
  EXPECT_EQ(output(), "OFPT_ROLE_REPLY (OF1.4) (xid=0x1): role=secondary generation_id=7\n");
  EXPECT_FALSE(session->wants(AsyncKind::PacketIn, 0));
  EXPECT_TRUE(session->wants(AsyncKind::PortStatus, 2));
  send(FlowMod{}, 2);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.4) (xid=0x2): OFPBRC_IS_SECONDARY\n"));
  EXPECT_TRUE(handler.requests.empty());
  request.generation = 6;
  send(request, 3);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.4) (xid=0x3): OFPRRFC_STALE\n"));
  request.role = Role::Primary;
  request.generation = 8;
  send(request, 4);
  output();
  session->demote(9);
  EXPECT_EQ(output(),
            "OFPT_ROLE_STATUS (OF1.4) (xid=0x0): role=secondary generation_id=9 reason=primary_request\n");
}

TEST_F(SessionTest, WhatIsNoMessageIsSaidToSecondariesFirst) {
  open(k12);
  RoleRequest request;
  request.role = Role::Secondary;
  request.generation = 7;
  send(request, 1);
  output();
  const std::uint8_t meter_mod[] = {3, 29, 0, 8, 0, 0, 0, 2};
  session->receive(meter_mod, kStart);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.2) (xid=0x2): OFPBRC_BAD_TYPE\n"));
  const std::uint8_t short_flow_mod[] = {3, 14, 0, 8, 0, 0, 0, 3};
  session->receive(short_flow_mod, kStart);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.2) (xid=0x3): OFPBRC_BAD_LEN\n"));
  std::vector<std::uint8_t> wrong_flow_mod(56);
  const std::uint8_t header[] = {3, 14, 0, 56, 0, 0, 0, 4};
  std::copy(std::begin(header), std::end(header), wrong_flow_mod.begin());
  wrong_flow_mod[25] = 99;  // its command
  session->receive(wrong_flow_mod, kStart);
  EXPECT_THAT(output(), ::testing::StartsWith("OFPT_ERROR (OF1.2) (xid=0x4): OFPBRC_IS_SECONDARY\n"));
}

TEST_F(SessionTest, AsynchronousMessagesAsAskedFor) {
  open(k10, {.service = true});
  EXPECT_FALSE(session->wants(AsyncKind::PacketIn, 1));
  SetConfig config;
  config.miss_send_len = 128;
  send(config);
  EXPECT_TRUE(session->wants(AsyncKind::PacketIn, 1));
  SetAsync async;
  async.primary[static_cast<std::size_t>(AsyncKind::PacketIn)] = 1;
  send(async);
  EXPECT_FALSE(session->wants(AsyncKind::PacketIn, 1));
  EXPECT_TRUE(session->wants(AsyncKind::PacketIn, 0));
  send(SetPacketInFormat{.style = Style::Nicira2});
  PacketIn in{.packet = std::vector<std::uint8_t>(20)};
  in.total_length = 20;
  session->send(in);
  EXPECT_THAT(output(), ::testing::StartsWith("NXT_PACKET_IN2 (xid=0x0): total_len=20"));
}

TEST_F(SessionTest, BundlesAreCollectedThenCommitted) {
  open(k14);
  const auto control = [&](BundleControlType type, std::uint32_t xid) {
    send(BundleControl{.id = 1, .type = type, .flags = {.atomic = true}}, xid);
  };
  const auto add = [&](std::uint32_t xid) {
    send(BundleAdd{.id = 1,
                   .flags = {.atomic = true},
                   .message = encode(make_message(FlowMod{}, {.version = k14}, xid))},
         xid);
  };
  control(BundleControlType::OpenRequest, 1);
  EXPECT_EQ(output(), "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x1):\n bundle_id=0x1 type=OPEN_REPLY flags=0\n");
  add(2);
  add(3);
  control(BundleControlType::CommitRequest, 4);
  EXPECT_EQ(output(), "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0x4):\n bundle_id=0x1 type=COMMIT_REPLY flags=0\n");
  EXPECT_EQ(handler.committed, 2u);
  EXPECT_TRUE(handler.atomic);

  // Of a bundle that fails the message that failed is named, then the bundle.
  add(5);
  add(6);
  handler.fail_at = 1;
  control(BundleControlType::CommitRequest, 7);
  const std::string failure = output();
  EXPECT_THAT(failure, ::testing::StartsWith(
                           "OFPT_ERROR (OF1.4) (xid=0x6): OFPFMFC_TABLE_FULL\nOFPT_BUNDLE_ADD_MESSAGE "
                           "(OF1.4) (xid=0x6):\n(***truncated to 64 "
                           "bytes from 72***)\n00000000  05 22"));
  EXPECT_THAT(failure, ::testing::HasSubstr("OFPT_ERROR (OF1.4) (xid=0x7): OFPBFC_MSG_FAILED\n"));
  control(BundleControlType::CommitRequest, 8);
  EXPECT_THAT(output(), ::testing::HasSubstr("OFPBFC_BAD_ID"));
  add(9);
  control(BundleControlType::CloseRequest, 10);
  add(11);
  EXPECT_THAT(output(), ::testing::HasSubstr("(xid=0xb): OFPBFC_BUNDLE_CLOSED"));
}

TEST_F(SessionTest, ABundleCostsWhatItsMessagesAreLong) {
  open(k14);
  const auto add = encode(make_message(
      BundleAdd{.id = 1, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, 5))},
      {.version = k14}, 5));
  BundleMessages messages(k14, true);
  constexpr std::size_t kCount = 20'000;
  for (std::size_t i = 0; i < kCount; ++i) messages.append(add);
  constexpr std::size_t kTwoBlocks = 2 * 64 << 10;
  EXPECT_LE(messages.memory_bytes(), kCount * add.size() * 102 / 100 + kTwoBlocks);
  // What was read is given back.
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto next = messages.next();
    ASSERT_TRUE(next && next->message);
    ASSERT_NE(as<FlowMod>(*next->message), nullptr);
    ASSERT_EQ(messages.current_add().size(), add.size());
    ASSERT_LE(messages.memory_bytes(), (kCount - i) * add.size() * 102 / 100 + kTwoBlocks);
  }
  const auto last = messages.next();
  EXPECT_TRUE(last && !last->message && !last->prepared);
  EXPECT_EQ(messages.memory_bytes(), 0u);
  EXPECT_TRUE(messages.current_add().empty());
}

// Of what the switch has prepared each piece is handed over once, or given back; beside it no more is kept
// than an error tells.
TEST_F(SessionTest, WhatIsPreparedGoesToTheCommitOrBack) {
  struct Owner : PreparedOwner {
    void drop(void* prepared) override { dropped.push_back(*static_cast<int*>(prepared)); }
    std::vector<int> dropped;
  } owner;
  int things[] = {1, 2, 3};
  const auto add = encode(make_message(
      BundleAdd{.id = 1, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, 5))},
      {.version = k14}, 5));
  ASSERT_GT(add.size(), 64u);
  {
    BundleMessages first(k14, true, &owner);
    for (int& thing : things) {
      first.append(add, {.what = &thing, .bytes = 100});
      first.append(add);
    }
    EXPECT_EQ(first.prepared_bytes(), 300u);
    BundleMessages messages = std::move(first);
    EXPECT_EQ(messages.next()->prepared, &things[0]);
    EXPECT_THAT(messages.current_add(), ::testing::ElementsAreArray(Bytes(add).first(64)));
    EXPECT_NE(as<FlowMod>(*messages.next()->message), nullptr);
    EXPECT_THAT(messages.current_add(), ::testing::ElementsAreArray(add));
    EXPECT_TRUE(owner.dropped.empty());
  }
  EXPECT_THAT(owner.dropped, ::testing::ElementsAre(2, 3));
}

// What several hold counts once, and anew in a bundle of its own: the other may go first.
TEST_F(SessionTest, SharedPartsCountOnceInEachBundle) {
  struct Owner : PreparedOwner {
    void drop(void*) override {}
  } owner;
  const auto add = encode(make_message(
      BundleAdd{.id = 1, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, 5))},
      {.version = k14}, 5));
  int thing = 0;
  alignas(64) std::array<std::array<std::uint64_t, 2>, 3> parts{};
  const auto append = [&](BundleMessages& to, std::size_t mask, std::size_t actions) {
    to.append(add,
              {.what = &thing, .bytes = 1, .shared = {{{&parts[mask], 100}, {&parts[actions], 10'000}}}});
    return to.prepared_bytes();
  };
  BundleMessages one(k14, true, &owner), other(k14, true, &owner);
  EXPECT_EQ(append(one, 0, 1), 10'101u);
  EXPECT_EQ(append(one, 0, 1), 10'102u);
  EXPECT_EQ(append(one, 0, 2), 20'103u);
  EXPECT_EQ(append(other, 0, 1), 10'101u);
}

// What is prepared counts: beyond its share the bytes of messages are kept, and a session that goes gives all
// back.
TEST_F(SessionTest, WhatIsPreparedIsBounded) {
  open(k14);
  handler.prepared_bytes = session_limits::kPreparedBytes / 4;
  const auto add = [&](std::uint32_t id) {
    send(BundleAdd{.id = id, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, 5))});
  };
  for (unsigned i = 0; i < 3; ++i) add(1);
  for (unsigned i = 0; i < 3; ++i) add(2);
  EXPECT_EQ(handler.prepared, 4);
  send(BundleControl{.id = 1, .type = BundleControlType::DiscardRequest, .flags = {}});
  EXPECT_EQ(handler.prepared, 1);
  add(2);
  EXPECT_EQ(handler.prepared, 2);
  // It takes no room from messages.
  constexpr std::size_t kPackets = session_limits::kBundleBytes / session_limits::kBundledPacketBytes;
  output();
  for (std::size_t i = 0; i < kPackets * 9 / 10; ++i)
    send(BundleAdd{.id = 2, .flags = {}, .message = encode(make_message(PacketOut{}, {.version = k14}, 5))});
  EXPECT_EQ(output(), "");
  session->close("");
  EXPECT_EQ(handler.prepared, 0);
}

TEST_F(SessionTest, BundlesOfASessionAreBounded) {
  open(k14);
  const auto add = [&](Body body, std::uint32_t id) {
    send(BundleAdd{
        .id = id, .flags = {}, .message = encode(make_message(std::move(body), {.version = k14}, 5))});
    return output();
  };
  // Packets are taken for what they will need.
  constexpr std::size_t kPackets = session_limits::kBundleBytes / session_limits::kBundledPacketBytes;
  std::size_t packets = 0;
  while (packets <= kPackets && add(PacketOut{}, 1 + packets % 2).empty()) ++packets;
  EXPECT_LT(packets, kPackets);
  EXPECT_GT(packets, kPackets * 9 / 10);
  EXPECT_THAT(add(PacketOut{}, 1), ::testing::HasSubstr("OFPBFC_MSG_TOO_MANY"));
  send(BundleControl{.id = 1, .type = BundleControlType::DiscardRequest, .flags = {}});
  output();
  EXPECT_EQ(add(PacketOut{}, 2), "");
  for (std::uint32_t id = 3; id <= session_limits::kBundles + 1; ++id) EXPECT_EQ(add(FlowMod{}, id), "");
  EXPECT_THAT(add(FlowMod{}, 99), ::testing::HasSubstr("OFPBFC_OUT_OF_BUNDLES"));
}

// Opened, added to or closed: from the last of these on it has its time.
TEST_F(SessionTest, BundlesThatAreLetLieAreDiscarded) {
  open(k14);
  handler.room.idle_timeout = Duration::seconds(3);
  handler.prepared_bytes = 100;
  const auto at = [](unsigned seconds) { return kStart + Duration::seconds(seconds); };
  const auto say = [&](Body body, std::uint32_t xid, unsigned seconds) {
    session->receive(encode(make_message(std::move(body), {.version = k14}, xid)), at(seconds));
    session->take_output();
  };
  const auto control = [](std::uint32_t id, BundleControlType type) {
    return BundleControl{.id = id, .type = type, .flags = {}};
  };
  const auto add = [](std::uint32_t id, std::uint32_t xid) {
    return BundleAdd{
        .id = id, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, xid))};
  };
  say(control(1, BundleControlType::OpenRequest), 11, 0);
  say(add(2, 12), 12, 0);
  say(add(1, 13), 13, 2);
  EXPECT_EQ(session->deadline(), at(3));
  EXPECT_EQ(handler.prepared, 2);
  session->tick(at(3));
  EXPECT_EQ(output(),
            "OFPT_ERROR (OF1.4) (xid=0xc): OFPBFC_TIMEOUT\n"
            "OFPT_BUNDLE_ADD_MESSAGE (OF1.4) (xid=0xc):\n(***truncated to 64 bytes from 72***)\n"
            "00000000  05 22 00 48 00 00 00 0c-00 00 00 02 00 00 00 00 |.\".H............|\n"
            "00000010  05 0e 00 38 00 00 00 0c-00 00 00 00 00 00 00 00 |...8............|\n"
            "00000020  00 00 00 00 00 00 00 00-00 00 00 00 00 00 80 00 |................|\n"
            "00000030  ff ff ff ff ff ff ff ff-ff ff ff ff 00 00 00 00 |................|\n");
  EXPECT_EQ(handler.prepared, 1);
  say(control(1, BundleControlType::CloseRequest), 14, 4);
  EXPECT_EQ(session->deadline(), at(7));
  session->tick(at(7));
  EXPECT_EQ(output(),
            "OFPT_ERROR (OF1.4) (xid=0xb): OFPBFC_TIMEOUT\n"
            "OFPT_BUNDLE_CONTROL (OF1.4) (xid=0xb):\n bundle_id=0x1 type=OPEN_REQUEST flags=0\n");
  EXPECT_EQ(handler.prepared, 0);
  EXPECT_EQ(handler.room.held.messages, 0u);
  EXPECT_EQ(handler.room.held.prepared, 0u);
  EXPECT_FALSE(session->deadline());
}

// What waited behind something that takes long has its time from when it is served.
TEST_F(SessionTest, BundlesHaveTheirTimeFromWhenTheyAreServed) {
  open(k14);
  session->append(
      encode(make_message(BundleControl{.id = 1, .type = BundleControlType::OpenRequest, .flags = {}},
                          {.version = k14}, 1)),
      kStart);
  session->set_now(kStart + Duration::seconds(60));
  EXPECT_TRUE(session->serve_next());
  EXPECT_EQ(session->deadline(), kStart + Duration::seconds(60) + BundleRoom::kIdleTimeout);
}

// However little a session holds: what the others hold counts.
TEST_F(SessionTest, BundlesOfAllSessionsAreBounded) {
  open(k14);
  const auto add = [&] {
    send(BundleAdd{.id = 1, .flags = {}, .message = encode(make_message(PacketOut{}, {.version = k14}, 5))});
    return output();
  };
  constexpr std::size_t kOthers = BundleRoom::kMessageBytes - 10 * session_limits::kBundledPacketBytes;
  handler.room.held.messages = kOthers;
  std::size_t packets = 0;
  while (packets <= 10 && add().empty()) ++packets;
  EXPECT_EQ(packets, 9u) << "each takes its bytes beside";
  EXPECT_THAT(add(), ::testing::HasSubstr("OFPBFC_MSG_TOO_MANY"));
  EXPECT_LE(handler.room.held.messages, BundleRoom::kMessageBytes);
  // What others let go is free, and what the session lets go is theirs.
  handler.room.held.messages -= kOthers;
  EXPECT_EQ(add(), "");
  const std::size_t own = handler.room.held.messages;
  EXPECT_GT(own, 10 * session_limits::kBundledPacketBytes);
  EXPECT_LT(own, 11 * session_limits::kBundledPacketBytes);
  send(BundleControl{.id = 1, .type = BundleControlType::DiscardRequest, .flags = {}});
  EXPECT_EQ(handler.room.held.messages, 0u);
  send(BundleAdd{.id = 2, .flags = {}, .message = encode(make_message(PacketOut{}, {.version = k14}, 5))});
  EXPECT_GT(handler.room.held.messages, 0u);
  session.reset();
  EXPECT_EQ(handler.room.held.messages, 0u);
}

// The same of what is prepared: what finds no room waits as its bytes.
TEST_F(SessionTest, WhatIsPreparedForAllSessionsIsBounded) {
  handler.prepared_bytes = BundleRoom::kPreparedBytes / 8;
  std::vector<std::unique_ptr<Session>> sessions;
  for (unsigned i = 0; i < 4; ++i) {
    auto& made = sessions.emplace_back(std::make_unique<Session>(Session::Options{}, handler, kStart));
    made->receive(encode(make_message(Hello{.versions = 0x20}, {.version = k14}, 9)), kStart);
    const BundleAdd add{
        .id = 1, .flags = {}, .message = encode(make_message(FlowMod{}, {.version = k14}, 5))};
    for (unsigned n = 0; n < 6; ++n) made->receive(encode(make_message(add, {.version = k14}, 5)), kStart);
    EXPECT_EQ(handler.prepared, std::min(8, 4 * (static_cast<int>(i) + 1)));
  }
  sessions.clear();
  EXPECT_EQ(handler.prepared, 0);
}

// Requests in parts: as many, as large and for as long as they may.
TEST_F(SessionTest, PartsOfRequestsAreBounded) {
  open(k14);
  const auto part = [&](std::uint32_t xid, std::size_t monitors, bool more) {
    FlowMonitorRequest request;
    request.entries.resize(monitors);
    for (MonitorRequest& monitor : request.entries) monitor.flags.add = true;
    Message message = make_message(std::move(request), {.version = k14}, xid);
    message.more = more;
    session->receive(encode(message), kStart);
    return output();
  };
  for (std::uint32_t xid = 0; xid < session_limits::kPartialRequests; ++xid)
    EXPECT_EQ(part(xid, 1, true), "");
  EXPECT_THAT(part(99, 1, true), ::testing::HasSubstr("(xid=0x63): OFPBRC_MULTIPART_BUFFER_OVERFLOW"));
  EXPECT_EQ(part(0, 1, false), "");
  EXPECT_THAT(handler.requests, ::testing::ElementsAre("OFPST_FLOW_MONITOR request"));
  // One that grows without end is forgotten, and the room is free again.
  std::string said;
  std::size_t bytes = 0;
  while (said.empty() && bytes < 2 * session_limits::kPartialBytes) {
    said = part(1, 1000, true);
    bytes += 1000 * 24;
  }
  EXPECT_THAT(said, ::testing::HasSubstr("(xid=0x1): OFPBRC_MULTIPART_BUFFER_OVERFLOW"));
  EXPECT_LT(bytes, session_limits::kPartialBytes + 100'000);
  EXPECT_GT(bytes, session_limits::kPartialBytes * 9 / 10);
  EXPECT_EQ(part(1, 1000, true), "");
  EXPECT_EQ(handler.requests.size(), 1u);
  session->tick(kStart + session_limits::kPartialTimeout);
  EXPECT_THAT(output(), ::testing::HasSubstr("OFPBRC_MULTIPART_REQUEST_TIMEOUT"));
  EXPECT_EQ(part(50, 30'000 / 24, true), "");
}

TEST_F(SessionTest, WhatFitsNoMessageIsLeftOut) {
  // A flow as large as a flow_mod can carry has no room in a reply beside what a reply says of it.
  const auto entry = [](std::size_t bytes) {
    FlowStatsReply::Entry stats;
    stats.flow.table = 0;
    stats.flow.new_cookie = bytes;
    stats.flow.actions = action::parse_actions("note:" + std::string(2 * bytes, 'a')).value();
    return stats;
  };
  for (const bool at_end : {false, true}) {
    FlowStatsReply reply;
    reply.entries = {entry(60'000), entry(6), entry(65'440), entry(7)};
    if (at_end) reply.entries.pop_back();
    Splitter splitter;
    splitter.append(encode(make_message(reply, {.version = k14}, 1)));
    std::vector<std::uint64_t> cookies;
    bool more = true;
    for (auto next = splitter.next(); next && *next; next = splitter.next()) {
      const auto part = decode(**next);
      ASSERT_TRUE(part);
      ASSERT_NE(as<FlowStatsReply>(*part), nullptr);
      EXPECT_TRUE(more);
      more = part->more;
      for (const FlowStatsReply::Entry& each : as<FlowStatsReply>(*part)->entries)
        cookies.push_back(each.flow.new_cookie.value());
    }
    EXPECT_FALSE(more);
    EXPECT_EQ(cookies,
              at_end ? (std::vector<std::uint64_t>{60'000, 6}) : (std::vector<std::uint64_t>{60'000, 6, 7}));
  }
}

}  // namespace
}  // namespace sluice::openflow
