// SCTP associations through the whole tracker, with exact states, tags and timeouts. Client 10.0.0.1:1000,
// server 10.0.0.2:80; the client's packets carry the tag that the server chose, and the other way round.
#include "conntrack/proto/sctp.h"

#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr std::uint32_t kServerTag = 0x5e5e0001, kClientTag = 0xc1c10002;

std::string be(std::uint64_t value, int bytes) {
  std::string text;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}
std::string chunk(int type, int flags = 0, const std::string& value = "") {
  std::string text = be(static_cast<std::uint32_t>(type), 1) + be(static_cast<std::uint32_t>(flags), 1) +
                     be(static_cast<std::uint32_t>(4 + value.size()), 2) + value;
  while (text.size() % 4 != 0) text += '\0';
  return text;
}
std::string init(std::uint32_t tag, int type = 1) {
  return chunk(type, 0, be(tag, 4) + be(65536, 4) + be(1, 2) + be(1, 2) + be(7, 4));
}
std::string init_ack(std::uint32_t tag) {
  return init(tag, 2);
}
const std::string kData = chunk(0, 3, std::string(12, 'x') + "hello"),
                  kSack = chunk(3, 0, std::string(12, 's')), kHeartbeat = chunk(4, 0, "info"),
                  kHeartbeatAck = chunk(5, 0, "info"), kAbort = chunk(6), kAbortReflected = chunk(6, 1),
                  kShutdown = chunk(7, 0, be(7, 4)), kShutdownAck = chunk(8), kError = chunk(9),
                  kCookieEcho = chunk(10, 0, "a cookie"), kCookieAck = chunk(11),
                  kShutdownComplete = chunk(14), kShutdownCompleteReflected = chunk(14, 1);

class SctpTest : public TrackerFixture {
 protected:
  static Layers client(const std::string& chunks, std::uint32_t tag = kServerTag) {
    return Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} /
           (Sctp{.sport = 1000, .dport = 80, .tag = tag} / Payload{chunks});
  }
  static Layers server(const std::string& chunks, std::uint32_t tag = kClientTag) {
    return Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} /
           (Sctp{.sport = 80, .dport = 1000, .tag = tag} / Payload{chunks});
  }
  SctpState state() { return static_cast<SctpState>(only_connection().state[0]); }
  void expect(SctpState wanted, int seconds, const char* where) {
    EXPECT_EQ(state(), wanted) << where;
    EXPECT_EQ(expires_in_seconds(), seconds) << where;
  }
  void set_up() {
    EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
    EXPECT_EQ(track(server(init_ack(kServerTag))), "+est+rpl+trk");
    EXPECT_EQ(track(client(kCookieEcho)), "+est+trk");
    EXPECT_EQ(track(server(kCookieAck)), "+est+rpl+trk");
    EXPECT_EQ(state(), SctpState::Established);
    forget_counters();
  }
};

TEST_F(SctpTest, SetsUpTalksAndShutsDown) {
  EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
  expect(SctpState::CookieWait, 30, "init");
  EXPECT_EQ(track(client(init(kClientTag), 0)), "+new+trk");  // retransmitted
  EXPECT_EQ(track(server(init_ack(kServerTag))), "+est+rpl+trk");
  expect(SctpState::CookieWait, 30, "init ack");
  EXPECT_EQ(track(server(init_ack(kServerTag))), "+est+rpl+trk");
  EXPECT_EQ(track(client(kCookieEcho + kData)), "+est+trk");
  expect(SctpState::CookieEchoed, 30, "cookie echo");
  EXPECT_EQ(track(client(kCookieEcho + kData)), "+est+trk");
  EXPECT_EQ(track(server(kCookieAck + kSack + kData)), "+est+rpl+trk");
  expect(SctpState::Established, 210, "cookie ack");
  EXPECT_EQ(only_connection().sctp_tag[0], kServerTag);
  EXPECT_EQ(only_connection().sctp_tag[1], kClientTag);
  EXPECT_EQ(track(client(kCookieEcho)), "+est+trk");  // its answer was lost: nothing changes
  EXPECT_EQ(track(client(kHeartbeat)), "+est+trk");
  EXPECT_EQ(track(server(kHeartbeatAck)), "+est+rpl+trk");
  expect(SctpState::Established, 210, "heartbeat");
  EXPECT_EQ(track(client(kSack + kShutdown)), "+est+trk");
  expect(SctpState::ShutdownSent, 30, "shutdown");
  EXPECT_EQ(track(server(kShutdownAck)), "+est+rpl+trk");
  expect(SctpState::ShutdownAckSent, 30, "shutdown ack");
  EXPECT_EQ(track(server(kShutdownAck)), "+est+rpl+trk");
  EXPECT_EQ(track(client(kShutdownComplete)), "+est+trk");
  expect(SctpState::Closed, 10, "shutdown complete");
  expect_delta({{"created", 1}, {"committed", 1}, {"lookups", 14}, {"hits", 13}});
}

TEST_F(SctpTest, ShutDownByTheServerCompletedAfterItForgot) {
  set_up();
  EXPECT_EQ(track(server(kShutdown)), "+est+rpl+trk");
  expect(SctpState::ShutdownReceived, 30, "shutdown");
  EXPECT_EQ(track(client(kShutdownAck)), "+est+trk");
  expect(SctpState::ShutdownAckSent, 30, "shutdown ack");
  // Section 8.5.1 C: who knows no association reflects the tag.
  EXPECT_EQ(track(server(kShutdownCompleteReflected, kClientTag + 1)), "+inv+trk");
  EXPECT_EQ(track(server(kShutdownCompleteReflected, kServerTag)), "+est+rpl+trk");
  EXPECT_EQ(state(), SctpState::Closed);
}

TEST_F(SctpTest, AbortTakesTheRightTag) {
  set_up();
  EXPECT_EQ(track(server(kAbort, kServerTag)), "+inv+trk");
  EXPECT_EQ(track(server(kAbort, 5)), "+inv+trk");
  EXPECT_EQ(track(server(kAbortReflected, 5)), "+inv+trk");
  EXPECT_EQ(track(server(kAbort, 0)), "+inv+trk");
  expect_delta({{"lookups", 4}, {"hits", 4}, {"reason.sctp_bad_tag", 4}});
  EXPECT_EQ(state(), SctpState::Established);
  EXPECT_EQ(track(server(kAbortReflected, kServerTag)), "+est+rpl+trk");
  expect(SctpState::Closed, 10, "abort");
}

TEST_F(SctpTest, AbortInAnswerToInit) {
  EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
  EXPECT_EQ(track(server(kAbort, 9)), "+inv+trk");
  EXPECT_EQ(track(server(kAbort)), "+est+rpl+trk");
  EXPECT_EQ(state(), SctpState::Closed);
  // The ports are free again.
  const std::uint64_t old = only_connection().id;
  EXPECT_EQ(commit(client(init(77), 0)), "+new+trk");
  EXPECT_NE(only_connection().id, old);
  EXPECT_EQ(state(), SctpState::CookieWait);
}

TEST_F(SctpTest, TagsOfOthersAreInvalid) {
  set_up();
  EXPECT_EQ(track(client(kData, kClientTag)), "+inv+trk");
  EXPECT_EQ(track(client(kData, 0)), "+inv+trk");
  EXPECT_EQ(track(client(kShutdown, kServerTag + 1)), "+inv+trk");
  EXPECT_EQ(track(server(init_ack(3))), "+inv+trk");  // nobody sent INIT
  EXPECT_EQ(track(client(init(3), 4)), "+inv+trk");
  expect_delta({{"lookups", 5}, {"hits", 5}, {"reason.sctp_bad_tag", 5}});
  EXPECT_EQ(track(client(kData)), "+est+trk");
  EXPECT_EQ(state(), SctpState::Established);
}

TEST_F(SctpTest, AnswersToAnotherInitAreInvalid) {
  EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
  EXPECT_EQ(track(server(init_ack(kServerTag), kClientTag + 1)), "+inv+trk");
  EXPECT_EQ(track(server(kData, kClientTag + 1)), "+inv+trk");
  EXPECT_EQ(track(server(init_ack(kServerTag))), "+est+rpl+trk");
  EXPECT_EQ(track(client(kCookieEcho, kServerTag + 1)), "+inv+trk");
  EXPECT_EQ(state(), SctpState::CookieWait);
}

// Section 5.2.1: both ends send INIT; each answers with the tag that it had sent.
TEST_F(SctpTest, CollidingInits) {
  EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
  EXPECT_EQ(track(server(init(kServerTag), 0)), "+est+rpl+trk");
  EXPECT_EQ(state(), SctpState::CookieWait);
  EXPECT_EQ(track(client(init_ack(kClientTag))), "+est+trk");
  EXPECT_EQ(track(server(init_ack(kServerTag))), "+est+rpl+trk");
  EXPECT_EQ(track(client(kCookieEcho)), "+est+trk");
  EXPECT_EQ(state(), SctpState::CookieEchoed);
  EXPECT_EQ(track(server(kCookieEcho)), "+est+rpl+trk");
  EXPECT_EQ(track(server(kCookieAck)), "+est+rpl+trk");
  EXPECT_EQ(track(client(kCookieAck)), "+est+trk");
  EXPECT_EQ(state(), SctpState::Established);
  EXPECT_EQ(only_connection().sctp_tag[0], kServerTag);
  EXPECT_EQ(only_connection().sctp_tag[1], kClientTag);
}

// Section 5.2.2: a peer that lost its state opens again; the old tags hold until the new cookie came back.
TEST_F(SctpTest, RestartOfAnEstablishedAssociation) {
  set_up();
  EXPECT_EQ(track(client(init(0xaaa), 0)), "+est+trk");
  expect(SctpState::Established, 210, "a forged INIT would do no harm");
  EXPECT_EQ(track(client(kData)), "+est+trk");
  EXPECT_EQ(track(server(kData)), "+est+rpl+trk");
  EXPECT_EQ(track(server(init_ack(0xbbb), 0xaaa)), "+est+rpl+trk");
  EXPECT_EQ(track(client(kCookieEcho, 0xbbb)), "+est+trk");
  EXPECT_EQ(state(), SctpState::CookieEchoed);
  EXPECT_EQ(track(server(kCookieAck, 0xaaa)), "+est+rpl+trk");
  EXPECT_EQ(state(), SctpState::Established);
  EXPECT_EQ(track(client(kData)), "+inv+trk");
  EXPECT_EQ(track(client(kData, 0xbbb)), "+est+trk");
}

TEST_F(SctpTest, AFurtherPathBeginsWithAHeartbeat) {
  EXPECT_EQ(commit(client(kHeartbeat)), "+new+trk");
  expect(SctpState::HeartbeatSent, 30, "heartbeat");
  EXPECT_EQ(track(client(kHeartbeat)), "+new+trk");
  EXPECT_EQ(track(client(kHeartbeat, kServerTag + 1)), "+inv+trk");
  EXPECT_EQ(track(server(kHeartbeatAck)), "+est+rpl+trk");
  expect(SctpState::Established, 210, "heartbeat ack");
  EXPECT_EQ(track(server(kData, kClientTag + 1)), "+inv+trk");
  EXPECT_EQ(track(client(kShutdown)), "+est+trk");
  EXPECT_EQ(state(), SctpState::ShutdownSent);
}

TEST_F(SctpTest, PickedUpInMidStream) {
  EXPECT_EQ(commit(client(kSack + kData)), "+new+trk");
  expect(SctpState::HeartbeatSent, 30, "data");
  EXPECT_EQ(track(server(kSack)), "+est+rpl+trk");
  expect(SctpState::Established, 210, "sack");
  EXPECT_EQ(only_connection().sctp_tag[0], kServerTag);
  EXPECT_EQ(only_connection().sctp_tag[1], kClientTag);
}

TEST_F(SctpTest, WhatCannotOpen) {
  for (const auto& layers :
       {client(init_ack(3)), client(kAbort), client(kShutdownAck), client(kShutdownComplete),
        client(init(0), 0), client(chunk(1), 0), client(init(3) + kData, 0)})
    EXPECT_EQ(commit(layers), "+inv+trk");
  expect_delta({{"lookups", 7}, {"reason.sctp_bad_chunk", 7}});
  EXPECT_EQ(commit(client(init(3), 5)), "+inv+trk");
  EXPECT_EQ(commit(client(kData, 0)), "+inv+trk");
  expect_delta({{"lookups", 2}, {"reason.sctp_bad_tag", 2}});
  EXPECT_EQ(commit(client("")), "+inv+trk");
  expect_delta({{"reason.sctp_bad_chunk", 1}});
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(SctpTest, MalformedChunksChangeNothing) {
  set_up();
  EXPECT_EQ(track(client(kSack + std::string("\7\0\0\2", 4))), "+inv+trk");  // shorter than itself
  EXPECT_EQ(track(client(kSack + std::string("\7\0\1\0", 4))), "+inv+trk");  // beyond the packet
  EXPECT_EQ(track(client(kShutdown + std::string("\7\0", 2))), "+inv+trk");  // half a header
  EXPECT_EQ(track(client(kShutdown + kShutdownComplete)), "+inv+trk");       // never bundled
  EXPECT_EQ(track(server(kShutdown + init_ack(4))), "+inv+trk");
  EXPECT_EQ(state(), SctpState::Established);
  expect_delta({{"lookups", 5}, {"hits", 5}, {"reason.sctp_bad_chunk", 5}});
  // Chunk types that nobody knows are for the ends to judge.
  EXPECT_EQ(track(client(chunk(0xc7, 0, "abc") + kData)), "+est+trk");
}

TEST_F(SctpTest, ControlChunksBeyondTheLimitAreNotLookedAt) {
  set_up();
  std::string many;
  for (unsigned i = 0; i < sctp::kMaxChunks; ++i) many += kError;
  EXPECT_EQ(track(client(many + kShutdown)), "+est+trk");
  EXPECT_EQ(state(), SctpState::Established);
  EXPECT_EQ(track(client(kError + kShutdown)), "+est+trk");
  EXPECT_EQ(state(), SctpState::ShutdownSent);
}

TEST_F(SctpTest, StrictZoneWantsInit) {
  tracker_.set_strictness(0, {.loose = false});
  EXPECT_EQ(commit(client(kHeartbeat)), "+inv+trk");
  expect_delta({{"lookups", 1}, {"reason.mid_stream", 1}});
  EXPECT_EQ(commit(client(init(kClientTag), 0)), "+new+trk");
}

TEST_F(SctpTest, EachStateHasItsTimeoutOfThePolicy) {
  TimeoutPolicy policy;
  for (unsigned i = 0; i < kTimeoutCount; ++i) policy.seconds[i] = 1000 + 10 * i;
  tracker_.set_timeout_policy(0, policy);
  const auto expect_timeout = [&](Timeout wanted) {
    EXPECT_EQ(expires_in_seconds(), policy[wanted]) << timeout_name(wanted);
  };
  commit(client(init(kClientTag), 0));
  expect_timeout(Timeout::SctpCookieWait);
  track(server(init_ack(kServerTag)));
  expect_timeout(Timeout::SctpCookieWait);
  track(client(kCookieEcho));
  expect_timeout(Timeout::SctpCookieEchoed);
  track(server(kCookieAck));
  expect_timeout(Timeout::SctpEstablished);
  track(client(kShutdown));
  expect_timeout(Timeout::SctpShutdownSent);
  track(server(kShutdownAck));
  expect_timeout(Timeout::SctpShutdownAckSent);
  track(client(kShutdownComplete));
  expect_timeout(Timeout::SctpClosed);
  tracker_.flush(std::nullopt);
  set_up();
  track(server(kShutdown));
  expect_timeout(Timeout::SctpShutdownReceived);
  tracker_.flush(std::nullopt);
  commit(client(kHeartbeat));
  expect_timeout(Timeout::SctpHeartbeatSent);
}

/// Whatever chunks come, an invalid packet leaves the entry as it was, and a valid one a state that exists.
TEST(SctpProperty, InvalidChangesNothing) {
  Rng rng(11);
  const std::vector<std::string> chunks = {kData,
                                           kSack,
                                           kHeartbeat,
                                           kHeartbeatAck,
                                           kAbort,
                                           kAbortReflected,
                                           kShutdown,
                                           kShutdownAck,
                                           kError,
                                           kCookieEcho,
                                           kCookieAck,
                                           kShutdownComplete,
                                           kShutdownCompleteReflected,
                                           init(1),
                                           init(2),
                                           init_ack(1),
                                           init_ack(2)};
  unsigned valid = 0;
  for (unsigned round = 0; round < 20'000; ++round) {
    Entry entry{};
    entry.proto = net::ip_proto::kSctp;
    const std::string first = be(0, 8) + be(0, 4) + init(1);
    sctp::open(entry, Bytes(reinterpret_cast<const std::uint8_t*>(first.data()), first.size()));
    for (unsigned n = 0; n < 12; ++n) {
      std::string packet = be(0, 4) + be(static_cast<std::uint32_t>(rng.below(3)), 4) + be(0, 4);
      do packet += chunks[rng.below(chunks.size())];
      while (rng.chance(20));
      const Entry before = entry;
      const Verdict verdict =
          sctp::update(entry, rng.chance(50) ? Direction::Original : Direction::Reply,
                       Bytes(reinterpret_cast<const std::uint8_t*>(packet.data()), packet.size()));
      if (verdict.outcome == Outcome::Invalid || verdict.outcome == Outcome::Reopen)
        ASSERT_EQ(std::memcmp(&before, &entry, sizeof entry), 0);
      else
        ++valid;
      ASSERT_LT(entry.state(Direction::Original), kSctpStateCount);
      ASSERT_EQ(entry.state(Direction::Original), entry.state(Direction::Reply));
    }
  }
  EXPECT_GT(valid, 10'000u);
}

}  // namespace
}  // namespace sluice::conntrack
